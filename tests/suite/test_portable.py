"""A paper's claims bound to a network: ids, expectations, and controls."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.errors import InvalidInput
from harness.runs.experiment import CATALOGUE, SCALES
from harness.suite import portable
from harness.suite.catalogue import declared
from harness.suite.claim import ANY_NETWORK, PORTABLE, REGISTRY, Claim, Control, claim
from harness.suite.ensemble import Ensembles
from harness.suite.expectation import Expectation, expected
from harness.suite.judging import Terms, judge_claim
from harness.suite.paper import Paper
from harness.suite.verdict import at_least


class Experiment:
    def __init__(self, seed):
        self.name, self.seed, self.fixed_seed = "mine", seed, False


def runs(value):
    return lambda name: [SimpleNamespace(experiment=Experiment(seed), value=value + 0.01 * seed) for seed in range(3)]


@pytest.fixture
def planted(monkeypatch):
    """A claim for any network: the value is at least one; its control takes one away."""
    for registry in (PORTABLE, REGISTRY):
        monkeypatch.setattr(f"harness.suite.claim.{'PORTABLE' if registry is PORTABLE else 'REGISTRY'}", {})
    monkeypatch.setattr("harness.suite.judging.reference_identity", lambda experiment: "0")

    @claim(
        "paper/large[reading]",
        where="Section 1",
        says="it is large",
        reading="the value is at least one",
        accept=at_least(1, reason="one"),
        controls=[Control("one less", lambda run: SimpleNamespace(value=run.value - 1))],
        on=ANY_NETWORK,
    )
    def test_large(value):
        return value

    from harness.suite import claim as module

    return module.PORTABLE["paper/large[reading]"]


def judged(planted, value):
    terms = Terms("paper", expected(planted, "paper", {}), Ensembles(), runs(value))
    return judge_claim(replace(planted, on=("mine",), scales=SCALES), terms, "node").record


def test_a_claim_for_any_network_is_no_claim_of_the_paper(planted):
    from harness.suite import claim as module

    assert planted.portable
    assert planted.id not in module.REGISTRY
    assert not hasattr(planted.function, "__claims__")


def test_a_call_is_told_its_own_argument_and_no_scale(planted):
    terms = Terms("paper", expected(planted, "paper", {}), Ensembles(), runs(0.995), called=True)
    record = judge_claim(replace(planted, on=("mine",), scales=SCALES), terms, "node").record
    assert record.message.startswith(f"{planted.id} [mine]: INCONCLUSIVE (seeds={record.seeds_to_decide} would decide: ")
    assert "--claims" not in record.message
    assert f"[mine, paper]: INCONCLUSIVE (--claims-seeds {record.seeds_to_decide} would" in judged(planted, 0.995).message


@pytest.mark.parametrize(("value", "verdict"), [(1.5, "SUPPORTED"), (0.5, "REFUTED"), (0.995, "INCONCLUSIVE")])
def test_either_verdict_is_a_finding_and_passes(planted, value, verdict):
    record = judged(planted, value)
    assert (record.verdict, record.passed, record.expected) == (verdict, True, "")


def test_a_listed_verdict_is_expected(planted):
    listed = {(planted.id, "paper"): Expectation(None)}
    assert expected(planted, "paper", listed) is listed[planted.id, "paper"]
    assert expected(planted, "smoke", listed).name == ""


def test_what_its_control_cannot_refute_is_not_judged(planted):
    record = judged(planted, 2.5)
    assert record.declared
    assert "comes out no different in its control: one less" in record.message


@pytest.mark.parametrize(("value", "verdict"), [(2.005, "NOT_RUN"), (1.985, "SUPPORTED")])
def test_where_no_ensemble_knows_its_control_the_mean_of_an_open_one_decides(planted, value, verdict):
    record = judged(planted, value)
    assert (record.verdict, record.declared) == (verdict, verdict == "NOT_RUN")
    assert verdict == "NOT_RUN" or record.controls[0].open


def test_ids_end_in_the_networks_name(monkeypatch, planted):
    monkeypatch.setattr(portable, "of_paper", lambda paper: [planted])
    made = portable.bound("paper", "My net_2", file="/somewhere/test_mine.py")
    assert [(one.id, one.on, one.scales, one.place) for one in made] == [
        ("paper/large[reading,on-my-net-2]", ("My net_2",), SCALES, "/somewhere/test_mine.py")
    ]
    with pytest.raises(InvalidInput, match="gives no claim a name"):
        portable.bound("paper", "???")


def test_a_claim_without_a_reading_gets_one_and_keeps_its_file(monkeypatch, planted):
    plain = replace(planted, id="paper/large")
    asked = []
    monkeypatch.setattr(portable, "of_paper", lambda paper: asked.append(paper) or [plain])
    (made,) = portable.bound("paper", "-mine.2-")
    assert (made.id, made.place, asked) == ("paper/large[on-mine.2]", planted.place, ["paper"])


class TestOfPaper:
    """A planted package with claims for any network, and one without."""

    @pytest.fixture(autouse=True)
    def _papers(self, monkeypatch, tmp_path):
        for name in ("planted_with", "planted_without"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").touch()
        (tmp_path / "planted_with" / "any_network.py").write_text(
            "from harness.suite.claim import ANY_NETWORK, Control, claim\n"
            "from harness.suite.verdict import at_least\n"
            "@claim('with/large', where='', says='', reading='', accept=at_least(1, reason='one'),"
            " controls=[Control('none', len)], on=ANY_NETWORK)\n"
            "def test_large(run): return 1.0\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setattr(portable, "PAPERS", {})
        monkeypatch.setattr(
            portable, "PORTABLE", {"other/large": Claim("other/large", "", "", "", at_least(1, reason="r"), len, ())}
        )
        monkeypatch.setattr("harness.suite.claim.PORTABLE", portable.PORTABLE)
        yield
        for name in [name for name in sys.modules if name.startswith("planted_with")]:
            del sys.modules[name]

    @staticmethod
    def register(*names):
        portable.PAPERS.update({name: Paper(name, "", f"planted_{name}") for name in names})

    def test_its_claims_come_from_its_own_module(self, monkeypatch):
        self.register("with", "without")
        assert "planted_with.any_network" not in sys.modules
        assert [claim.id for claim in portable.of_paper("with")] == ["with/large"]

    def test_papers_that_come_with_the_package_are_declared_where_it_is_unknown(self, monkeypatch):
        asked = []
        monkeypatch.setattr(portable, "declare_papers", lambda folder: asked.append(folder) or self.register("with"))
        assert [claim.id for claim in portable.of_paper("with")] == ["with/large"]
        assert [claim.id for claim in portable.of_paper("with")] == ["with/large"]
        assert asked == [portable.home()]

    def test_a_paper_without_such_claims_is_refused_and_those_with_them_are_named(self):
        self.register("with", "without")
        with pytest.raises(InvalidInput, match=r"'without' has no claims for any network; allowed: other, with$"):
            portable.of_paper("without")


def test_paper_claims_belong_to_the_file_that_asks_for_them(monkeypatch, planted, tmp_path):
    asked, registry = [], {}
    monkeypatch.setattr(portable, "of_paper", lambda paper: asked.append(paper) or [planted])
    monkeypatch.setattr(portable, "REGISTRY", registry)
    monkeypatch.setattr("harness.suite.catalogue.REGISTRY", registry)
    asking = compile("portable.paper_claims('paper', on='mine', scales=['smoke'])", str(tmp_path / "test_mine.py"), "eval")
    (made,) = eval(asking).__claims__
    assert (made.place, made.scales, made.on, asked) == (str(tmp_path / "test_mine.py"), ("smoke",), ("mine",), ["paper"])
    assert declared(tmp_path) == {made.id: made}
    assert not declared(tmp_path / "elsewhere")


def test_an_unknown_paper_is_named_with_those_there_are():
    with pytest.raises(InvalidInput, match=r"'tiny' has no claims for any network; allowed: .*training-jacobian"):
        portable.of_paper("tiny")


def test_a_name_that_another_experiment_has_is_refused(monkeypatch):
    pytest.importorskip("jax")
    from harness.runs.network_experiment import known

    monkeypatch.setitem(CATALOGUE, "mine", {"paper": SimpleNamespace(name="mine")})
    with pytest.raises(InvalidInput, match="the name 'mine' is taken"):
        known(SimpleNamespace(name="mine", on_white_noise=None))
    with pytest.raises(InvalidInput, match=r"give the name of an experiment, a harness\.Network"):
        known(3)
