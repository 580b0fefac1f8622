"""Where a run took place: versions, processor, precision. Reads JAX only if it is imported already."""

from __future__ import annotations

import os
import platform
import sys

from harness.runs import provenance

PACKAGES = {"jax": "jax", "jaxlib": "jaxlib", "numpy": "numpy", "scipy": "scipy", "optax": "optax", "sklearn": "scikit-learn"}


def collect(precision: str, *, devices: bool = True) -> dict[str, str]:
    """Everything that can move a number, as text; "" for what cannot be known.

    Args:
        precision: of the run.
        devices: ask JAX for its devices, if JAX is imported. This starts JAX.
    """
    return {
        "python": platform.python_version(),
        **{name: provenance.version(package) for name, package in PACKAGES.items()},
        **pools(),
        "device": device() if devices else "",
        "cpu": provenance.processor(),
        "simd": simd(),
        "xla_flags": " ".join(sorted(os.environ.get("XLA_FLAGS", "").split())),
        "settings": ", ".join(f"{name}={value}" for name, value in provenance.settings().items() if name != "XLA_FLAGS"),
        "prng": prng(),
        "cores": str(os.cpu_count() or ""),
        "system": f"{platform.system()} {platform.machine()}",
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "",
        "precision": precision,
        "matrix products": getattr(sys.modules.get("harness.engine.precision"), "PRODUCTS", ""),
    }


def pools() -> dict[str, str]:
    """The loaded BLAS and thread pools with their kernels (``openblas 0.3.30 Haswell``), the threads of each, and the number of
    cores that this process may use."""
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    loaded = threadpool_info()
    threads = [f"{pool['internal_api']} {pool['num_threads']}" for pool in loaded]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
    return {
        "blas": ", ".join(sorted(set(map(provenance.pool_name, loaded)))),
        "threads": f"{', '.join(sorted(set(threads)))}; {cores} core(s)",
    }


def prng() -> str:
    """Default generators: NumPy's, and JAX's with its settings if JAX was imported."""
    import numpy as np

    jax = sys.modules.get("jax")
    names = [type(np.random.default_rng(0).bit_generator).__name__]
    if jax is not None:
        names.append(str(getattr(jax.config, "jax_default_prng_impl", "")))
        names += ["partitionable"] * bool(getattr(jax.config, "jax_threefry_partitionable", False))
    return " ".join(filter(None, names))


def device() -> str:
    """JAX's devices, as ``2 x cpu (cpu)``; "" if JAX was not imported or finds none."""
    jax = sys.modules.get("jax")
    try:
        devices = jax.devices() if jax else []
    except RuntimeError:
        devices = []
    return f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})" if devices else ""


def started() -> bool:
    """Whether JAX has started: then asking for its devices costs nothing."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bool(getattr(bridge, "backends_are_initialized", lambda: False)())


def peak_memory() -> int | None:
    """Largest resident size so far of this process or of a process that it started, MiB; None where the system gives none."""
    try:
        import resource
    except ImportError:
        return None
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak >> (20 if sys.platform == "darwin" else 10)


def simd() -> str:
    """The widest vector instructions that NumPy found, e.g. ``AVX512_ICL``."""
    import numpy as np

    config = np.show_config(mode="dicts") or {}
    found = config.get("SIMD Extensions", {}).get("found", [])
    return str(found[-1]) if found else ""
