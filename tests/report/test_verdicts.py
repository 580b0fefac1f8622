"""Papers' claims judged on a small network from a script: every claim gets an answer, and the report is written."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from harness import InvalidInput, Network, Store, Verdicts, judge
from harness.__main__ import main
from harness.compare import Exit
from harness.report import html, json_file, markdown
from harness.suite import portable
from harness.suite.rejudge import interval_of
from tests.report.test_html import HELD, OPEN, REFUTED, REPORT, SKIPPED

RNG = np.random.default_rng(1)
CENTRES = RNG.normal(size=(3, 6))


def sample(n):
    y = RNG.integers(0, 3, n)
    return CENTRES[y] + RNG.normal(size=(n, 6)), y


X, Y = sample(60)
X_TEST, Y_TEST = sample(30)


def init(key):
    first, second = jax.random.split(key)
    return {"hidden": jax.random.normal(first, (6, 6)) / 2, "output": jax.random.normal(second, (6, 3)) / 2}


def apply(params, x):
    return jnp.tanh(x @ params["hidden"]) @ params["output"]


def loss(outputs, y):
    return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()


def network(**changes):
    given = {"init": init, "apply": apply, "loss": loss, "data": (X, Y, X_TEST, Y_TEST), "optimiser": optax.sgd(0.1)}
    return Network(**(given | {"epochs": 4, "batch": 20, "name": "blobs"} | changes))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    return judge(network(), claims=["training-jacobian", "tiny-subspace"], store=store)


def test_every_claim_gets_an_answer(verdicts):
    broken = [record.message for record in verdicts.claims if record.verdict == "NOT_RUN" and not record.declared]
    assert not broken
    assert len(verdicts.claims) == len(portable.of_paper("training-jacobian")) + len(portable.of_paper("tiny-subspace"))
    assert sum(record.judged for record in verdicts.claims) > 20
    assert all(record.experiments.keys() == {"blobs"} for record in verdicts.claims if record.judged)


def test_verdicts_show_themselves(verdicts):
    assert "blobs: " in str(verdicts)
    assert "training-jacobian/alignment-bulk[median,on-blobs]" in str(verdicts)
    assert "<table>" in verdicts._repr_html_()


def test_a_line_says_what_the_claim_says_and_why_it_is_open():
    equal = dataclasses.replace(
        OPEN,
        seeds_to_decide=None,
        measurements=[dataclasses.replace(OPEN.measurements[0], interval=None, method="3 equal seeds")],
    )
    claims = [HELD, REFUTED, dataclasses.replace(OPEN, id="paper/a"), dataclasses.replace(equal, id="paper/b"), SKIPPED]
    assert list(Verdicts(dataclasses.replace(REPORT, claims=claims)).rows().values()) == [
        "SUPPORTED     x is about one: measured [0.95, 1.05] ells; accepted: [0.9, 1.1]",
        "REFUTED       x is about one: measured [0.95, 1.05] ells; accepted: <= 0.5",
        "INCONCLUSIVE  x is about one: measured [0.95, 1.05] ells; accepted: <= 0.5; the interval lies across the edge, "
        "seeds=9 would decide: REFUTED, if mean and spread stay",
        "INCONCLUSIVE  x is about one: 3 equal seeds; accepted: <= 0.5",
        "NOT_RUN       x is about one: MNIST is not there",
    ]


def test_a_report_of_a_call_names_no_scale(tmp_path):
    claims = [dataclasses.replace(record, node=record.id) for record in (HELD, OPEN)]
    made = dataclasses.replace(REPORT, claims=claims)
    assert made.called
    assert not REPORT.called
    assert "Scale" not in markdown.render(made)
    assert "Scale paper, 3 seed(s)" in markdown.render(REPORT)
    assert "paper scale" in html.render(REPORT, tmp_path)
    assert "paper scale" not in html.render(made, tmp_path)


def test_a_report_of_a_call_is_judged_again_by_its_values(tmp_path, capsys):
    record = dataclasses.replace(HELD, node=HELD.id)
    found = interval_of("seeds", record.measurements[0])
    measured = dataclasses.replace(record.measurements[0], interval=[found.low, found.high])
    json_file.write(dataclasses.replace(REPORT, claims=[dataclasses.replace(record, measurements=[measured])]), tmp_path)
    assert main(["rejudge", str(tmp_path)]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert "made by judge() in a script" in said.err
    assert "give --values-alone" in said.err
    assert main(["rejudge", str(tmp_path), "--values-alone"]) == Exit.SAME


def test_a_report_is_written(verdicts, tmp_path):
    folder = verdicts.report(tmp_path)
    assert {"report.html", "report.md", "report.json"} <= {path.name for path in folder.iterdir()}
    assert json_file.read(folder).claims == verdicts.claims
    assert {entry.name for entry in verdicts.result.experiments} >= {
        "blobs",
        "blobs, on white noise",
        "blobs, with shuffled labels",
    }


def test_too_few_seeds_are_refused():
    with pytest.raises(InvalidInput, match="seeds = 2: give 3 or more"):
        judge(network(), seeds=2)


def test_what_does_not_apply_says_why():
    found = judge(
        network(
            init=lambda key: {"w": jax.random.normal(key, (6,))},
            apply=lambda params, x: x @ params["w"],
            loss=lambda outputs, y: ((outputs - y) ** 2).mean(),
            data=(X, X[:, 0], X_TEST, X_TEST[:, 0]),
            name="line",
        ),
        claims="tiny-subspace",
    )
    assert all("as many dimensions as there are classes" in record.message for record in found.claims)
