"""Examples as trees of arrays: checks, batches in the order of training, and other worlds drawn from the examples.

The first axis of every leaf is that of the examples, (n, ...). Inputs may be one array or a tree (several inputs), and so may
labels (with weights).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from harness.engine.streams import numpy_stream, stream
from harness.errors import InvalidInput, NotFinite

REMAINDERS = ("keep", "drop", "error")
ORDERS = ("given", "shuffled", "reshuffled")
LEAST_TEST = 8  # examples; predictions and the test loss are means over them


class Batch(NamedTuple):
    """One batch, or all batches with a first axis of steps.

    Attributes:
        x, y: trees of arrays, (batch, ...).
        key: two words a step, from which its random key is made; None if nothing is random.
        full: whether all examples count; a smaller last batch of an epoch is filled up. None if all examples of all batches
            count.
    """

    x: Any
    y: Any
    key: Any = None
    full: Any = None


class Plan(NamedTuple):
    """How examples are divided into batches.

    Attributes:
        examples: how many there are.
        batch: examples of a whole batch.
        steps: batches an epoch, a smaller last one included.
        rest: examples of a smaller last batch, 0 if there is none.
    """

    examples: int
    batch: int
    steps: int
    rest: int


def arrays(tree: Any, name: str) -> Any:
    """The tree with NumPy leaves.

    Raises:
        InvalidInput: no leaf, a leaf without numbers, or one without an axis of examples.
        NotFinite: NaN or infinity.
    """
    found = jax.tree.map(np.asarray, tree)
    leaves = jax.tree.leaves(found)
    if not leaves:
        raise InvalidInput(f"{name} holds no array: give an array or a tree of arrays with the examples along their first axis")
    for leaf in leaves:
        if leaf.dtype.kind not in "fiub":
            raise InvalidInput(f"{name} has dtype {leaf.dtype}: turn it into floating or integer numbers first")
        if leaf.ndim == 0:
            raise InvalidInput(
                f"{name} has a leaf without axes: its first axis must be the examples, and a list of numbers is a tree of them: "
                "make it an array by np.asarray"
            )
        if leaf.dtype.kind == "f" and not np.isfinite(leaf).all():
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(leaf))[0])
            raise NotFinite(f"{name}{list(where)} is {leaf[where]}: clean the data before training")
    return found


def count(x: Any, y: Any, part: str) -> int:
    """The number of examples.

    Raises:
        InvalidInput: leaves of different lengths, or none at all.
    """
    lengths = {len(leaf) for leaf in jax.tree.leaves((x, y))}
    if len(lengths) != 1:
        raise InvalidInput(
            f"{part} data: first axes of {shapes(x)} (x) and {shapes(y)} (y) differ: every array needs one row an example, "
            "and no axis of batches; Network makes the batches"
        )
    if (examples := lengths.pop()) == 0:
        raise InvalidInput(f"{part} data: no examples; give one at least")
    return examples


def same_kind(name: str, train: Any, test: Any) -> None:
    """Raise InvalidInput if test examples have another structure or other axes than the training examples."""
    trees = [jax.tree.map(lambda leaf: leaf.shape[1:], part) for part in (train, test)]
    if trees[0] != trees[1]:
        raise InvalidInput(
            f"{name}_test of shape {shapes(test)} and {name} of shape {shapes(train)}: test examples must be like training "
            "examples, all axes but the first the same"
        )


def shapes(tree: Any) -> str:
    return ", ".join(str(tuple(leaf.shape)) for leaf in jax.tree.leaves(tree))


def plan(examples: int, batch: int | None, remainder: str) -> Plan:
    """How many batches there are, and how large the last one is.

    Raises:
        InvalidInput: a batch larger than the set, or a batch that does not divide the set although ``remainder`` is ``error``.
    """
    if remainder not in REMAINDERS:
        raise InvalidInput(f"remainder = {remainder!r} is not allowed; allowed: {', '.join(REMAINDERS)}")
    if batch is not None and (isinstance(batch, bool) or not isinstance(batch, int | np.integer)):
        raise InvalidInput(f"batch = {batch!r}: give a whole number of examples, or None for all of them")
    size = examples if batch is None else int(batch)
    if not 1 <= size <= examples:
        raise InvalidInput(f"batch = {batch} of {examples} examples: choose 1 to {examples}, or None for all of them")
    whole, rest = divmod(examples, size)
    if rest and remainder == "error":
        raise InvalidInput(f'batch = {batch} leaves {rest} of {examples} examples: choose a divisor, remainder="keep" or "drop"')
    rest = rest if remainder == "keep" else 0
    return Plan(examples, size, whole + bool(rest), rest)


def own_order(order: Any, examples: int, batch: int | None) -> tuple[Any, Plan]:
    """An order given step by step, (steps, batch), as NumPy integers, and its plan.

    Raises:
        InvalidInput: another shape, other numbers, examples that do not exist, or a ``batch`` that differs from the order's.
    """
    rows = np.asarray(order)
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or not rows.size:
        raise InvalidInput(
            f"order of shape {rows.shape} and dtype {rows.dtype}: give {', '.join(ORDERS)}, or whole numbers (steps, batch), the "
            "examples that each step of an epoch sees"
        )
    if rows.min() < 0 or rows.max() >= examples:
        raise InvalidInput(f"order names examples {rows.min()} to {rows.max()}: there are {examples}, numbered from 0")
    if batch not in (None, rows.shape[1]):
        raise InvalidInput(f"batch = {batch}, and order has {rows.shape[1]} examples a step: leave batch out")
    return rows, Plan(examples, rows.shape[1], len(rows), 0)


def batches(x: Any, y: Any, how: Plan, order: Any, order_seed: int, epochs: int, keys_of: int | None) -> tuple[Batch, int]:
    """All batches in the order of training, leaves (steps, batch, ...), and the passes over them.

    If all epochs are equal, these are the batches of one epoch; else those of all epochs.

    Args:
        order: one of ORDERS, or the result of :func:`own_order`.
        keys_of: the seed of the steps' random keys; None makes none.
    """
    alike = keys_of is None and not (isinstance(order, str) and order == "reshuffled")
    passes = 1 if alike else max(epochs, 1)
    rows = np.concatenate([_rows(how, order, order_seed, epoch) for epoch in range(passes)])
    picked_x, picked_y = jax.tree.map(lambda leaf: leaf[rows], (x, y))
    full = np.tile(np.arange(how.steps) < how.steps - 1, passes) if how.rest else None
    key = None if keys_of is None else step_keys(keys_of, len(rows))
    return Batch(picked_x, picked_y, key, full), epochs if alike else min(epochs, 1)


def _rows(how: Plan, order: Any, seed: int, epoch: int) -> Any:
    """Examples of each step of an epoch, (steps, batch); a smaller last batch is filled up with the first example."""
    if not isinstance(order, str):
        return order
    if order == "given":
        rows = np.arange(how.examples)
    else:
        name = "network-order" if order == "shuffled" else f"network-order-{epoch}"
        rows = numpy_stream(seed, name).permutation(how.examples)
    size = how.steps * how.batch
    filled = np.concatenate([rows, np.zeros(max(0, size - how.examples), rows.dtype)])
    return filled[:size].reshape(how.steps, how.batch)


def step_keys(seed: int, steps: int) -> Any:
    """Two words a step, (steps, 2): the stream ``network-steps`` of the seed, split."""
    return np.asarray(jax.random.key_data(jax.random.split(stream(seed, "network-steps"), steps)))


def white_noise(x: Any, seed: int) -> Any:
    """Normal noise with each array's overall mean and standard deviation; for integers independent draws of its entries."""
    rng = numpy_stream(seed, "network-white-noise")

    def noise(leaf: Any) -> Any:
        if leaf.dtype.kind != "f":
            return rng.choice(leaf.ravel(), size=leaf.shape)
        return (leaf.mean() + leaf.std() * rng.standard_normal(leaf.shape)).astype(leaf.dtype)

    return jax.tree.map(noise, x)


def gaussian(x: Any, seed: int) -> Any:
    """Normal examples with each array's mean and covariance over examples.

    Raises:
        InvalidInput: integers, which have no Gaussian.
    """
    rng = numpy_stream(seed, "network-gaussian")

    def draw(leaf: Any) -> Any:
        if leaf.dtype.kind != "f":
            raise InvalidInput(f"inputs of dtype {leaf.dtype} have no Gaussian counterpart: use on_white_noise()")
        flat = leaf.reshape(len(leaf), -1).astype(np.float64)
        centred = flat - flat.mean(axis=0)
        weights = rng.standard_normal((len(leaf), len(leaf))) / np.sqrt(max(1, len(leaf) - 1))
        return (flat.mean(axis=0) + weights @ centred).reshape(leaf.shape).astype(leaf.dtype)

    return jax.tree.map(draw, x)


def shuffled(y: Any, seed: int) -> Any:
    """The labels in another order; the leaves of one example stay together."""
    leaves = jax.tree.leaves(y)
    rows = numpy_stream(seed, "network-label-permutation").permutation(len(leaves[0]))
    return jax.tree.map(lambda leaf: leaf[rows], y)


def mean_loss(one: Callable[[Any, Any, Any, Any], Any], rest: int) -> Callable[[Any, Batch], Any]:
    """(params, batch) -> the loss of its examples, from ``one(params, x, y, key)``.

    A smaller last batch is cut to its own examples in a separate branch. This is exact for any loss, whether or not the loss is
    a mean over examples, and for networks whose outputs depend on the whole batch.
    """

    def loss(params: Any, batch: Batch) -> Any:
        key = None if batch.key is None else jax.random.wrap_key_data(batch.key)
        if batch.full is None:
            return one(params, batch.x, batch.y, key)
        x, y = jax.tree.map(lambda leaf: leaf[:rest], (batch.x, batch.y))
        return jax.lax.cond(batch.full, lambda: one(params, batch.x, batch.y, key), lambda: one(params, x, y, key))

    return loss
