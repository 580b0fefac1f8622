"""First verdicts early: what is prepared and judged when, on planted claims whose lab writes down what it prepares."""

import contextlib
import json

import pytest

from tests.plugin.planted import FALSE_CLAIM, LAB, TRUE_CLAIM, record, report, timeless

# Dask imports importlib_metadata, which puts a finder of its own in place of the standard library's. Imported within a test, the
# finder would go with the test (pytester restores sys.meta_path), and no later test in this process would find a plugin.
with contextlib.suppress(ModuleNotFoundError):
    import distributed  # noqa: F401

pytest_plugins = ("pytester",)

WRITING = LAB.replace(
    "    def prepare(self):\n",
    "    def prepare(self):\n        open('events', 'a').write(f'prepare:{self.experiment.name} ')\n",
)
SECONDS = {"large": 100.0, "medium": 20.0, "stopped": 10.0, "small": 2.0}


def planted(name: str, on: str = "", control: str = "doubled", body: str = "return x") -> str:
    """A claim that writes down when it is measured first."""
    experiment = f"on={on!r}" if on else "on=(), over='once', controls=[Control('two', lambda: {'x': 2.0})]"
    given = "" if on else "=1.0"
    controls = f", controls=[{control}]" if on else ""
    return (
        f"@declare('planted/{name}', {experiment}{controls})\n"
        f"def test_{name.replace('-', '_')}(x{given}):\n    open('events', 'a').write('{name} ')\n    {body}\n"
    )


CLAIMS = [planted("on-large", "large"), planted("on-small", "small"), planted("free")]


@pytest.fixture
def begun(project, pytester):
    """Writes a project with times of an earlier run; returns what happened, each thing once and in order."""

    def write(*claims, needs=None, files=None, **more):
        known = {"runs": {}, "claims": {}, "seconds": SECONDS, "needs": needs or {}}
        project(*claims, files={"fixtures/ensembles/paper-float32.json": json.dumps(known), **(files or {})}, **more)
        (pytester.path / "conftest.py").write_text(WRITING, encoding="utf-8")
        return lambda: list(dict.fromkeys((pytester.path / "events").read_text().split()))

    return write


def test_cheap_claims_are_judged_before_anything_long_is_prepared(begun, judge, pytester):
    events = begun(*CLAIMS, planted("more-on-small", "small"))
    assert judge().ret == 0
    small = ["prepare:small", "on-small", "more-on-small"]
    assert events() == ["free", *small, "prepare:large", "on-large"]
    # whatever was judged first, the report has the order of the files
    assert [claim.id.removeprefix("planted/") for claim in report(pytester).claims] == [
        "on-large",
        "on-small",
        "free",
        "more-on-small",
    ]


def test_another_plugin_may_shuffle_the_claims_and_nothing_else_changes(begun, judge, pytester):
    """Each claim has what it needs prepared just before it is judged, and the report is the same."""
    events = begun(*CLAIMS, TRUE_CLAIM, FALSE_CLAIM)
    judge()
    ours = timeless(report(pytester))
    (pytester.path / "events").unlink()
    with (pytester.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write("\ndef pytest_collection_modifyitems(items): items.reverse()\n")
    judge()
    assert events() == ["prepare:large", "on-large", "prepare:small", "on-small", "prepare:steady", "free"]
    assert timeless(report(pytester)) == ours


def test_what_is_not_judged_at_this_scale_comes_last_and_prepares_nothing(begun, judge):
    large = "@declare('planted/large-scale', on='medium', scales=['large'])\ndef test_large_scale(x): return x\n"
    events = begun(large, planted("on-medium", "medium"), planted("free"))
    result = judge()
    assert events() == ["free", "prepare:medium", "on-medium"]
    result.stdout.fnmatch_lines(["claims/test_planted.py ✓✓∅*"])


def test_stopped_in_the_long_work_the_report_has_the_cheap_claims(begun, pytester):
    begun(*CLAIMS, planted("late", "stopped"), planted("later", "medium"))
    result = pytester.runpytest_subprocess("--claims-store", "store")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    found = report(pytester)
    assert not found.complete
    assert [claim.id for claim in found.claims] == ["planted/on-small", "planted/free"]
    assert found.unreached == ["planted/on-large", "planted/late", "planted/later"]
    assert {run.name for run in found.experiments} == {"small"}


def test_after_the_first_failure_nothing_more_is_prepared(begun, judge, pytester):
    events = begun(*CLAIMS, planted("wrong", "small", body="return x + 5"))
    assert judge("-x").ret == 1
    assert events() == ["free", "prepare:small", "on-small", "wrong"]


def test_one_id_prepares_what_it_is_on_and_nothing_else(begun, judge):
    events = begun(*CLAIMS)
    assert judge("--claims-id", "planted/on-small").ret == 0
    assert events() == ["prepare:small", "on-small"]


NOISE = "Control('noise', lambda run: World(x=2 * run.lab.run('large', run.experiment.seed).x))"


def test_what_a_control_takes_is_prepared_before_its_claim_if_other_claims_are_on_it(begun, judge, pytester):
    controlled = planted("controlled", "small", control=NOISE)
    needs = {"planted/controlled": ["large"]}
    events = begun(controlled, planted("on-medium", "medium"), planted("on-large", "large"), needs=needs)
    assert judge().ret == 0
    assert events() == ["prepare:medium", "on-medium", "prepare:small", "prepare:large", "controlled", "on-large"]
    assert record(pytester, "planted/controlled").also == ["large"]
    assert record(pytester, "planted/on-large").also == []


def test_what_only_a_control_takes_is_computed_as_far_as_it_asks(begun, judge, pytester):
    events = begun(planted("controlled", "small", control=NOISE), needs={"planted/controlled": ["large"]})
    assert judge().ret == 0
    assert events() == ["prepare:small", "controlled"]
    assert record(pytester, "planted/controlled").also == ["large"]


def test_more_seeds_are_prepared_when_a_claim_asks_for_them(begun, judge, pytester):
    edge = "accept=within(0.9, 1.02, reason='r'), controls="
    events = begun(planted("open", "small").replace("controls=", edge), planted("on-large", "large"))
    assert judge("--claims-until-decided").ret == 0
    assert events() == ["prepare:small", "open", "prepare:large", "on-large"]
    assert len(record(pytester, "planted/open").measurements[0].values) > 3


def test_tests_that_are_no_claims_stay_together_in_their_order(begun, judge, pytester):
    """A fixture of their module is made once, although a claim stands between them in the file."""
    fixture = "import pytest\n@pytest.fixture(scope='module')\ndef made():\n    open('events', 'a').write('made ')\n"
    first = "def test_one(made): open('events', 'a').write('one ')\n"
    last = "def test_two(made): open('events', 'a').write('two ')\n"
    events = begun(CLAIMS[0], fixture, first, CLAIMS[1], last, CLAIMS[2])
    assert judge().ret == 0
    assert events() == ["free", "prepare:small", "on-small", "prepare:large", "on-large", "made", "one", "two"]
    assert (pytester.path / "events").read_text().count("made") == 1


def test_workers_keep_the_claims_of_an_experiment_together(begun, pytester):
    begun(*CLAIMS, planted("more-on-large", "large"))
    result = pytester.runpytest_subprocess("-n", "2", "--claims-store", "store", "-v")
    assert result.ret == 0
    assert next(claim.id for claim in report(pytester).claims) == "planted/on-large"
    assert (pytester.path / "events").read_text().count("prepare:large") == 3  # once a seed


def test_each_claim_shows_its_verdict_when_it_is_judged(begun, judge):
    open_claim = planted("open", "small").replace("controls=", "accept=within(0.9, 1.005, reason='r'), controls=")
    begun(planted("free"), open_claim, planted("wrong", "small", body="return x + 5"))
    result = judge()
    result.stdout.fnmatch_lines(["claims/test_planted.py ✓[?]F*"])
    judge("-v").stdout.fnmatch_lines(["*::test_free PASSED*", "*::test_open PASSED*", "*::test_wrong FAILED*"])


def test_a_line_of_progress_ends_pytests_line_and_the_next_one_names_its_file(begun, judge, pytester):
    claims = [planted("free"), planted("on-diverges", "diverges"), planted("on-large", "large")]
    begun(*claims)
    lines = judge().outlines
    said = next(index for index, line in enumerate(lines) if line.startswith("experiment diverges FAILED"))
    assert lines[said - 1] == "claims/test_planted.py ✓"
    assert next(line for line in lines[said + 1 :] if line).startswith("claims/test_planted.py F✓")


def test_claims_without_experiments_are_judged_before_a_cluster_is_asked(begun, judge, pytester, monkeypatch):
    pytest.importorskip("distributed")
    from harness.cluster import claims

    def compute(address, request, workload, progress, say):
        say(f"cluster: {address}, claims {', '.join(workload)}")
        (pytester.path / "events").open("a").write("cluster ")

    monkeypatch.setattr(claims, "workload", lambda runs, claims, expected: [claim.id for claim in claims])
    monkeypatch.setattr(claims, "compute", compute)
    events = begun(planted("on-nothing-known", "nowhere"), planted("free"))
    (pytester.path / "conftest.py").write_text("", encoding="utf-8")  # this project has no lab of its own
    result = judge("--claims-scheduler", "local:1")
    assert events() == ["free", "cluster"]
    result.stdout.fnmatch_lines(["cluster: local:1, claims planted/on-nothing-known"])
