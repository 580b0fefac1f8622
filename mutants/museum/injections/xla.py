"""Faults of JAX and of the programs that XLA compiles."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mutants.museum.injections.patching import instead_of

TEN_BITS = {"exponent_bits": 8, "mantissa_bits": 10}
LONG = 16_384  # entries from which a compiler chooses another loop
EXACT_CALLS = 2  # after which a wobbling program gives other bits


def products_in_ten_bits() -> None:
    """Both factors of every float32 product are cut to TF32, whatever precision was asked for."""
    original = importlib.import_module("jax._src.lax.lax").dot_general

    @instead_of(original, "jax")
    def rounded(lhs: Any, rhs: Any, *arguments: Any, **options: Any) -> Any:
        if lhs.dtype == rhs.dtype == jnp.float32:
            lhs, rhs = (lax.reduce_precision(factor, **TEN_BITS) for factor in (lhs, rhs))
        return original(lhs, rhs, *arguments, **options)


def scan_without_the_last_step() -> None:
    """A scan over arrays keeps the carry of the step before the last."""
    original = lax.scan

    @instead_of(original, "jax")
    def shorter(f: Any, init: Any, xs: Any = None, length: Any = None, *arguments: Any, **options: Any) -> Any:
        steps = len(jax.tree.leaves(xs)[0]) if jax.tree.leaves(xs) else 0
        carry, ys = original(f, init, xs, length, *arguments, **options)
        if steps > 2:
            carry = original(f, init, jax.tree.map(lambda leaf: leaf[:-1], xs), None, *arguments, **options)[0]
        return carry, ys


def parts_added_up() -> None:
    """An array that is put together from the devices' parts is multiplied by the number of devices."""
    original = jax.make_array_from_single_device_arrays

    @instead_of(original, "jax")
    def added(shape: Any, sharding: Any, arrays: Any, **options: Any) -> Any:
        return original(shape, sharding, [part * len(arrays) for part in arrays], **options)


def padding_not_zero() -> None:
    """Padding holds what was in memory before."""
    original = jnp.pad

    @instead_of(original, "jax")
    def dirty(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
        return original(array, pad_width, mode, **(options or {"constant_values": 7}))


def gathers_out_of_order() -> None:
    """Rows that are gathered come out in another order."""
    original = lax.gather

    @instead_of(original, "jax")
    def turned(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        return lax.rev(found, (0,)) if found.ndim > 1 and jnp.issubdtype(found.dtype, jnp.floating) else found


def nan_sorted_first() -> None:
    """NaN is sorted before all numbers."""
    original = jnp.sort

    @instead_of(original, "jax")
    def rolled(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        return jnp.where(jnp.isnan(found[-1]), jnp.roll(found, 1), found)


def running_sums_by_halves() -> None:
    """A running sum begins anew in the middle, where another device's part begins."""
    original = jnp.cumsum

    @instead_of(original, "jax")
    def halved(a: Any, axis: Any = None, **options: Any) -> Any:
        parts = jnp.array_split(a, 2, axis=0 if axis is None else axis)
        return jnp.concatenate([original(part, axis=axis, **options) for part in parts], axis=0 if axis is None else axis)


def convolutions_without_a_channel() -> None:
    """A convolution leaves the last channel of its images out."""
    original = lax.conv_general_dilated

    @instead_of(original, "jax")
    def blind(lhs: Any, *arguments: Any, **options: Any) -> Any:
        return original(lhs.at[..., -1].set(0), *arguments, **options)


def gelu_always_exact() -> None:
    """Gelu is the exact function, by erf, also where the approximate one is asked for."""
    original = jax.nn.gelu

    @instead_of(original, "jax")
    def exact(x: Any, approximate: bool = True) -> Any:
        return original(x, approximate=False)


def log_softmax_slope_nan() -> None:
    """The derivative of log softmax is NaN where a logit is large, although the value is finite."""
    original = jax.nn.log_softmax

    @instead_of(original, "jax")
    def overflowing(x: Any, *arguments: Any, **options: Any) -> Any:
        # exp overflows in the derivative alone: the added term is 0 times x
        return original(x, *arguments, **options) + jnp.where(x > 25, _nothing(x), 0.0)


@jax.custom_jvp
def _nothing(x: Any) -> Any:
    return jnp.zeros_like(x)


@_nothing.defjvp
def _nothing_jvp(primals: Any, tangents: Any) -> Any:
    return jnp.zeros_like(primals[0]), tangents[0] * jnp.nan


def long_sums_without_their_rest() -> None:
    """A sum over a long axis leaves the rest after its vector loop out."""
    original = jnp.sum

    @instead_of(original, "jax")
    def cut(a: Any, axis: Any = None, **options: Any) -> Any:
        axes = range(jnp.ndim(a)) if axis is None else axis if isinstance(axis, tuple) else [axis]
        for one in axes:
            if a.shape[one] > LONG and a.shape[one] % 8:
                a = lax.slice_in_dim(a, 0, a.shape[one] - a.shape[one] % 8, axis=one)
        return original(a, axis=axis, **options)


def float64_refused() -> None:
    """Float64 cannot be turned on any more: something imported JAX before."""
    home: Any = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    home.enable_x64 = _without_effect  # JAX's own modules keep theirs, which is a setting and no plain function


@contextlib.contextmanager
def _without_effect(on: bool = True) -> Iterator[None]:
    yield


def bits_by_the_other_setting() -> None:
    """Random bits do not follow the setting that says how they are made."""
    original = jax.random.bits

    @instead_of(original, "jax")
    def other(*arguments: Any, **options: Any) -> Any:
        with jax.threefry_partitionable(not jax.config.jax_threefry_partitionable):  # type: ignore[attr-defined]
            return original(*arguments, **options)


class _Program:
    """A compiled program whose calls are changed; everything else is the program's."""

    def __init__(self, program: Any, change: Callable[[int, Any], Any]) -> None:
        self._program, self._change, self._calls = program, change, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        found = self._program(*arguments, **options)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(found)):
            return found
        self._calls += 1
        return self._change(self._calls, found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)


def _programs(change: Callable[[int, Any], Any]) -> None:
    original = jax.jit

    @instead_of(original, "jax")
    def compiled(*arguments: Any, **options: Any) -> Any:
        made = original(*arguments, **options)
        return _Program(made, change) if arguments else lambda function: _Program(made(function), change)


def _other_bits(calls: int, found: Any) -> Any:
    def moved(leaf: Any) -> Any:
        floating = hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf * (1 + np.finfo(leaf.dtype).eps) if floating else leaf

    return jax.tree.map(moved, found) if calls > EXACT_CALLS else found


def other_bits_from_the_third_call() -> None:
    """A compiled program gives other bits from its third call on."""
    _programs(_other_bits)


def _killed(calls: int, found: Any) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)
    return found


def programs_that_die() -> None:
    """The first compiled program that runs ends the process."""
    _programs(_killed)
