"""Runs that have a reference ensemble, and runs that add seeds until a claim is decided."""

import json

import pytest

from harness.report import json_file
from tests.plugin.planted import LAB, OPEN_CLAIM, TRUE_CLAIM, deviation, record, report, usage_error

pytest_plugins = ("pytester",)


class TestEnsembles:
    FIXED = "@declare('planted/fixed', on='fixed')\ndef test_fixed(x): return x\n"

    @pytest.fixture
    def ensemble(self, project, judge, pytester):
        """A project with the reference ensemble that its own run of 8 seeds made."""
        project(TRUE_CLAIM, self.FIXED)
        assert judge("--claims-seeds", "8", "--claims-ensemble").ret == 0
        from harness.__main__ import main

        assert main(["ensemble", "reports/latest", "--accept"]) == 0
        return pytester.path / "fixtures" / "ensembles" / "paper-float32.json"

    def test_one_seed_borrows_the_spread_and_the_report_says_so(self, ensemble, judge, pytester):
        assert judge("--claims-seeds", "1").ret == 0
        claim = record(pytester, "planted/truth")
        assert claim.measurements[0].method == "1 seed(s), spread of the reference ensemble of 8"
        assert claim.ensemble is not None
        assert claim.ensemble.values == json.loads(ensemble.read_text())["claims"]["planted/truth"]["values"]
        assert "spread from" in (pytester.path / "reports/latest/report.md").read_text(encoding="utf-8")

    def test_an_experiment_of_one_seed_is_judged_with_its_ensemble(self, ensemble, judge, pytester):
        assert judge().ret == 0
        assert record(pytester, "planted/fixed").measurements[0].method == "1 seed(s), spread of the reference ensemble of 8"

    @pytest.mark.parametrize("offset", [0.01, -0.01], ids=["inside", "outside"])
    def test_one_seed_may_stay_open_on_either_side(self, ensemble, judge, pytester, offset):
        """A spread of 1 around a value just inside or just outside the region: for want of seeds nothing fails."""
        before = record(pytester, "planted/fixed")
        low, base = before.rule.accept[0], before.measurements[0].values[0]
        data = json.loads(ensemble.read_text())
        data["claims"]["planted/fixed"]["values"] = [-1.0, 1.0] * 4
        ensemble.write_text(json.dumps(data))
        planted = pytester.path / "claims" / "test_planted.py"
        shifted = f"def test_fixed(x): return x + {low + offset - base}"
        planted.write_text(planted.read_text(encoding="utf-8").replace("def test_fixed(x): return x", shifted), encoding="utf-8")
        result = judge("-k", "fixed")
        assert record(pytester, "planted/fixed", folder="partial").verdict == "INCONCLUSIVE"
        assert result.ret == 0

    def test_an_ensemble_of_another_experiment_is_outdated_and_not_used(self, ensemble, judge, pytester):
        data = json.loads(ensemble.read_text())
        for id, name in (("planted/fixed", "fixed"), ("planted/truth", "steady")):
            data["claims"][id]["fingerprint"][name] = "0" * 64
        ensemble.write_text(json.dumps(data))
        result = judge("-rs")
        assert result.ret == 0
        result.assert_outcomes(passed=1, skipped=1)
        version = "was measured on another version of"
        result.stdout.fnmatch_lines([f"SKIPPED*give no spread, and its ensemble in * {version} fixed: ask for more *"])
        result.stdout.fnmatch_lines(["0 claims tested *; 1 have no ensemble *, 1 of them", "  an outdated one"])
        claim = record(pytester, "planted/truth")
        assert (claim.verdict, claim.expected, claim.ensemble) == ("SUPPORTED", "SUPPORTED", None)
        assert claim.membership.state == "outdated"
        page = (pytester.path / "reports/latest/report.md").read_text(encoding="utf-8")
        assert f"planted/truth: not tested, its ensemble in fixtures/ensembles/paper-float32.json {version} steady" in page

    def test_a_run_of_other_seeds_of_the_same_kind_passes(self, ensemble, judge, pytester):
        result = judge("--claims-first-seed", "20", "--claims-ensemble")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["claims: 2 of 2, paper*, 3 seed(s) from 20,*", "2 claims tested *, 0 do not belong; 0 *"])
        claim = record(pytester, "planted/truth")
        assert claim.measurements[0].runs == [["steady[20]"], ["steady[21]"], ["steady[22]"]]
        assert (claim.membership.state, claim.membership.others) == ("belongs", 8)
        stored = json_file.read(pytester.path / "reports/latest")
        assert stored.first_seed == 20
        for page in ("report.md", "report.html"):
            assert "from 20" in (pytester.path / "reports/latest" / page).read_text(encoding="utf-8")

    @pytest.mark.parametrize("shift", [0.08, -0.08], ids=["up", "down"])
    @pytest.mark.parametrize("listed", [False, True])
    def test_a_drift_that_changes_no_verdict_is_an_alarm_listed_or_not(self, ensemble, judge, pytester, shift, listed):
        """At least 0.5 is wide of it, at least 2 refutes it either way: the verdicts stay, the values do not belong."""
        planted = pytester.path / "claims" / "test_planted.py"
        claims = planted.read_text(encoding="utf-8")
        bound = 2 if listed else 0.5
        world = "Control('far', lambda run: World(x=3.0 * (run.x > 0) if BOUND == 2 else 0.0), Verdict.SUPPORTED if BOUND == 2 "
        world += "else Verdict.REFUTED)"
        drifting = f'@declare("planted/truth", accept=at_least({bound}, reason="r"), controls=[{world}])\n'
        moved = claims.replace('@declare("planted/truth")\n', drifting).replace("Measurement(x,", f"Measurement(x + {shift},")
        planted.write_text(f"BOUND = {bound}\n{moved}", encoding="utf-8")
        if listed:
            (pytester.path / "claims" / "deviations.toml").write_text(deviation("planted/truth", "REFUTED"))
        result = judge("-k", "truth")
        assert result.ret == 1
        claim = record(pytester, "planted/truth", folder="partial")
        assert claim.verdict == claim.expected == ("REFUTED" if listed else "SUPPORTED")
        assert claim.membership.state == "alarm"
        result.stdout.fnmatch_lines(["*; these values do not belong to its reference ensemble: the mean of 3 seed(s), *"])
        result.stdout.fnmatch_lines(["1 claims tested *, 1 do not belong: planted/truth; 0 *"])
        assert "does not belong" in (pytester.path / "reports/partial/report.html").read_text(encoding="utf-8")

    def test_a_verdict_that_contradicts_the_ensemble_fails_whatever_is_listed(self, ensemble, judge, pytester):
        planted = pytester.path / "claims" / "test_planted.py"
        moved = planted.read_text(encoding="utf-8").replace("Measurement(x,", "Measurement(x + 1,")
        planted.write_text(moved.replace('"planted/truth"', '"planted/truth", controls=[same, doubled]'), encoding="utf-8")
        (pytester.path / "claims" / "deviations.toml").write_text(deviation("planted/truth", "REFUTED"))
        result = judge("-k", "truth")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*expected SUPPORTED, which its reference ensemble of 8 values gives; these values *"])

    def test_prose_that_the_ensemble_contradicts_is_said_and_fails_no_run(self, ensemble, judge, pytester, capsys):
        from harness.__main__ import main

        planted = pytester.path / "claims" / "test_planted.py"
        both = planted.read_text(encoding="utf-8").replace('"planted/truth"', '"planted/truth", controls=[same, doubled]')
        planted.write_text(both, encoding="utf-8")
        (pytester.path / "claims" / "deviations.toml").write_text(deviation("planted/truth", "REFUTED"))
        assert judge().ret == 0
        capsys.readouterr()
        assert main(["expected"]) == 1
        assert "planted/truth: its ensemble says SUPPORTED, [" in (said := capsys.readouterr().out)
        assert "remove its entry from the deviations, which lists REFUTED" in said
        assert said.splitlines()[-1].startswith("every claim that needs an ensemble in fixtures")
        (pytester.path / "claims" / "deviations.toml").unlink()
        assert main(["expected"]) == 0

    def test_a_file_that_is_no_ensemble_is_a_usage_error(self, ensemble, judge):
        ensemble.write_text("{}")
        assert "is not a reference ensemble" in usage_error(judge())

    def test_one_seed_without_an_ensemble_is_not_judged(self, project, judge):
        project(TRUE_CLAIM)
        result = judge("--claims-seeds", "1", "-rs")
        assert result.ret != 0  # nothing was judged
        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines(["*no reference ensemble for it: ask for more (--claims-seeds 3)*"])


class TestUntilDecided:
    SLOW = OPEN_CLAIM.replace("1.005", "1.02")  # 0.98, 1, 1.02, 0.99, 1.01 and again: twelve seeds tell that the mean is inside

    def test_an_open_claim_takes_more_seeds_and_a_decided_one_does_not(self, project, judge, pytester):
        project(TRUE_CLAIM, self.SLOW, "@declare('planted/fixed', on='fixed', over='share')\ndef test_fixed(x): return x < 1.5\n")
        result = judge("--claims-until-decided", "--claims-first-seed", "40")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*, 3 or more seed(s) from 40,*"])
        found = {claim.id: claim for claim in report(pytester).claims}
        assert [len(found[f"planted/{id}"].measurements[0].values) for id in ("truth", "open", "fixed")] == [6, 12, 1]
        assert found["planted/open"].verdict == "SUPPORTED"
        assert found["planted/open"].measurements[0].method == "Student t over 12 seeds, 0.9875 at each of 4 looks"
        assert found["planted/fixed"].verdict == "INCONCLUSIVE"
        from harness.__main__ import main

        assert main(["rejudge", "reports/latest"]) == 0
        assert "--claims-until-decided" in (pytester.path / "reports/latest/report.html").read_text(encoding="utf-8")

    def test_a_claim_at_the_edge_stays_open_after_the_last_look(self, project, judge, pytester):
        project(OPEN_CLAIM.replace("1.005", "1.0"))
        assert judge("--claims-until-decided").ret == 0
        claim = record(pytester, "planted/open")
        assert (claim.verdict, len(claim.measurements[0].values)) == ("INCONCLUSIVE", 24)

    def test_an_experiment_that_breaks_at_a_later_seed_fails_its_claims(self, project, judge, pytester):
        breaking = LAB.replace('self.experiment.name == "diverges"', "self.experiment.seed == 5")
        project(self.SLOW, files={"claims/conftest.py": breaking})
        result = judge("--claims-until-decided")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["planted/open*: NOT_RUN by failure: experiment steady failed: *loss is nan at step 7"])
