"""What every benchmark starts from: the paper's run, of the asked precision, with nothing in its store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from claims.training_jacobian.run import Run
from harness.engine.precision import exact_dtypes
from harness.engine.spectrum import Spectrum
from harness.engine.streams import numpy_stream
from harness.runs.lab import Lab
from harness.runs.store import Store


@pytest.fixture(autouse=True)
def _exact_dtypes() -> Iterator[None]:
    """The dtype scope of the harness, also for the notebook's loops and everything else that calls JAX directly."""
    with exact_dtypes():
        yield


@pytest.fixture(scope="session")
def paper_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """precision -> the run on digits at paper scale, trained but no further."""

    @functools.cache
    def made(precision: str) -> Run:
        import claims.training_jacobian.experiments  # noqa: F401 - names the experiments

        run: Any = Lab(Store(tmp_path_factory.mktemp(precision)), seeds=1, precision=precision).run("digits")
        run.trained  # noqa: B018
        return run  # type: ignore[no-any-return]

    return made


@pytest.fixture(scope="session")
def planted() -> Spectrum:
    """A spectrum like the paper's with random singular vectors: benchmarks that need a spectrum do not wait for a Jacobian."""
    size, bulk = 4810, 3000
    draw = numpy_stream(0, "benchmarks/planted")
    initial, final = (np.linalg.qr(draw.normal(size=(size, size)))[0] for _ in range(2))
    above, below = np.geomspace(20, 1.001, 900), np.geomspace(0.999, 1e-3, size - bulk - 900)
    sigma = np.concatenate([above, np.ones(bulk), below])
    return Spectrum(sigma, initial, final, np.zeros(size, bool), 0.0, 0.0, 0.0)


@pytest.fixture
def once(benchmark: Any) -> Callable[..., Any]:
    """Time one call, including compilation; ``scale`` is the whole of the work over the part that is timed."""

    def timed(function: Callable[[], Any], *, role: str, group: str, scale: float = 1.0, rounds: int = 1, **told: Any) -> Any:
        benchmark.group = group
        benchmark.extra_info.update(role=role, scale=scale, **told)
        return benchmark.pedantic(function, rounds=rounds, iterations=1)

    return timed
