"""A paper's claims bound to a network: ids, expectations, and controls."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.errors import InvalidInput
from harness.runs.experiment import CATALOGUE, SCALES
from harness.suite import portable
from harness.suite.catalogue import declared
from harness.suite.claim import ANY_NETWORK, PORTABLE, REGISTRY, Control, claim
from harness.suite.ensemble import Ensembles
from harness.suite.expectation import Expectation, expected
from harness.suite.judging import Terms, judge_claim
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
    monkeypatch.setattr("harness.suite.judging.reference_fingerprint", lambda experiment: "0")

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
    from dataclasses import replace

    return judge_claim(replace(planted, on=("mine",), scales=SCALES), terms, "node").record


def test_a_claim_for_any_network_is_no_claim_of_the_paper(planted):
    from harness.suite import claim as module

    assert planted.portable
    assert planted.id not in module.REGISTRY
    assert not hasattr(planted.function, "__claims__")


def test_a_call_is_told_its_own_argument_and_no_scale(planted):
    from dataclasses import replace

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


def test_ids_end_in_the_networks_name(monkeypatch, planted):
    monkeypatch.setattr(portable, "of_paper", lambda paper: [planted])
    made = portable.bound("paper", "My net_2", file="/somewhere/test_mine.py")
    assert [(one.id, one.on, one.scales, one.place) for one in made] == [
        ("paper/large[reading,on-my-net-2]", ("My net_2",), SCALES, "/somewhere/test_mine.py")
    ]
    with pytest.raises(InvalidInput, match="gives no claim a name"):
        portable.bound("paper", "???")


def test_paper_claims_belong_to_the_file_that_asks_for_them(monkeypatch, planted, tmp_path):
    monkeypatch.setattr(portable, "of_paper", lambda paper: [planted])
    monkeypatch.setattr(portable, "REGISTRY", {})
    found = portable.paper_claims("paper", on="mine")
    assert found.__claims__[0].place == __file__
    assert not declared(tmp_path)


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
