"""Worker processes report what one process reports."""

import re

import pytest

from tests.plugin.planted import FALSE_CLAIM, OPEN_CLAIM, TRUE_CLAIM, report, timeless

pytest_plugins = ("pytester",)


DTYPE = """
import functools
from harness import Control, at_most, claim

single = Control("float32", lambda: {"bits": 32})
declare = functools.partial(claim, where="1", says="x", reading="x", accept=at_most(0, reason="planted"), over="once",
                            controls=[single])

def float64_is_float64(bits=64):
    import jax.numpy as jnp
    return float(bits != 64 or jnp.ones(1, "float64").dtype != "float64")

@declare("planted/first")
def test_first(bits=64): return float64_is_float64(bits)

@declare("planted/second")
def test_second(bits=64): return float64_is_float64(bits)
"""


class TestPrecision:
    @pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "two workers"])
    def test_the_first_claim_that_imports_jax_is_judged_like_all_others(self, project, pytester, workers):
        """In a process of its own, where nobody has imported JAX before."""
        project(files={"claims/test_dtype.py": DTYPE})
        result = pytester.runpytest_subprocess(*workers, "claims/test_dtype.py", "--claims-store=store")
        assert result.ret == 0, result.stdout.str()


def test_two_workers_report_what_one_process_reports_and_share_no_experiment(project, judge, pytester):
    others = [f"@declare('planted/{on}-{i}', on='{on}')\ndef test_{on}_{i}(x): return x\n" for on in ("a", "b") for i in range(3)]
    project(
        TRUE_CLAIM,
        FALSE_CLAIM,
        OPEN_CLAIM,
        "@declare('planted/broken', on='diverges')\ndef test_broken(x): return x\n",
        "@declare('planted/large', scales=['large'])\ndef test_large(x): return x\n",
        *others,
    )
    alone, here = judge(), timeless(report(pytester))
    spread = pytester.runpytest_subprocess("-n", "2", "--claims-store", "store", "-v")
    assert timeless(report(pytester)) == here
    assert (pytester.path / "reports/latest/evidence/planted.truth.npz").is_file()
    assert spread.ret == alone.ret == 1
    assert spread.outlines[-1] == "report: reports/latest"
    workers = [set(re.findall(rf"\[(gw\d)\][^\n]*PASSED [^\n]*test_{on}_", spread.stdout.str())) for on in ("a", "b")]
    assert [len(used) for used in workers] == [1, 1]
