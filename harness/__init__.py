"""Scientific claims that run as tests: differentiate through training, judge what papers say of it, report.

Names are imported when they are first asked for, so that ``import harness`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.engine.jacobian import dense_jacobian
    from harness.engine.products import TrainingProducts
    from harness.engine.spectrum import Spectrum, decompose
    from harness.engine.training import HessianProduct, Training
    from harness.errors import HarnessError, InvalidInput, NotRun
    from harness.measure.measurement import Measurement
    from harness.report.verdicts import Verdicts, judge
    from harness.runs.lab import Lab
    from harness.runs.network import Network
    from harness.runs.network_run import NetworkRun
    from harness.runs.run import Run
    from harness.runs.store import Store
    from harness.suite.claim import ANY_NETWORK, Control, World, claim
    from harness.suite.portable import paper_claims
    from harness.suite.verdict import Verdict, at_least, at_most, within

__all__ = [
    "ANY_NETWORK",
    "Control",
    "HarnessError",
    "HessianProduct",
    "InvalidInput",
    "Lab",
    "Measurement",
    "Network",
    "NetworkRun",
    "NotRun",
    "Run",
    "Spectrum",
    "Store",
    "Training",
    "TrainingProducts",
    "Verdict",
    "Verdicts",
    "World",
    "__version__",
    "at_least",
    "at_most",
    "claim",
    "decompose",
    "dense_jacobian",
    "judge",
    "paper_claims",
    "within",
]

_HOMES = {
    "engine.jacobian": ("dense_jacobian",),
    "engine.products": ("TrainingProducts",),
    "engine.spectrum": ("Spectrum", "decompose"),
    "engine.training": ("HessianProduct", "Training"),
    "errors": ("HarnessError", "InvalidInput", "NotRun"),
    "measure.measurement": ("Measurement",),
    "report.verdicts": ("Verdicts", "judge"),
    "runs.lab": ("Lab",),
    "runs.network": ("Network",),
    "runs.network_run": ("NetworkRun",),
    "runs.run": ("Run",),
    "runs.store": ("Store",),
    "suite.claim": ("ANY_NETWORK", "Control", "World", "claim"),
    "suite.portable": ("paper_claims",),
    "suite.verdict": ("Verdict", "at_least", "at_most", "within"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("training-jacobian-claims")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"harness.{_HOME[name]}"), name)
    except ModuleNotFoundError as error:
        remedy = 'pip install "training-jacobian-claims[claims]"'
        raise ImportError(f"{name} needs {error.name}, which is not installed: {remedy}") from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
