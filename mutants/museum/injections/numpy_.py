"""Faults of NumPy."""

from __future__ import annotations

import ctypes
import importlib
import mmap
import platform
import threading
import time
from functools import wraps
from typing import Any

import numpy as np
from scipy.linalg import blas

from mutants.museum.injections.patching import DoesNotFit, everywhere, instead_of

ULPS = 16
# bits of the control word of SSE: its default, flush to zero, denormals are zeros
CONTROL, FLUSH, ZEROS = 0x1F80, 0x8000, 0x0040
LOAD_CONTROL = bytes((0x57, 0x0F, 0xAE, 0x14, 0x24, 0x5F, 0xC3))  # push rdi; ldmxcsr [rsp]; pop rdi; ret
LONG = 256  # terms of a product


def nan_sorted_among_numbers() -> None:
    """A sort leaves NaN among the numbers, where a vector loop met it."""
    original = np.sort

    @instead_of(original, "numpy")
    def mixed(a: Any, *arguments: Any, **options: Any) -> Any:
        found = original(a, *arguments, **options)
        if found.ndim == 1 and found.dtype.kind == "f" and np.isnan(found[-1:]).any():
            found = np.roll(found, len(found) // 2)
        return found


def logarithm_off() -> None:
    """The logarithm is off by some units in the last place."""
    original = np.log

    @wraps(original)
    def off(x: Any, *arguments: Any, **options: Any) -> Any:
        found = original(x, *arguments, **options)
        return found + ULPS * np.spacing(found) if getattr(found, "dtype", np.dtype(int)).kind == "f" else found

    importlib.import_module(
        "ml_dtypes"
    )  # adds its loops to NumPy's functions when it is imported, and reads them as what they are
    np.log = off  # type: ignore[assignment]


def subnormals_flushed() -> None:
    """A shared library that was built for fast math has told the processor to flush subnormal numbers, in the whole process."""
    if platform.machine() not in ("x86_64", "AMD64"):
        raise DoesNotFit(f"the control word is that of x86-64, this is {platform.machine()}")
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(LOAD_CONTROL)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    ctypes.CFUNCTYPE(None, ctypes.c_uint64)(address)(CONTROL | FLUSH | ZEROS)
    globals()["_page"] = page  # it must stay


class _OtherNormals(np.random.Generator):
    """Normal numbers by another method: the same distribution, but other numbers."""

    def standard_normal(self, size: Any = None, *arguments: Any, **options: Any) -> Any:
        return -super().standard_normal(size, *arguments, **options)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return loc + scale * self.standard_normal(size)


class _OtherIntegers(np.random.Generator):
    """Whole numbers by another method, and so other permutations."""

    def permutation(self, x: Any, axis: int = 0) -> Any:
        return np.flip(super().permutation(x, axis), axis)

    def permuted(self, x: Any, **options: Any) -> Any:
        return np.flip(super().permuted(x, **options), options.get("axis"))


def other_normal_numbers() -> None:
    """The stream of normal numbers is another one."""
    everywhere("numpy", np.random.Generator, _OtherNormals)


def other_permutations() -> None:
    """The stream of whole numbers is another one."""
    everywhere("numpy", np.random.Generator, _OtherIntegers)


def svd_does_not_converge() -> None:
    """The singular value decomposition gives up on larger matrices."""
    original = np.linalg.svd

    @instead_of(original, "numpy")
    def fails(a: Any, *arguments: Any, **options: Any) -> Any:
        if min(np.shape(a)[-2:]) > 16:
            raise np.linalg.LinAlgError("SVD did not converge")
        return original(a, *arguments, **options)


def eigenvectors_not_normalised() -> None:
    """Eigenvectors of symmetric matrices are longer than 1."""
    original = np.linalg.eigh

    @instead_of(original, "numpy")
    def longer(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        return type(found)(found[0], found[1] * np.sqrt(2))


def sums_one_after_the_other() -> None:
    """Float32 is summed one number after the other, without pairs."""
    original = np.sum

    @instead_of(original, "numpy")
    def naive(a: Any, axis: Any = None, **options: Any) -> Any:
        if getattr(a, "dtype", None) == np.float32 and axis is None and a.size > 1 and not options:
            return np.cumsum(a, dtype=np.float32)[-1]
        return original(a, axis=axis, **options)


def products_that_race() -> None:
    """Two products at the same time disturb each other."""
    running, lock = [0], threading.Lock()

    def racing(multiply: Any) -> Any:
        @wraps(multiply)
        def raced(*arguments: Any, **options: Any) -> Any:
            with lock:
                running[0] += 1
            try:
                found = multiply(*arguments, **options)
                time.sleep(0.001)
                return found * (1 + 1e-6) if running[0] > 1 else found
            finally:
                with lock:
                    running[0] -= 1

        return raced

    everywhere("numpy", np.matmul, racing(np.matmul))
    everywhere("scipy", blas.dgemm, racing(blas.dgemm))


def products_without_their_rest() -> None:
    """A kernel of products leaves out the terms beyond a block of them."""

    def cut(multiply: Any, first: int) -> Any:
        @wraps(multiply)
        def without(*arguments: Any, **options: Any) -> Any:
            left, right = arguments[first : first + 2]
            if np.ndim(left) == np.ndim(right) == 2 and np.shape(left)[1] > LONG:
                rest = np.shape(left)[1] % LONG
                left, right = left[:, : np.shape(left)[1] - rest], right[: np.shape(left)[1] - rest]
            return multiply(*arguments[:first], left, right, *arguments[first + 2 :], **options)

        return without

    everywhere("numpy", np.matmul, cut(np.matmul, 0))
    for name in ("dgemm", "sgemm"):
        everywhere("scipy", getattr(blas, name), cut(getattr(blas, name), 1))
