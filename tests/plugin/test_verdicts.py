"""A run of planted claims: verdicts, controls, claims that are not run, listed deviations, baselines."""

import itertools
import threading

import pytest

from tests.plugin.planted import FALSE_CLAIM, OPEN_CLAIM, PREAMBLE, TRUE_CLAIM, deviation, record, report, usage_error

pytest_plugins = ("pytester",)


class TestVerdicts:
    def test_a_supported_claim_passes_and_the_report_holds_what_was_measured(self, project, judge, pytester):
        project(TRUE_CLAIM)
        result = judge()
        assert result.ret == 0
        assert "claims-progress" not in {thread.name for thread in threading.enumerate()}
        claim = record(pytester, "planted/truth")
        measured, half = claim.measurements
        assert (claim.verdict, claim.expected, claim.passed) == ("SUPPORTED", "SUPPORTED", True)
        assert (measured.values, measured.unit) == ([0.98, 1.0, 1.02], "ells")
        assert measured.runs == [["steady[0]"], ["steady[1]"], ["steady[2]"]]
        assert (half.name, half.values, half.interval) == ("half", [0.49, 0.5, 0.51], None)
        assert [(c.name, c.verdict, c.values) for c in claim.controls] == [("everything doubled", "REFUTED", [1.96, 2.0, 2.04])]
        assert [(run.name, run.seed, run.seconds["train"]) for run in report(pytester).experiments] == [
            ("steady", 0, 0.5),
            ("steady", 1, 0.5),
            ("steady", 2, 0.5),
        ]
        assert report(pytester).experiments[0].stages == [{"name": "init", "digest": "00", "loss": None}]
        assert report(pytester).complete
        assert not report(pytester).partial

    def test_the_terminal_shows_header_a_line_a_claim_counts_and_the_reports_path_last(self, project, judge):
        project(TRUE_CLAIM, FALSE_CLAIM)
        result = judge()
        result.stdout.fnmatch_lines(
            [
                "claims: 2 of 2, paper scale, 3 seed(s), float32, * device(s)",
                "store: */store",
                "claims/test_planted.py ✓F*",
                "planted/",
                "* ✓ SUPPORTED  truth * [[]0.9503, 1.05]  in [[]0.9, 1.1]",
                "FAILED ✗ REFUTED * falsehood * in [[]2, 3]",
                "planted: 1 of 2 sentences hold in every reading, 0 in some, 1 in none",
                "2 of 2 claims judged: 1 SUPPORTED, 1 REFUTED; 0 deviate as listed, 1 failed",
                "read: reports/latest/report.html, the findings first",
                "why: python -m harness show 'planted/falsehood'",
                "again: pytest --claims-id planted/falsehood",
            ]
        )
        assert result.outlines[-1] == "report: reports/latest"
        ours = itertools.takewhile(lambda line: not line.startswith("==="), result.outlines[result.outlines.index("planted/") :])
        assert max(map(len, ours)) <= 120

    def test_a_refuted_claim_fails_with_everything_in_one_line(self, project, judge):
        project(FALSE_CLAIM)
        result = judge()
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "planted/falsehood [[]steady, paper[]]: REFUTED, measured [[]*[]] (Student t over 3 seeds: 0.98, 1, 1.02), "
                "accepted [[]2, 3[]]; expected SUPPORTED"
            ]
        )

    def test_an_open_verdict_fails_nothing_and_names_the_seeds_that_would_decide(self, project, judge, pytester):
        project(OPEN_CLAIM)
        assert judge("--claims-first-seed", "5").ret == 0
        claim = record(pytester, "planted/open")
        assert claim.seeds_to_decide is not None
        remedy = f"--claims-first-seed 5 --claims-seeds {claim.seeds_to_decide} would decide: SUPPORTED, if mean and spread stay"
        assert f": INCONCLUSIVE ({remedy}), measured" in claim.message

    @pytest.mark.parametrize(
        ("over", "body", "method"),
        [
            ("once", "def test_it(x): return x", "deterministic"),
            ("trials", "def test_it(x): return Measurement(0.96, trials=100)", "Clopper-Pearson, 288 of 300"),
            ("pairs", "def test_it(a, b): return (a.x + b.x) / 2", "jackknife over 3 seeds, 3 pairs"),
            ("share", "def test_it(x): return x > 0.5", "Clopper-Pearson, 3 of 3"),
            ("seeds", "def test_it(x): return x", "Student t over 3 seeds"),
        ],
    )
    def test_each_kind_of_sample_has_its_interval(self, project, judge, pytester, over, body, method):
        project(
            f"worlds = Control('far', lambda *runs: World(x=9) if len(runs) == 1 else (World(x=9),) * 2)\n"
            f"if {over!r} == 'trials': worlds = Control('far', lambda run: 1 / 0)\n"
            f"accept = at_least(0.2, reason='r') if {over!r} == 'share' else near_one\n"
            f"@declare('planted/it', over={over!r}, accept=accept, controls=[worlds])\n{body}\n"
        )
        judge()
        claim = record(pytester, "planted/it")
        assert claim.measurements[0].method == method
        assert claim.verdict == "SUPPORTED"

    def test_pairs_pool_the_runs_of_all_experiments(self, project, judge, pytester):
        project(
            "far = Control('far', lambda a, b: (World(x=9),) * 2)\n"
            "@declare('planted/it', over='pairs', on=('steady', 'other'), controls=[far])\n"
            "def test_it(a, b): return (a.x + b.x) / 2\n"
        )
        judge("--claims-seeds", "2")
        assert record(pytester, "planted/it").measurements[0].method == "jackknife over 4 seeds, 6 pairs"

    def test_a_claim_without_runs_needs_no_experiment_and_its_control_gives_arguments(self, project, judge, pytester):
        project(
            "two = Control('two steps', lambda: {'steps': 2})\n"
            "@declare('planted/identity', on=(), over='once', given={'steps': 1}, controls=[two])\n"
            "def test_identity(*, steps): return steps\n"
        )
        assert judge().ret == 0
        assert record(pytester, "planted/identity").controls[0].value == 2
        assert report(pytester).experiments == []


class TestControls:
    @pytest.mark.parametrize(
        ("control", "says"),
        [
            ("'same', lambda run: run", "cannot tell 'same' from its own world: there * is SUPPORTED"),
            ("'broken', lambda run: run.missing", "control 'broken' crashed, which proves nothing: AttributeError"),
            ("'nan', lambda run: World(x=float('nan'))", "control 'nan' crashed, which proves nothing: it measured nan"),
        ],
    )
    def test_a_control_that_does_not_refute_fails_a_supported_claim(self, project, judge, control, says):
        project(f"@declare('planted/blind', controls=[doubled, Control({control})])\ndef test_blind(x): return x\n")
        result = judge()
        assert result.ret == 1
        result.stdout.fnmatch_lines([f"planted/blind*SUPPORTED*{says}*"])

    def test_a_claim_expected_to_hold_needs_a_world_that_refutes_it(self, project, judge):
        project("@declare('planted/easy', controls=[same])\ndef test_easy(x): return x\n")
        assert judge().ret == 1
        judge().stdout.fnmatch_lines(["*a claim expected SUPPORTED needs a control expected REFUTED and has none"])

    def test_a_claim_expected_to_fail_needs_a_world_that_supports_it(self, project, judge):
        project(
            "@declare('planted/hard', accept=within(2, 3, reason='r'), controls=[Control('same', lambda run: run)])\n"
            "def test_hard(x): return x\n",
            files={"claims/deviations.toml": deviation("planted/hard", "REFUTED")},
        )
        result = judge()
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*a claim expected REFUTED needs a control expected SUPPORTED and has none"])


class TestNotRun:
    def test_another_scale_is_a_declared_skip_and_no_success(self, project, judge, pytester):
        project("@declare('planted/large', scales=['large'])\ndef test_large(x): return x\n")
        result = judge("-rs")
        assert result.ret == 1
        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines(
            [
                "*zero claims were judged*",
                "SKIPPED*test_planted.py:*it is judged at scale large, this run is at paper",
            ]
        )
        assert (record(pytester, "planted/large").verdict, record(pytester, "planted/large").declared) == ("NOT_RUN", True)

    def test_a_claim_may_declare_that_it_cannot_be_judged_here(self, project, judge):
        project(TRUE_CLAIM, "@declare('planted/absent')\ndef test_absent(x): raise NotRun('MNIST is not there')\n")
        result = judge()
        assert result.ret == 0
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines(["*NOT_RUN *absent *MNIST is not there"])

    def test_one_seed_has_no_pairs(self, project, judge):
        project("@declare('planted/pair', over='pairs')\ndef test_pair(a, b): return 1\n")
        judge("--claims-seeds", "1").stdout.fnmatch_lines(["*needs a pair of runs and there is 1: ask for more seeds*"])

    def test_an_outcome_that_is_empty_is_a_failure_and_no_skip(self, project, judge, pytester):
        project("@declare('planted/empty')\ndef test_empty(x): raise EmptyOutcome('none of 64 runs ended well')\n", TRUE_CLAIM)
        result = judge()
        assert result.ret == 1
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["planted/empty [[]steady, paper[]]: NOT_RUN by failure: none of 64 runs ended well"])
        assert not record(pytester, "planted/empty").declared

    @pytest.mark.parametrize("name", ["diverges", "nowhere"])
    def test_an_experiment_that_breaks_fails_its_claims_is_told_once_and_stops_no_other(self, project, judge, pytester, name):
        project(f"@declare('planted/broken', on={name!r})\ndef test_broken(x): return x\n", TRUE_CLAIM)
        result = judge()
        assert result.ret == 1
        result.assert_outcomes(passed=1, failed=1)
        assert len([line for line in result.outlines if line.startswith(f"experiment {name} FAILED")]) == 1
        result.stdout.fnmatch_lines([f"planted/broken [[]{name}, paper[]]: NOT_RUN by failure: experiment {name} failed: *"])
        assert (record(pytester, "planted/broken").verdict, record(pytester, "planted/broken").declared) == ("NOT_RUN", False)

    @pytest.mark.parametrize(
        ("value", "says"), [("1 / 0", "ZeroDivisionError: division by zero"), ("float('nan')", "cannot be judged")]
    )
    def test_a_measurement_that_breaks_is_a_failure(self, project, judge, value, says):
        project(f"@declare('planted/broken')\ndef test_broken(x): return {value}\n")
        result = judge()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"planted/broken [[]steady, paper[]]: NOT_RUN by failure: *{says}*"])

    def test_an_error_nobody_foresaw_comes_with_its_traceback(self, project, judge):
        project("@declare('planted/broken')\ndef test_broken(x): return 1 / 0\n")
        judge().stdout.fnmatch_lines(["*test_planted.py*in test_broken", "ZeroDivisionError*"])


class TestDeviations:
    def test_a_listed_claim_passes_with_its_listed_verdict(self, project, judge, pytester):
        project(FALSE_CLAIM, files={"claims/deviations.toml": deviation("planted/falsehood", "REFUTED")})
        result = judge()
        assert result.ret == 0
        result.stdout.fnmatch_lines(["listed ✗ REFUTED *", "*1 deviate as listed, 0 failed"])
        assert record(pytester, "planted/falsehood").expected_reason == "measured otherwise"

    def test_a_listed_claim_that_holds_now_fails(self, project, judge):
        project(
            "@declare('planted/healed', controls=[doubled, same])\ndef test_healed(x): return x\n",
            files={"claims/deviations.toml": deviation("planted/healed", "REFUTED")},
        )
        result = judge()
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*no longer deviates: remove it*"])

    @pytest.mark.parametrize("verdict", ["REFUTED", "INCONCLUSIVE"])
    @pytest.mark.parametrize("seeds", [3, 8])
    def test_a_listed_claim_may_stay_open(self, project, judge, pytester, verdict, seeds):
        claim = OPEN_CLAIM.replace(")\ndef", ", controls=[doubled, same])\ndef")
        project(claim, files={"claims/deviations.toml": deviation("planted/open", verdict)})
        result = judge("--claims-seeds", str(seeds))
        assert record(pytester, "planted/open").verdict == "INCONCLUSIVE"
        result.stdout.fnmatch_lines(["*1 INCONCLUSIVE; 1 deviate as listed, 0 failed"])

    @pytest.mark.parametrize(
        ("listed", "says"),
        [
            (deviation("planted/trut", "REFUTED"), "unknown claim id 'planted/trut'; did you mean planted/truth?"),
            (deviation("planted/truth", "REFUTED", "smoke"), "planted/truth is not judged at scale 'smoke'"),
            (deviation("planted/truth", "SUPPORTED"), "allowed: REFUTED, INCONCLUSIVE"),
            (deviation("planted/truth", "REFUTED") + "seeds = 8\n", "give id, scale, verdict and reason"),
            (deviation("planted/truth", "REFUTED") * 2, "listed twice"),
            ('[[deviation]]\nid = "planted/truth"\n', "give id, scale, verdict and reason"),
            ("[[deviation", "is not TOML"),
        ],
    )
    def test_an_entry_that_fits_no_claim_is_a_usage_error(self, project, judge, pytester, listed, says):
        project(TRUE_CLAIM, files={"claims/deviations.toml": listed})
        assert says in usage_error(judge())
        assert not (pytester.path / "reports").exists()

    def test_entries_of_claims_that_were_not_selected_are_known(self, project, judge):
        listed = deviation("planted/falsehood", "REFUTED")
        project(TRUE_CLAIM, files={"claims/test_other.py": PREAMBLE + FALSE_CLAIM, "claims/deviations.toml": listed})
        assert judge("claims/test_planted.py").ret == 0


class TestBaseline:
    def test_the_same_again_passes_and_is_told(self, project, judge, pytester):
        project(TRUE_CLAIM)
        judge()
        (pytester.path / "reports/latest").rename(pytester.path / "before")
        result = judge("--claims-baseline", "before")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["baseline before", "  1 claims compared: 0 changed verdict, *1 of the same bits*"])
        assert "1 claims compared" in (pytester.path / "reports/latest/compare.md").read_text()

    def test_a_verdict_that_changed_fails_the_run_even_where_it_is_the_expected_one(self, project, judge, pytester):
        back = "Control('back', lambda run: World(x=-0.5), Verdict.SUPPORTED)"
        moving = f"@declare('planted/moving', controls=[doubled, {back}])\ndef test_moving(x): return x + 1.5\n"
        project(moving.replace(" + 1.5", ""))
        judge()
        (pytester.path / "reports/latest").rename(pytester.path / "before")
        project(moving, files={"claims/deviations.toml": deviation("planted/moving", "REFUTED")})
        assert judge().ret == 0
        result = judge("--claims-baseline", "before")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["  planted/moving: SUPPORTED -> REFUTED, first *"])

    def test_nothing_to_compare_is_no_success(self, project, judge, pytester):
        project(TRUE_CLAIM, FALSE_CLAIM)
        judge("--claims-id", "planted/falsehood")
        (pytester.path / "reports/partial").rename(pytester.path / "before")
        result = judge("--claims-id", "planted/truth", "--claims-baseline", "before")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["baseline: nothing was compared, which is not a success: no claim was judged in both*"])

    def test_a_baseline_of_another_precision_is_a_usage_error(self, project, judge, pytester):
        project(TRUE_CLAIM)
        judge()
        (pytester.path / "reports/latest").rename(pytester.path / "before")
        said = usage_error(judge("--claims-precision", "float64", "--claims-baseline", "before"))
        assert "is of scale paper in float32, this run of scale paper in float64" in said


def test_the_step_summary_gets_the_page_where_ci_asks_for_it(project, judge, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    project(TRUE_CLAIM)
    judge()
    assert "| SUPPORTED | planted/truth |" in (pytester.path / "summary.md").read_text()
