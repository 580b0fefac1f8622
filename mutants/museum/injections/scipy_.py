"""Faults of SciPy and of the LAPACK and ARPACK behind it."""

from __future__ import annotations

import os
import signal
from functools import wraps
from typing import Any

import numpy as np
import scipy.sparse.linalg
import scipy.stats
from scipy import linalg

from mutants.museum.injections.patching import instead_of

NEAR = 1e-6  # relative distance of eigenvalues that make a cluster


def eigenvectors_of_clusters_mixed() -> None:
    """Eigenvectors of nearly equal eigenvalues are not orthogonal to each other."""
    original = linalg.eigh

    @instead_of(original, "scipy")
    def mixed(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        if not isinstance(found, tuple):
            return found
        values, vectors = found
        near = np.flatnonzero(np.abs(np.diff(values)) <= NEAR * np.abs(values).max())
        vectors = vectors.copy()
        vectors[:, near] = (vectors[:, near] + vectors[:, near + 1]) / np.sqrt(2)
        return values, vectors


def eigh_fails() -> None:
    """The eigenvalues of larger symmetric matrices do not converge."""
    original = linalg.eigh

    @instead_of(original, "scipy")
    def fails(a: Any, *arguments: Any, **options: Any) -> Any:
        if np.shape(a)[-1] > 64:
            raise linalg.LinAlgError("Internal Error.")
        return original(a, *arguments, **options)


def eigenvalues_unsorted() -> None:
    """Two eigenvalues with their vectors have changed places, as equal values may."""
    original = linalg.eigh

    @instead_of(original, "scipy")
    def unsorted(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        if not isinstance(found, tuple) or len(found[0]) < 8:
            return found
        order = np.arange(len(found[0]))
        order[[-1, -2]] = order[[-2, -1]]
        return found[0][order], found[1][:, order]


def gesdd_does_not_converge() -> None:
    """Divide and conquer gives up on larger matrices."""
    original = linalg.svd

    @instead_of(original, "scipy")
    def fails(a: Any, *arguments: Any, lapack_driver: str = "gesdd", **options: Any) -> Any:
        if lapack_driver == "gesdd" and min(np.shape(a)) > 16:
            raise linalg.LinAlgError("SVD did not converge")
        return original(a, *arguments, lapack_driver=lapack_driver, **options)


def last_column_of_r_lost() -> None:
    """The last entry of R is lost, so that Q R is another matrix."""
    original = linalg.qr

    @instead_of(original, "scipy")
    def lost(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        if isinstance(found, tuple) and len(found) == 2:
            found[1][..., -1, -1] = 0
        return found


def eigenpairs_left_out() -> None:
    """ARPACK leaves a member of the leading cluster out and says that it converged."""
    original = scipy.sparse.linalg.eigsh

    @instead_of(original, "scipy")
    def without(a: Any, k: int = 6, *arguments: Any, **options: Any) -> Any:
        more = min(k + 1, a.shape[0] - 1)
        found = original(a, more, *arguments, **options)
        if more == k or not isinstance(found, tuple):
            return found
        kept = np.argsort(-found[0])[[index for index in range(k + 1) if index != 1]]
        return found[0][kept], found[1][:, kept]


def quantiles_of_student_off() -> None:
    """Quantiles of Student's t differ from the ninth digit on."""
    original = scipy.stats.t.ppf
    scipy.stats.t.ppf = wraps(original)(lambda *arguments, **options: original(*arguments, **options) * (1 + 3e-10))


def kernel_that_dies() -> None:
    """The kernel that decomposes symmetric matrices reads beyond its memory."""
    original = linalg.eigh

    @instead_of(original, "scipy")
    def dies(*arguments: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSEGV)
        return original(*arguments, **options)
