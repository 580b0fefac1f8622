"""The atlas: what a sweep keeps and does not compute again, the arithmetic of verdicts and answers, and the declared table."""

import argparse
import dataclasses
import json
import re
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

from claims.training_jacobian.atlas import __main__ as entry
from claims.training_jacobian.atlas import inputs
from claims.training_jacobian.atlas.questions import questions
from claims.training_jacobian.atlas.variants import NEIGHBOURS, PAPER_WIDTH, WIDTH, digits, variants
from harness import InvalidInput, Network
from harness.engine.losses import cross_entropy
from harness.report.atlas import command, judged, measured, pages, rows
from harness.report.atlas.rows import Measured, Row
from harness.report.atlas.table import Question, Rows, Table, Variant, World
from harness.suite import portable
from harness.suite.claim import Claim, Control
from harness.suite.records import ControlRecord
from harness.suite.verdict import at_least

PAPER = "training-jacobian"
KEPT = ("bulk-exists[more-than-on-noise]", "alignment-bulk[median]", "bulk-seed-overlap")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 5)), RNG.integers(0, 3, 40)


def network(name, step=0.1):
    if step < 0:
        raise InvalidInput(f"step {step}")
    return Network(
        init=lambda key: jax.random.normal(key, (5, 3)) / 2,
        apply=lambda params, x: x @ params,
        loss=cross_entropy,
        data=(X[:30], Y[:30], X[30:], Y[30:]),
        optimiser=optax.sgd(step),
        epochs=2,
        batch=10,
        name=name,
    )


def question(**changes):
    given = {
        "id": "larger",
        "asks": "Is it larger?",
        "says": "it is",
        "reading": "near of other, less near of base",
        "accept": at_least(0.1, reason="planted"),
        "of": lambda rows: rows.fact("other", "near") - rows.fact("base", "near"),
        "control": World("the base in its place", lambda rows: rows.swapped(["other"], "base")),
    }
    return Question(**given | changes)


def table(step=0.1):
    made = [Variant("base", "base", "-", lambda: network("base")), Variant("other", "step", step, lambda: network("other", step))]
    return Table(made, [question()], [PAPER], spectra="step", against=("step", ("step",)))


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """Sweep the table above with three claims; gives the exit code, what was said and what was measured."""
    claims = [claim for claim in portable.of_paper(PAPER) if claim.id.partition("/")[2] in KEPT]
    monkeypatch.setattr("harness.report.atlas.sweep.portable.of_paper", lambda paper: claims)
    measure, before = measured.measure, jax.config.jax_compilation_cache_dir

    def go(*arguments, step=0.1, stop=None, seeds=1):
        told, done = [], []

        def counted(variant, run, *others):
            if len(done) == stop:
                raise KeyboardInterrupt
            done.append(f"{variant.name}-{run.seed}")
            return measure(variant, run, *others)

        monkeypatch.setattr(measured, "measure", counted)
        places = ["--into", str(tmp_path / "atlas"), "--store", str(tmp_path / "store"), "--seeds", str(seeds)]
        options = command.parser("test").parse_args([*places, *arguments])
        return command.main(lambda _: table(step), options, told.append), told, done

    yield go, tmp_path / "atlas"
    jax.config.update("jax_compilation_cache_dir", before)


def test_an_interrupted_sweep_goes_on_and_computes_nothing_twice(swept):
    go, folder = swept
    code, told, done = go(stop=1)
    assert (code, done) == (command.INTERRUPTED, ["base-0"])
    assert any("interrupted" in line for line in told)
    assert "**Incomplete**: 1 of 2 rows" in (folder / "atlas.md").read_text()
    assert [path.name for path in (folder / "rows").iterdir()] == ["base-0.json"]

    assert go()[::2] == (0, ["other-0"])
    assert go()[::2] == (0, [])
    found = json.loads((folder / "atlas.json").read_text())
    assert found["complete"]
    assert [variant["name"] for variant in found["variants"]] == ["base", "other"]
    for variant in found["variants"]:
        facts = variant["rows"][0]["facts"]
        assert facts["near"] + facts["above"] + facts["below"] == pytest.approx(1)
        assert facts["rank_0.1"] <= facts["rank_0.01"] <= facts["rank_0.001"] <= 1
        assert (facts["inputs"], facts["input_rank"]) == (5, 5)
    for name in ("map", "atlas", "spectra", "share-against-step"):
        assert (folder / f"{name}.svg").read_text().lstrip().startswith("<?xml")

    # another network is measured again, and that it diverges is a result; the base is not
    code, told, done = go(step=1e39)
    assert (code, done) == (0, ["other-0"])
    failure = json.loads((folder / "rows" / "other-0.json").read_text())["row"]["failure"]
    assert "loss" in failure
    assert any(failure in line for line in told)
    assert "Variants that could not be measured" in (folder / "atlas.md").read_text()

    # nothing is taken from a file that is cut short
    (folder / "rows" / "other-0.json").write_text("{")
    assert go("--pages", step=1e39)[0] == 0
    assert "**Incomplete**: 1 of 2 rows" in (folder / "atlas.md").read_text()


def test_a_variant_that_breaks_costs_no_other(swept):
    go, folder = swept
    code, told, _ = go("--pages", step=-1.0)
    assert code == 1
    assert "other, seed 0: InvalidInput: step -1.0" in (folder / "atlas.md").read_text()
    assert any("BROKEN" in line for line in told)


@pytest.mark.parametrize(("arguments", "said"), [(["--only", "depth"], "depth"), (["--seeds", "0"], "1 or more")])
def test_bad_options_say_what_to_do(swept, capsys, arguments, said):
    assert swept[0](*arguments)[0] == command.REFUSED
    assert said in capsys.readouterr().err


# --- verdicts and answers on planted rows ---------------------------------------------------------------------------------


def row(variant, seed, near=0.5, value=1.0, control=None, **changes):
    controls = [] if control is None else [ControlRecord("world", "REFUTED", None, control)]
    pairs = {str(other): {"p/pairs": Measured(value)} for other in range(seed)}
    made = Row(
        variant, "axis", "-", {}, seed, 10, 8, 4, 1, 2, facts={"near": near}, claims={"p/one": Measured(value, controls=controls)}
    )
    common = {str(other): {"chaotic_overlap": value} for other in range(seed)}
    return dataclasses.replace(made, pairs=pairs, common=common, **changes)


def claim(id="p/one", over="seeds"):
    return Claim(id, "", "", "", at_least(0.9, reason="planted"), lambda run: 0.0, (), over=over)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([1.0, 1.01, 1.02], "SUPPORTED"), ([0.5, 0.51, 0.52], "REFUTED"), ([0.8, 1.0, 1.1], "INCONCLUSIVE")],
)
def test_three_seeds_are_judged_by_their_interval(values, verdict):
    held = [row("base", seed, value=value) for seed, value in enumerate(values)]
    found = judged.of_claim(claim(), held)
    assert (found.verdict, found.mark) == (verdict, verdict)
    half = 4.302653 * np.std(values, ddof=1) / 3**0.5
    assert found.interval == pytest.approx((np.mean(values) - half, np.mean(values) + half), rel=1e-6)


def test_pairs_are_judged_by_the_jackknife():
    found = judged.of_claim(claim("p/pairs", "pairs"), [row("base", seed, value=1 + seed / 10) for seed in range(3)])
    assert found.values == [1.1, 1.2, 1.2]
    # leaving out seed 0, 1 or 2 leaves 1.2, 1.2 or 1.1
    half = 4.302653 * (2 / 3 * (2 * (1 / 30) ** 2 + (1 / 15) ** 2)) ** 0.5
    assert found.interval == pytest.approx((7 / 6 - half, 7 / 6 + half), rel=1e-6)
    assert found.verdict == "INCONCLUSIVE"
    assert judged.of_claim(claim("p/pairs", "pairs"), [row("base", 0)]).why == "one seed makes no pair"


def test_fewer_seeds_say_where_their_values_lie():
    marks = [
        judged.of_claim(claim(), [row("base", i, value=value) for i, value in enumerate(v)]).mark
        for v in ([1, 1], [0, 0], [0, 1])
    ]
    assert marks == ["inside", "outside", "across"]


@pytest.mark.parametrize(
    ("controls", "verdict"),
    [([0.1, 0.2, 0.3], "SUPPORTED"), ([0.1, 0.2, 0.95], "NOT_RUN"), ([1, 1, 1], "NOT_RUN"), ([0, 0, None], "NOT_RUN")],
)
def test_a_control_must_be_refuted_on_all_seeds_by_the_claim_s_rule(controls, verdict):
    """0.1, 0.2 and 0.95 have an interval that reaches into the region; None is a world that crashed."""
    controlled = dataclasses.replace(claim(), controls=(Control("world", lambda run: run),))
    held = [row("base", seed, value=1 + seed / 100, control=value) for seed, value in enumerate(controls)]
    if None in controls:
        held[2] = dataclasses.replace(
            held[2], claims={"p/one": Measured(1.02, controls=[ControlRecord("world", "REFUTED", None, None)])}
        )
    found = judged.of_claim(controlled, held)
    assert found.verdict == verdict
    assert ("no different in its control: world" in found.why) == (verdict == "NOT_RUN")


def test_what_was_not_measured_has_no_verdict():
    held = [
        row("base", 0),
        row("base", 1, claims={"p/one": Measured(None, "no bulk")}),
        row("base", 2, failure="it diverged", claims={}),
    ]
    assert judged.of_claim(claim(), held).why == "seed 1: no bulk"
    assert judged.of_claim(claim(), held[2:]).why == "seed 2: it diverged"


def planted(*others, base=0.4):
    return {
        seed: {"base": row("base", seed, near=base), "other": row("other", seed, near=near)} for seed, near in enumerate(others)
    }


def test_answers_are_the_question_s_own_arithmetic():
    found = judged.of_question(question(), planted(0.6, 0.61, 0.62))
    assert found.verdict == "SUPPORTED"
    assert found.values == pytest.approx([0.2, 0.21, 0.22])
    assert judged.of_question(question(), planted(0.4, 0.41, 0.42)).verdict == "REFUTED"
    assert judged.of_question(question(), planted(0.6)).mark == "inside"


def test_a_question_that_its_control_answers_too_is_not_judged():
    blind = question(control=World("itself", lambda rows: rows))
    assert "comes out no different with itself" in judged.of_question(blind, planted(0.6, 0.61, 0.62)).why


def test_a_question_needs_its_variants():
    found = judged.of_question(question(), {seed: {"base": row("base", seed)} for seed in range(3)})
    assert (found.verdict, found.why) == ("NOT_RUN", "variant other was not swept")
    diverged = {0: {"base": row("base", 0), "other": row("other", 0, failure="it diverged")}}
    assert judged.of_question(question(), diverged).why == "variant other: it diverged"


def test_a_question_of_pairs():
    asked = question(
        over="pairs",
        of=lambda rows, other: rows.common("base", other, "chaotic_overlap"),
        control=World("nothing", lambda rows, other: 0.0),
    )
    seeds = {seed: {"base": row("base", seed, value=1 + seed / 10)} for seed in range(3)}
    assert judged.of_question(asked, seeds).values == [1.1, 1.2, 1.2]


def test_a_row_survives_its_file(tmp_path):
    held, key = row("base", 2, control=0.5), {"code": "1"}
    rows.write(tmp_path / "row.json", key, held)
    assert rows.read(tmp_path / "row.json", key) == held
    assert rows.read(tmp_path / "row.json", {"code": "2"}) is None


def test_pages_of_planted_rows(tmp_path):
    held = [one for seed in planted(0.6, 0.61, 0.62).values() for one in seed.values()]
    pages.write(pages.Atlas(table(), [claim()], 3, held, True), tmp_path)
    page = (tmp_path / "atlas.md").read_text()
    assert "| Is it larger? | it is | SUPPORTED | 0.21 [" in page
    assert (tmp_path / "variants" / "other.md").exists()
    assert len((tmp_path / "atlas.csv").read_text().splitlines()) == 7


# --- the declared table ---------------------------------------------------------------------------------------------------


def declared(width=WIDTH):
    return entry.table(argparse.Namespace(paper_width=width == PAPER_WIDTH, mnist=None))


def test_the_table_has_sixty_variants_and_names_what_it_leaves_out():
    made = declared()
    assert len(made.variants) >= 60
    assert made.base.name == "base"
    assert {"activation", "width", "depth", "optimiser", "step-size", "batch", "epochs", "time", "data", "noise-rank"} <= set(
        made.axes
    )
    assert list(made.left_out) == ["mnist-8x8"]
    with pytest.raises(InvalidInput, match="mnist-8x8 cannot be swept: it needs --mnist"):
        made.chosen(["mnist-8x8"])
    assert [variant.name for variant in made.chosen(["depth"])] == ["base", "depth-2", "depth-3"]


@pytest.mark.parametrize("width", NEIGHBOURS)
def test_questions_ask_for_variants_and_facts_that_there_are(width):
    """On rows of random facts each question gives a number, and so does its control's world."""
    made, rng = declared(width), np.random.default_rng(0)

    def planted_row(name, seed):
        common = {"0": dict.fromkeys(rows.PAIR_FACTS, 0.5)} if seed else {}
        return dataclasses.replace(row(name, seed), facts={fact: rng.uniform() for fact in rows.FACTS}, common=common)

    by_seed = {seed: {variant.name: planted_row(variant.name, seed) for variant in made.variants} for seed in (0, 1)}
    for asked in made.questions:
        found = judged.of_question(asked, by_seed)
        assert len(found.values) == (1 if asked.over == "pairs" else 2), f"{asked.id}: {found.why}"
        assert np.isfinite(found.values).all()


def ranked(shares):
    return Rows({name: row(name, 0, facts={"near_all": share}) for name, share in shares.items()})


def test_the_slope_on_rank_is_that_of_the_line():
    asked = next(q for q in questions() if q.id == "falls-with-rank")
    line = ranked({f"noise-rank-{rank}": 0.9 - 0.8 * rank / 64 for rank in (1, 4, 16, 64)})
    assert asked.of(line) == pytest.approx(-0.8)
    assert asked.of(asked.control.of(line)) > 0


def test_rank_counts_rather_than_width():
    asked = next(q for q in questions() if q.id == "rank-not-width")
    narrow, wide = NEIGHBOURS[WIDTH]
    line = ranked({f"noise-rank-{r}-width-{w}": 1 - r / 64 + w / 1000 for r in (4, 16) for w in (narrow, wide)})
    ratio = (wide - narrow) / 1000 / (12 / 64)
    assert asked.of(line) == pytest.approx(ratio)
    assert asked.control.of(line) == pytest.approx(1 / ratio)


def test_a_malformed_table_is_refused():
    base = Variant("base", "base", "-", lambda: network("base"))
    for wrong in ([], [base, base], [dataclasses.replace(base, name="Base")]):
        with pytest.raises(InvalidInput):
            Table(wrong, [], [PAPER])
    with pytest.raises(InvalidInput, match="axis time is drawn"):
        Table([base], [], [PAPER], spectra="time")


# --- inputs ---------------------------------------------------------------------------------------------------------------


def test_inputs_have_the_rank_and_covariance_that_they_say():
    data = digits()
    white = inputs.whitened(data)
    covariance = np.cov(white.x_train, rowvar=False)
    np.testing.assert_allclose(covariance, covariance[0, 0] * np.eye(len(covariance)), atol=1e-9)
    assert np.trace(covariance) == pytest.approx(np.trace(np.cov(data.x_train, rowvar=False)), rel=1e-3)
    for rank in (1, 4, 16):
        noise, projected = inputs.noise_of_rank(data, rank).x_train, inputs.of_rank(data, rank).x_train
        assert np.linalg.matrix_rank(noise) == rank
        assert np.linalg.matrix_rank(projected - projected.mean(axis=0), tol=1e-6) == rank
        assert noise.std() == pytest.approx(data.x_train.std(), rel=0.1)
    turned = inputs.rotated(data)
    np.testing.assert_allclose(turned.x_train @ turned.x_train[0], data.x_train @ data.x_train[0], atol=1e-9)
    assert inputs.without_border(data).pixels == 48
    assert inputs.pooled(data).x_test.mean() == pytest.approx(data.x_test.mean())


def test_permutations_keep_what_they_permute():
    data = digits()
    once, each = inputs.shuffled_pixels(data), inputs.shuffled_each(data)
    for changed in (once, each):
        np.testing.assert_array_equal(np.sort(changed.x_train, axis=1), np.sort(data.x_train, axis=1))
    moved = {tuple(np.flatnonzero(~one.x_train.any(axis=0))) for one in (once, each)}
    assert sorted(map(len, moved)) == [0, 3]
    noisy = inputs.noisy_labels(data, 0.3)
    assert 0.2 < (noisy.y_train != data.y_train).mean() < 0.3
    np.testing.assert_array_equal(np.bincount(noisy.y_train), np.bincount(data.y_train))


def test_variants_differ_from_the_base_in_what_they_name():
    made = {
        variant.name: variant.build()
        for variant in variants()
        if variant.name in ("base", "batch-400-equal-steps", "time-6", "apart")
    }
    assert (made["base"].steps, made["batch-400-equal-steps"].steps, made["time-6"].steps) == (625, 624, 150)
    early, whole = (made[name].run().training for name in ("time-6", "base"))
    np.testing.assert_array_equal(early.batches.x, whole.batches.x)
    assert made["apart"].carried is not None
    # what squared error sees is not kept apart
    assert made["apart"].with_squared_error().carried is None


def test_the_page_names_every_question():
    page = (Path(__file__).resolve().parents[2] / "docs" / "atlas.md").read_text(encoding="utf-8")
    missing = [asked.id for asked in questions() if f"`{asked.id}`" not in page]
    assert not missing
    stated = dict(re.findall(r"^\| `([a-z0-9-]+)` \|.*\| ([^|]+) \|$", page, flags=re.MULTILINE))
    assert stated == {asked.id: str(asked.accept) for asked in questions()}
