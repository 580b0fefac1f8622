"""One variant with one seed: train, differentiate, measure the facts and every claim for any network, as a :class:`Row`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import linalg

from harness.engine.precision import with_exact_dtypes
from harness.errors import HarnessError, NotFinite, NotRun
from harness.measure import function_jacobian
from harness.measure.overlap import principal_cosines, random_baseline
from harness.report.atlas.rows import Measured, Row
from harness.runs.hessian_path import hessian_path
from harness.runs.shown import NEAR
from harness.suite.claim import Claim
from harness.suite.judging import run_control

if TYPE_CHECKING:
    from harness.report.atlas.table import Variant

TOLERANCES = (0.001, 0.01, 0.1)  # of the rank of J - I
JUDGED = (0.1, 0.8)  # shares of the dimensions at which bulks are compared
POINTS = 201  # singular values that are kept for figures
TINY = 1e-12  # singular values below are zero but for rounding
LEAST = 10  # directions; a median or an angle over fewer says nothing


@with_exact_dtypes
def measure(variant: Variant, run: Any, earlier: Sequence[Any], base: Callable[[], Any], claims: Sequence[Claim]) -> Row:
    """The row of a variant.

    Args:
        variant: what the run is of.
        run: a :class:`harness.NetworkRun`.
        earlier: runs of the same network with earlier seeds, for pairs.
        base: gives the base network's run of the same seed.
        claims: claims for any network, as declared; empty for facts alone.
    """
    began, network = time.perf_counter(), run.network
    row = Row(
        variant.name,
        variant.axis,
        variant.value,
        dict(variant.given),
        run.seed,
        run.size,
        network.plan.examples,
        network.plan.batch,
        network.epochs,
        network.steps,
        network.precision,
    )
    if failure := _failure(run):
        return _with(row, failure=failure, seconds=time.perf_counter() - began)
    others = [other for other in earlier if not _failure(other)]
    singles, doubles = ([claim for claim in claims if (claim.over == "pairs") == pairs] for pairs in (False, True))
    return _with(
        row,
        facts=facts(run, base, closely=variant.closely, shuffled=variant.closely or bool(claims)),
        sigma=[float(value) for value in run.spectrum.sigma[_ranks(run.size)]],
        claims={claim.id: _measured(claim, (run,)) for claim in singles},
        pairs={str(other.seed): {claim.id: _measured(claim, (run, other)) for claim in doubles} for other in others},
        common={str(other.seed): _common(run.spectrum, other.spectrum) for other in others},
        seconds=time.perf_counter() - began,
    )


def _failure(run: Any) -> str:
    """Why there is no spectrum, or none whose values near one can be told; "" where there is one."""
    try:
        run.resolved_spectrum  # noqa: B018 - trains and differentiates
    except HarnessError as error:
        return " ".join(str(error).split())
    return ""


def _with(row: Row, **changes: Any) -> Row:
    return Row(**{**vars(row), **changes})


def _ranks(size: int) -> Any:
    return np.unique(np.linspace(0, size - 1, min(size, POINTS)).round().astype(int))


def _measured(claim: Claim, runs: tuple[Any, ...]) -> Measured:
    try:
        found = claim.measure(*runs)
        value = float(getattr(found, "value", found))
    except (NotRun, NotFinite) as error:
        return Measured(None, " ".join(str(error).split()))
    except Exception as error:
        cause = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        return Measured(None, " ".join(cause.split()), broken=True)
    if not math.isfinite(value):
        return Measured(None, f"it measured {value}", broken=True)
    return Measured(value, controls=[run_control(claim, control, [runs]) for control in claim.controls])


def facts(run: Any, base: Callable[[], Any], *, closely: bool = True, shuffled: bool = True) -> dict[str, float | None]:
    """The quantities that :data:`harness.report.atlas.rows.FACTS` explains.

    Args:
        closely: include the quantities of the path of Hessians.
        shuffled: include the quantities of shuffled labels.
    """
    spectrum, trained = run.spectrum, run.trained
    free, near = ~spectrum.structural, spectrum.distance < NEAR
    above = spectrum.sigma >= 1 + NEAR
    bulk = free & near
    found: dict[str, float | None] = {
        "near": _share(near[free]),
        "above": _share(above[free]),
        "below": _share(~near[free] & ~above[free]),
        "structural": _share(spectrum.structural),
        "near_all": _share(near),
        "near_noise": _or_none(lambda: _near(run.white_noise.resolved_spectrum)),
        "sigma_1": float(spectrum.sigma[0]),
        "bulk_cosine": float(np.median(spectrum.cosines[bulk])) if bulk.sum() >= LEAST else None,
        "base_overlap": _or_none(lambda: _overlap(run, base())),
        "log_volume": _volume(spectrum),
        "log_volume_shuffled": _or_none(lambda: _volume(run.shuffled_labels.resolved_spectrum)) if shuffled else None,
        "train_loss": trained.train_loss,
        "test_loss": trained.test_loss,
        "test_accuracy": trained.test_accuracy,
    }
    departure = linalg.svdvals(np.asarray(run.jacobian, np.float64) - np.eye(run.size), overwrite_a=True)
    found |= {f"rank_{t:g}": _share(departure > t) for t in TOLERANCES} | _inputs(run.network.data[0])
    found |= _path(run) if closely else {}
    return {name: value if value is not None and math.isfinite(value) else None for name, value in found.items()}


def _share(flags: Any) -> float | None:
    return float(np.mean(flags)) if len(flags) else None


def _near(spectrum: Any) -> float | None:
    return _share(spectrum.distance[~spectrum.structural] < NEAR)


def _or_none(compute: Callable[[], float | None]) -> float | None:
    """The computed value; None if the other world's run diverges or does not exist."""
    try:
        return compute()
    except HarnessError:
        return None


def _overlap(run: Any, base: Any) -> float | None:
    if base.size != run.size or base.experiment.fingerprint() == run.experiment.fingerprint():
        return None
    curve = run.overlap(base, structural=False)
    shares = curve.dimensions / curve.size
    judged = (shares > JUDGED[0] - 0.01) & (shares < JUDGED[1] + 0.01)
    return float((curve.cosine - random_baseline(shares))[judged].min())


def _volume(spectrum: Any) -> float | None:
    """Log of the volume factor outside the bulk, over the number of free directions. The bulk's own, near zero, is left out."""
    free = ~spectrum.structural
    outside = spectrum.sigma[free & (spectrum.distance >= NEAR)]
    return float(np.log(outside).sum() / free.sum()) if len(outside) and outside.min() > 0 else None


def _path(run: Any) -> dict[str, float | None]:
    """What the path of Hessians predicts of the spectrum; {} where the optimiser has no such product."""
    try:
        path = hessian_path(run)
    except NotRun:
        return {}
    sigma, free = run.spectrum.sigma, ~run.spectrum.structural
    outside = np.abs(sigma - 1) >= NEAR
    found: dict[str, float | None] = {}
    for name, product in {"": path.predicted, "_memoryless": path.memoryless}.items():
        predicted = linalg.svdvals(product)
        found[f"path_regions{name}"] = float(np.abs(_regions(predicted) - _regions(sigma)).max())
        ratio = np.log(np.maximum(predicted, TINY) / np.maximum(sigma, TINY))[outside]
        found[f"path_sigma{name}"] = float(np.median(np.abs(ratio))) if len(ratio) >= LEAST else None
    if LEAST <= np.count_nonzero(free & ~outside) < np.count_nonzero(free):
        for name, gram in {"": path.squares, "_strongest": -path.squares}.items():
            found[f"path_null{name}"] = float(function_jacobian.beside(run.spectrum, gram, NEAR)["closeness"])
    return found


def _regions(sigma: Any) -> Any:
    """Shares of all directions near one, above and below."""
    near, above = np.abs(sigma - 1) < NEAR, sigma >= 1 + NEAR
    return np.array([near.mean(), above.mean(), (~near & ~above).mean()])


def _inputs(x: Any) -> dict[str, float | None]:
    """The number of inputs, and facts of their covariance; {} for inputs that are trees of several arrays."""
    if not hasattr(x, "ndim"):
        return {}
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    values = np.maximum(linalg.eigvalsh(np.atleast_2d(np.cov(flat, rowvar=False))), 0)
    top, squares = float(values.max(initial=0.0)), float(np.sum(values**2))
    return {
        "inputs": float(flat.shape[1]),
        "input_rank": float(np.count_nonzero(values > 1e-10 * top)),
        "input_participation": float(values.sum() ** 2 / squares) if squares > 0 else None,
    }


def _common(first: Any, second: Any) -> dict[str, float | None]:
    """What the top directions of two spectra have in common."""
    k = min(int(np.count_nonzero(one.sigma >= 1 + NEAR)) for one in (first, second))
    if k < LEAST or k > len(second.by_distance):
        return {"chaotic_overlap": None, "chaotic_in_bulk": None}
    # directions that both carry exactly belong to neither side, and leave less room for chance
    room = first.size - min(int(np.count_nonzero(one.structural)) for one in (first, second))
    top, chance = first.initial[:, :k], float(random_baseline(k / room))
    free = second.by_distance[~second.structural[second.by_distance]]
    others = {"chaotic_overlap": np.arange(k), "chaotic_in_bulk": free[:k]}
    return {name: float(principal_cosines(top, second.initial[:, chosen]).mean()) - chance for name, chosen in others.items()}
