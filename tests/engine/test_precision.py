"""The harness computes in an experiment's dtypes, to the same bits, whatever the process's JAX settings."""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.engine.precision import _enable_x64, exact_dtypes, with_exact_dtypes
from harness.errors import WrongPrecision

ROOT = Path(__file__).resolve().parents[2]
# what a process may have been told about float64, by name: nothing, or JAX's own switch on or off
SETTINGS: dict[str, dict[str, str]] = {"unset": {}, "on": {"JAX_ENABLE_X64": "1"}, "off": {"JAX_ENABLE_X64": "0"}}
# Four steps of a network with 160 parameters. Nothing in here prepares JAX: that is the harness' own affair.
SCRIPT = """
import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np

from claims.training_jacobian.experiments import Experiment, Model
from harness.engine.jacobian import dense_jacobian
from harness.engine.products import TrainingProducts
from harness.runs.lab import Lab, open_run
from harness.runs.store import Store

found, before = {}, jnp.ones(1).dtype
for precision in ("float64", "float32"):
    experiment = Experiment("tiny", "smoke", model=Model(hidden=(2,)), batch=400, epochs=1, precision=precision)
    run = open_run(experiment, Lab(Store(sys.argv[1]), scale="smoke"))
    start = jax.tree.map(lambda leaf: leaf.astype(precision), run.theta_0)
    products = TrainingProducts(run.training, start)
    block = np.random.default_rng(0).standard_normal((products.size, 3))
    found[f"theta_T, {precision}"] = run.trained.theta_T
    # the map itself, called on float64 batches whatever the parameters are
    training = dataclasses.replace(run.training, batches=jax.tree.map(np.asarray, run.training.batches))
    found[f"theta_T by the map, {precision}"] = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(training(start))])
    found[f"losses, {precision}"] = run.trained.losses
    found[f"theta_T of products, {precision}"] = products.theta_T
    found[f"J, {precision}"] = dense_jacobian(run.training, start)
    found[f"J v, {precision}"] = products.forward(block)
assert jnp.ones(1).dtype == before, "the process' own setting is not the harness' to change"
found["own setting"] = str(before)
np.savez(sys.argv[2], **found)
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What the script measured, by setting; each process has a store of its own, so that it computes everything."""
    folder = tmp_path_factory.mktemp("precision")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    held = {}
    for name, setting in SETTINGS.items():
        command = [sys.executable, "-c", SCRIPT, str(folder / f"store-{name}"), str(folder / f"{name}.npz")]
        done = subprocess.run(command, cwd=ROOT, env=plain | setting, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        with np.load(folder / f"{name}.npz") as arrays:
            held[name] = dict(arrays)
    return held


@pytest.mark.parametrize("setting", ["on", "off"])
def test_jaxs_switch_makes_no_difference_to_the_last_bit(measured, setting):
    plain, other = measured["unset"], measured[setting]
    assert plain.keys() == other.keys()
    for name in plain.keys() - {"own setting"}:
        assert plain[name].dtype == other[name].dtype, name
        assert plain[name].tobytes() == other[name].tobytes(), name


def test_the_processes_had_the_settings_that_they_were_given(measured):
    """The ruler: without it, three equal processes would agree as well."""
    assert [str(measured[name]["own setting"]) for name in SETTINGS] == ["float32", "float64", "float32"]


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_precision_is_what_it_says(measured, setting):
    found = measured[setting]
    for precision in ("float64", "float32"):
        for name in ("theta_T", "losses", "theta_T of products", "J"):
            assert found[f"{name}, {precision}"].dtype == precision, name
    for name in ("theta_T", "losses", "theta_T of products", "J", "J v"):
        double, single = found[f"{name}, float64"], found[f"{name}, float32"]
        assert np.any(double != double.astype(np.float32)), f"{name}: float32's numbers in a wider array"
        error = np.max(np.abs(single - double)) / np.max(np.abs(double))
        # four steps of some fifty roundings of float32, and no more; float64 throughout would leave nothing
        assert 2.0**-27 < error < 200 * 2.0**-24, name


def test_float64_is_good_to_its_own_rounding(measured):
    """J v by two ways through the derivative of training: they agree to float64's rounding, a billionth of float32's."""
    found = measured["unset"]
    block = np.random.default_rng(0).standard_normal((160, 3))
    for precision, unit in (("float64", 2.0**-53), ("float32", 2.0**-24)):
        expected = np.asarray(found[f"J, {precision}"], np.float64) @ block
        error = np.max(np.abs(found[f"J v, {precision}"] - expected)) / np.max(np.abs(expected))
        assert error < 400 * unit, precision  # 160 roundings of the product, and as many of four steps on either side


def test_the_scope_is_left_as_it_was_found():
    """Also by an exception; a function that is wrapped keeps its name and what it returns."""

    @with_exact_dtypes
    def asked():
        return jnp.ones(1, "float64").dtype, jax.config.jax_default_matmul_precision

    with _enable_x64(False), jax.default_matmul_precision("bfloat16"):
        outside = (jnp.ones(1).dtype, jax.config.jax_default_matmul_precision)
        assert asked() == (np.float64, "highest")
        assert asked.__name__ == "asked"
        with pytest.raises(ZeroDivisionError), exact_dtypes():
            raise ZeroDivisionError
        assert (jnp.ones(1).dtype, jax.config.jax_default_matmul_precision) == outside == (np.float32, "bfloat16")


def test_float64_that_is_refused_is_an_error(monkeypatch):
    refusing = _enable_x64(False)
    monkeypatch.setattr("harness.engine.precision._enable_x64", lambda on: nullcontext())
    with refusing, pytest.raises(WrongPrecision, match="JAX computes in float32 where float64 is asked for"), exact_dtypes():
        pass
