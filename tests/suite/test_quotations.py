"""Quotations: which texts count as the same words, and that another word is noticed."""

import pytest

from harness.errors import InvalidInput
from harness.suite.quotations import fragments, load, save, unquoted, windows, words

TEXT = """The *spectral* norm of $J(\\theta_0)$ is, for [Li et al.](#page-6) and others, about 3000 times
out-of-distribu-
tion's own: between $\\lambda = 10^{-3}$ and λ = 10<sup>3</sup>, 0.96 (dim $\\approx$ 750) are low-
dimensional."""
KNOWN = windows(TEXT)


@pytest.mark.parametrize(
    ("written", "plainly"),
    [
        ("low-dimensional", "lowdimensional"),
        ("eigen-\nvalues", "eigenvalues"),
        ("t2 - t1", "t2 t1"),
        ("$\\mathbf{P}\\theta_t^{(n)}$", "p thetat n"),
        ("μ_1 and $\\mu_1$", "mu1 and mu1"),
        ("ηt", "eta t"),
        ("tη", "t eta"),
        ("a tη, ηt x and x.ηλ.", "a t eta eta t x and x eta lambda"),
        ("Λ, λ and θ'", "lambda lambda and theta"),
        ("x \N{GREEK CAPITAL LETTER THETA} \u0378 y", "x theta y"),
        ("10^{-3} or 10^-3", "10minus3 or 10minus3"),
        ("0.96, 1,000 and .2", "0.96 1 000 and 2"),
        ("a \N{LATIN SMALL LIGATURE FI}eld", "a field"),
        ('the network\'s "bulk."', "the networks bulk"),
        ("**bold** <span id='a'>and</span> [linked](#page-1)", "bold and linked"),
    ],
)
def test_markup_and_typography_make_no_other_words(written, plainly):
    assert words(written) == plainly.split()


@pytest.mark.parametrize(
    "quotes",
    [
        "",
        "the spectral norm of J(theta_0) is, for Li et al. and others, about 3000 times out-of-distribution's own",
        "The spectral norm ... between lambda = 10^-3 and lambda = 10^3, 0.96 (dim ~ 750) are low-dimensional",
    ],
)
def test_what_the_text_has_is_quoted(quotes):
    assert unquoted(quotes, KNOWN) == []


@pytest.mark.parametrize(
    "quotes",
    [
        "the spectral norm of J(theta_1) is, for Li et al. and others",
        "the spectral norm is about 3000",
        "about 3000 times ... norm of the spectral",
        "between lambda = 10^3 and lambda = 10^3",
        "and others, about 300 times",
        "the spectral norm of J(theta_0) is, for Li et al. and others, about 300 times",
    ],
)
def test_a_word_that_is_changed_left_out_or_moved_is_noticed(quotes):
    assert unquoted(quotes, KNOWN)


@pytest.mark.parametrize("quotes", ["spectral norm", "the spectral norm ... about 3000", "the spectral norm ... "])
def test_a_fragment_of_fewer_than_three_words_is_refused(quotes):
    with pytest.raises(InvalidInput, match="quote 3 or more in a row"):
        fragments(quotes)


def test_runs_of_three_to_eight_words_are_hashed():
    """Of ten different words, and of eight words the runs that are missed are named."""
    ten = "one two three four five six seven eight nine ten"
    assert {size: len(hashes) for size, hashes in windows(ten).items()} == {3: 8, 4: 7, 5: 6, 6: 5, 7: 4, 8: 3}
    assert unquoted("One two four ... two three four", windows(ten)) == ["one two four"]


def test_hashes_come_back_and_are_the_same_bytes(tmp_path):
    first, second = tmp_path / "first.gz", tmp_path / "second.gz"
    save({"b": KNOWN, "a": windows("no more than this")}, first)
    assert load(first) == {"b": KNOWN, "a": windows("no more than this")}
    save(load(first), second)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[4:8] == bytes(4)  # gzip's time of writing
