"""The atlas: results that a sweep keeps and does not compute again, the arithmetic of verdicts and answers, and the table."""

import argparse
import dataclasses
import importlib.util
import json
import re
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from filelock import FileLock

from claims.training_jacobian.atlas import __main__ as entry
from claims.training_jacobian.atlas import inputs
from claims.training_jacobian.atlas.questions import ALIKE, LIMITS, questions
from claims.training_jacobian.atlas.variants import NEIGHBOURS, PAPER_WIDTH, SMOKE, SMOKE_WIDTH, WIDTH, digits, variants
from harness import InvalidInput, Network
from harness.engine.losses import cross_entropy
from harness.errors import NotRun
from harness.report.atlas import command, judged, measured, pages, rows
from harness.report.atlas.rows import Measured, Row
from harness.report.atlas.table import NotSwept, Question, Rows, Table, Variant, World
from harness.suite import portable
from harness.suite.claim import Claim, Control
from harness.suite.records import ControlRecord
from harness.suite.verdict import at_least

FILE = Path(__file__).resolve().parents[2] / "docs" / "make_atlas.py"
SPEC = importlib.util.spec_from_file_location("make_atlas", FILE)
assert SPEC is not None
assert SPEC.loader is not None
MADE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MADE)
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
    made = [
        Variant("base", "base", "-", lambda: network("base"), closely=True),
        Variant("other", "step", step, lambda: network("other", step)),
    ]
    return Table(made, [question()], [PAPER], spectra="step", against=("step", ("step",)))


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """Sweep the table above with three claims; gives the exit code, what was said and what was measured."""
    claims = [claim for claim in portable.of_paper(PAPER) if claim.id.partition("/")[2] in KEPT]
    monkeypatch.setattr("harness.report.atlas.sweep.portable.of_paper", lambda paper: claims)
    measure, before = measured.measure, jax.config.jax_compilation_cache_dir

    def go(*arguments, step=0.1, stop=None, seeds=1, elsewhere=None):
        told, done = [], []

        def counted(variant, run, *others):
            if len(done) == stop:
                raise KeyboardInterrupt
            done.append(f"{variant.name}-{run.seed}")
            return measure(variant, run, *others)

        monkeypatch.setattr(measured, "measure", counted)
        places = ["--into", str(tmp_path / "atlas"), "--store", str(tmp_path / "store"), "--seeds", str(seeds)]
        options = command.parser("test").parse_args([*places, *arguments])
        return command.main(lambda _: table(step), options, told.append, elsewhere), told, done

    yield go, tmp_path / "atlas"
    jax.config.update("jax_compilation_cache_dir", before)


def test_an_interrupted_sweep_goes_on_and_computes_nothing_twice(swept, monkeypatch):
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
        assert ("path_regions" in facts) == (variant["name"] == "base")
    # plain descent with hardly any step: 25 Hessians say all of it, and there is no momentum to leave out
    facts = found["variants"][0]["rows"][0]["facts"]
    assert facts["path_regions"] == facts["path_regions_memoryless"] < 0.1
    for name in ("map", "atlas", "spectra", "share-against-step"):
        assert (folder / f"{name}.svg").read_text().lstrip().startswith("<?xml")

    # another network is measured again, and that it diverges is a result; the base is not
    code, told, done = go(step=1e39)
    assert (code, done) == (0, ["other-0"])
    failure = json.loads((folder / "rows" / "other-0.json").read_text())["row"]["failure"]
    assert "loss" in failure
    assert any(failure in line for line in told)
    assert "Variants that could not be measured" in (folder / "atlas.md").read_text()

    # pages show what other code measured, and say so; a sweep measures it again
    with monkeypatch.context() as patch:
        patch.setattr("harness.report.atlas.sweep.provenance.backend", lambda: "another")
        assert go("--pages", step=1e39)[::2] == (0, [])
        assert "2 rows were measured with other code, libraries or devices" in (folder / "atlas.md").read_text()
    assert go("--pages", step=0.2)[0] == 0
    assert "**Incomplete**: 1 of 2 rows" in (folder / "atlas.md").read_text()

    # nothing is taken from a file that is cut short
    (folder / "rows" / "other-0.json").write_text("{")
    assert go("--pages", step=1e39)[0] == 0
    assert "**Incomplete**: 1 of 2 rows" in (folder / "atlas.md").read_text()


def test_rows_from_elsewhere_are_shown_after_an_interrupt(swept):
    go, folder = swept
    assert go()[0] == 0

    def elsewhere(sweep):
        assert sweep.missing() == []
        raise KeyboardInterrupt

    code, told, done = go(elsewhere=elsewhere)
    assert (code, done) == (command.INTERRUPTED, [])
    assert any(line.startswith("2 rows in") for line in told)
    assert json.loads((folder / "atlas.json").read_text())["complete"]


def test_what_another_process_measures_is_left_to_it_and_taken_at_the_end(swept, monkeypatch):
    go, folder = swept
    (folder / "locks").mkdir(parents=True)
    held = FileLock(folder / "locks" / "base-0.json.lock")
    held.acquire()
    write = rows.write

    def written(path, key, row):
        write(path, key, row)
        held.release()  # the other process ends, or dies

    monkeypatch.setattr(rows, "write", written)
    code, _, done = go()
    assert (code, done) == (0, ["other-0", "base-0"])
    assert [one["name"] for one in json.loads((folder / "atlas.json").read_text())["variants"]] == ["base", "other"]


def test_processes_that_share_a_sweep_have_a_core_and_a_thread_each(tmp_path, monkeypatch, capfd):
    (tmp_path / "probe.py").write_text(
        "import os, sys\nprint(*sys.argv[1:], os.environ['OMP_NUM_THREADS'], len(os.sched_getaffinity(0)))\nsys.exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    parse = command.parser("test").parse_args
    made = table()
    assert command.together("probe", ["--seeds", "2"], lambda _: made, parse(["--jobs", "2"])) == 3
    assert capfd.readouterr().out.splitlines() == ["--seeds 2 --jobs 1 1 1"] * 2
    for alone in (["--jobs", "1"], ["--jobs", "2", "--list"], ["--jobs", "2", "--pages"]):
        assert command.together("probe", [], lambda _: made, parse(alone)) is None
    assert command.together("probe", [], lambda _: made, parse(["--jobs", "2", "--only", "depth"])) == command.REFUSED
    assert capfd.readouterr().err.count("atlas: --only depth") == 1


def test_facts_alone_are_measured_without_claims_and_taken_from_a_row_that_has_them(swept):
    go, folder = swept
    assert go("--claims-of", "0")[2] == ["base-0", "other-0"]
    held = json.loads((folder / "rows" / "other-0.json").read_text())["row"]
    assert (held["claims"], held["facts"]["log_volume_shuffled"]) == ({}, None)
    assert go()[2] == ["base-0", "other-0"]
    assert json.loads((folder / "rows" / "other-0.json").read_text())["row"]["claims"]
    assert go("--claims-of", "0")[2] == []


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
    [([0.1, 0.2, 0.3], "SUPPORTED"), ([0.1, 0.2, 0.95], "SUPPORTED"), ([0.8, 1, 1.2], "NOT_RUN"), ([0, 0, None], "NOT_RUN")],
)
def test_a_control_must_be_refuted_on_all_seeds_by_the_claim_s_rule(controls, verdict):
    """0.1, 0.2 and 0.95 have an interval that reaches into the region, and their middle is outside; None crashed."""
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
        seed: {"base": row("base", seed, base, 1 + seed / 100), "other": row("other", seed, near, 1 + seed / 100)}
        for seed, near in enumerate(others)
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


def test_seeds_that_were_not_swept_yet_are_left_out():
    whole = planted(0.6, 0.61, 0.62)
    for seed in (1, 2):
        del whole[seed]["other"]
    found = judged.of_question(question(), whole)
    assert (found.mark, found.values) == ("inside", [pytest.approx(0.2)])
    whole[1]["other"] = row("other", 1, failure="it diverged")
    assert judged.of_question(question(), whole).why == "variant other: it diverged"


def test_rows_of_facts_alone_say_nothing_of_claims():
    held = [row("base", 0, value=1.0), row("base", 1, claims={}), row("base", 2, claims={})]
    found = judged.of_claim(claim(), held)
    assert (found.mark, found.values) == ("inside", [1.0])


def test_an_interval_from_one_seed_is_shown_and_gives_no_verdict():
    asked = question(alone=lambda rows: (0.1, 0.3), against=lambda rows: ["other"])
    found = judged.of_question(asked, planted(0.6))
    assert (found.verdict, found.mark, found.alone, found.against) == ("NOT_RUN", "inside", (0.1, 0.3), ["other"])
    assert judged.of_question(asked, planted(0.6, 0.61, 0.62)).alone is None


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((0.6, 0.61, 0.62), "It is ([larger](#larger): 0.21 [0.1852, 0.2348], asked >= 0.1, SUPPORTED)"),
        ((0.4, 0.41, 0.42), "it is no larger"),
        ((0.4, 0.5, 0.6), "Open: Is it larger?"),
        ((0.6,), "It is. ([larger](#larger): 0.2, asked >= 0.1, inside the region on one seed)"),
        ((), "Not judged: Is it larger?"),
    ],
)
def test_a_sentence_says_what_was_found(shares, said):
    asked = question(otherwise="it is no larger")
    found = judged.of_question(asked, planted(*shares)) if shares else judged.Judged("NOT_RUN", why="nothing was swept")
    assert said.lower().replace("it is (", "it is. (") in pages.sentence(asked, found).lower()


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
    assert '| <a id="larger"></a>Is it larger? | it is | SUPPORTED | 0.21 [' in page
    assert ": the base in its place |" in page
    # every mark of the map says verdict, value and region when a pointer rests on it
    titles = re.findall(r"<title>([^<]*)</title>", (tmp_path / "map.svg").read_text())
    assert titles == [f"{name}, p/one: SUPPORTED, 1.01 [0.9852, 1.035], accepted &gt;= 0.9" for name in ("base", "other")]
    lines = (tmp_path / "claims.csv").read_text().splitlines()
    assert lines[1].startswith("base,p/one,SUPPORTED,1.01,0.985")
    assert (tmp_path / "variants" / "other.md").exists()
    assert len((tmp_path / "atlas.csv").read_text().splitlines()) == 7


# --- the declared table ---------------------------------------------------------------------------------------------------


def declared(width=WIDTH):
    return entry.table(argparse.Namespace(paper_width=width == PAPER_WIDTH, smoke=width == SMOKE_WIDTH, mnist=None))


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


@pytest.mark.parametrize("width", [WIDTH, PAPER_WIDTH])
def test_questions_ask_for_variants_and_facts_that_there_are(width):
    """On rows of random facts each question gives a number, and so does its control's world."""
    made, rng = declared(width), np.random.default_rng(0)

    claims = {id: Measured(0.5, controls=[ControlRecord("world", "REFUTED", None, 0.5)]) for _, id, _ in LIMITS}

    def planted_row(name, seed):
        common = {"0": dict.fromkeys(rows.PAIR_FACTS, 0.5)} if seed else {}
        facts = {fact: rng.uniform() for fact in rows.FACTS}
        return dataclasses.replace(row(name, seed), facts=facts, common=common, claims=claims)

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


def test_the_slope_s_interval_is_that_of_its_residuals():
    asked = next(q for q in questions() if q.id == "falls-with-rank")
    x, y = np.array([1, 4, 16, 64]) / 64, np.array([0.9, 0.8, 0.7, 0.1])
    found = asked.alone(ranked({f"noise-rank-{rank:g}": share for rank, share in zip(x * 64, y, strict=True)}))
    # by the normal equations; 4.302653 is Student's t of two degrees of freedom
    left = np.stack([np.ones(4), x], axis=1)
    beta = np.linalg.solve(left.T @ left, left.T @ y)
    variance = np.sum((y - left @ beta) ** 2) / 2 * np.linalg.inv(left.T @ left)[1, 1]
    half = 4.302653 * variance**0.5
    assert found == pytest.approx((beta[1] - half, beta[1] + half), rel=1e-6)


def test_limits_count_the_variants_on_which_a_claim_holds():
    asked, (_, id, _) = next(q for q in questions() if q.id.startswith("limits-of-training")), LIMITS[2]
    values = {f"v{i}": value for i, value in enumerate([0.0] * 9 + [0.5] + [None])}
    control = [ControlRecord("world", "REFUTED", None, 0.9)]
    held = {name: row(name, 0, claims={id: Measured(value, controls=control)}) for name, value in values.items()}
    found = judged.of_question(asked, {0: held})
    assert (found.values, found.against, found.control, found.mark) == ([0.9], ["v9"], 0.0, "inside")
    assert found.alone == pytest.approx((0.555, 0.9975), abs=5e-4)  # Clopper and Pearson's, nine of ten
    more = {0: held, 1: {name: one for name, one in held.items() if name != "v9"}, 2: held}
    assert judged.of_question(asked, more).interval[1] == 1  # a share, whatever Student says
    # where the claim's controls come out as the claim does, the share says nothing
    blind = {
        name: row(name, 0, claims={id: Measured(0.0, controls=[ControlRecord("world", "REFUTED", None, 0.0)])}) for name in held
    }
    assert judged.of_question(asked, {0: blind}).mark == "NOT_RUN"


def test_a_variant_that_could_not_be_measured_costs_its_axis_no_answer():
    asked = next(q for q in questions() if q.id == "depends-on-step-size")
    shares = {"base": 0.5, "step-0.01": 0.6, "step-0.03": 0.55, "step-0.3": 0.3, "step-1": 0.9}
    held = {name: row(name, 0, near=share) for name, share in shares.items()}
    assert asked.of(Rows(held)) == pytest.approx(0.6)
    lost = dataclasses.replace(held["step-1"], failure="it diverged")
    assert asked.of(Rows(held | {"step-1": lost})) == pytest.approx(0.3)
    with pytest.raises(NotRun, match="1 of 5 variants could be measured: variant step-1: it diverged"):
        asked.of(Rows({name: dataclasses.replace(lost, variant=name) for name in held} | {"base": held["base"]}))
    del held["step-1"]
    with pytest.raises(NotSwept):
        asked.of(Rows(held))


def test_the_bulk_s_size_follows_the_participation_ratio():
    asked = next(q for q in questions() if q.id == "follows-participation")
    along = {name: row(name, 0, facts={"input_participation": i, "near_all": -i}) for i, name in enumerate(ALIKE)}
    assert asked.of(Rows(along)) == pytest.approx(-1)
    assert abs(asked.control.of(Rows(along))) < 0.5


def test_rank_counts_rather_than_width():
    asked = next(q for q in questions() if q.id == "rank-not-width")
    narrow, wide = NEIGHBOURS[WIDTH]
    line = ranked({f"noise-rank-{r}-width-{w}": 1 - r / 64 + w / 1000 for r in (4, 16) for w in (narrow, wide)})
    ratio = (wide - narrow) / 1000 / (12 / 64)
    assert asked.of(line) == pytest.approx(ratio)
    assert asked.control.of(line) == pytest.approx(1 / ratio)


def test_six_variants_show_that_all_of_it_works():
    made = declared(SMOKE_WIDTH)
    assert sorted(variant.name for variant in made.variants) == sorted(SMOKE)
    assert made.base.build().size == 310


def test_a_tracked_sweep_is_a_complete_one(tmp_path):
    folder, archive = tmp_path / "atlas", tmp_path / "atlas.tar.xz"
    held = [one for seed in planted(0.6, 0.61, 0.62).values() for one in seed.values()]
    asked = dataclasses.replace(table(), questions=[question(otherwise="it is no larger")], first=["larger"])
    for complete in (False, True):
        pages.write(pages.Atlas(asked, [claim()], 3, held, complete), folder)
        if not complete:
            with pytest.raises(InvalidInput, match="not complete"):
                MADE.track(folder, archive)
            with pytest.raises(InvalidInput, match="is not there"):
                MADE.written("", archive)
    MADE.track(folder, archive)
    before = archive.read_bytes()
    text = MADE.written(f"# Page\n\n{MADE.BEGIN}\nold\n{MADE.END}\n\nrest\n", archive)
    assert "1. It is. ([larger](map/atlas.md#larger): 0.21 [" in text
    assert "old" not in text
    assert text.endswith("rest\n")
    assert MADE.written(text, archive) == text
    MADE.track(folder, archive)
    assert archive.read_bytes() == before


def test_a_malformed_table_is_refused():
    base = Variant("base", "base", "-", lambda: network("base"))
    for wrong in ([], [base, base], [dataclasses.replace(base, name="Base")]):
        with pytest.raises(InvalidInput):
            Table(wrong, [], [PAPER])
    with pytest.raises(InvalidInput, match="axis time is drawn"):
        Table([base], [], [PAPER], spectra="time")
    with pytest.raises(InvalidInput, match="first larger: no question of that id has otherwise="):
        Table([base], [question()], [PAPER], first=["larger"])


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
