"""J V and J^T W for the Jacobian J of training, without forming J and without differentiating through a stored loop.

One optimiser step is theta' , m' = rule(theta, m, g(theta)) with the gradient g. Its tangent needs one product with the Hessian H
of the batch, dg = H dtheta, and so does its adjoint, a <- a + H a_g, since H is symmetric. Everything else is the
rule's own derivative, which acts on each parameter alone. For the heavy ball these are dm <- mu dm + H dtheta,
dtheta <- dtheta - eta dm, and from (a, b): b' = b - eta a, a <- a + H b', b <- mu b'. Any optax rule that can be
differentiated will do.

The state before each step is kept. So is the tree that the network's own Hessian products share, if it has such products. When
memory is short, both are computed again between checkpoints. Both products see the same states to the last bit, so that each is
the transpose of the other to rounding. Vectors come in blocks with the column axis last. Columns are independent
and sharded over the devices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float
from numpy.typing import NDArray

from harness.engine.columns_last import columns_last
from harness.engine.precision import with_exact_dtypes
from harness.engine.streams import numpy_stream
from harness.engine.training import Training
from harness.engine.trees import as_floating, floating, refloated
from harness.errors import InvalidInput, NotFinite

Block = NDArray[Any]
State = tuple[Array, Any]  # theta, the memory of the rule
KEPT = 2**31  # bytes of trajectory kept in memory; states beyond are computed again


class TrainingProducts:
    """Products with J = d theta_T / d theta_0 of one training run.

    Args:
        training: the map that is differentiated.
        params: theta_0, a tree of arrays of one floating dtype, in which everything is computed.
        memory: bytes of trajectory that may be kept; above it, states are computed again between checkpoints.
        devices: devices that share the columns of a block; by default all devices of this process.

    Attributes:
        size: N, the number of parameters.
        steps: number of optimiser steps.
        kept: whether the whole trajectory is held.
        spent: Hessian-vector products so far.

    Raises:
        InvalidInput: no step, leaves of several dtypes, a rule that cannot be differentiated at a zero gradient, or a Hessian
            product of the network's own that is not its loss's.
        NotFinite: training diverges.
    """

    @with_exact_dtypes
    def __init__(
        self,
        training: Training,
        params: Any,
        *,
        memory: int = KEPT,
        devices: list[Any] | None = None,
    ) -> None:
        kinds = {str(jnp.asarray(leaf).dtype) for leaf in jax.tree.leaves(params)}
        if len(kinds) != 1 or not next(iter(kinds)).startswith("float"):
            raise InvalidInput(f"parameters of dtype {', '.join(sorted(kinds))}: cast all of them to float32 or to float64")
        theta, self._unravel = ravel_pytree(params)
        self.dtype, self.size, self.steps, self.spent = theta.dtype, theta.size, training.steps, 0
        if self.steps < 1:
            raise InvalidInput(
                f"{training.epochs} epochs of {training.steps_an_epoch} batches leave no step: J would be the identity"
            )
        self._devices = devices or jax.local_devices()
        self._mesh = Mesh(np.array(self._devices), ("columns",))
        self._whole = NamedSharding(self._mesh, PartitionSpec())
        batches = as_floating(jax.tree.map(jnp.asarray, training.batches), theta.dtype)
        self._batches = jax.device_put(batches, self._whole)
        rule = _Rule(training, self._unravel)
        start = jax.jit(rule.start)(theta)
        _differentiable(rule, start)
        if training.hessian is not None:
            rule.check_hessian(theta, _batch(batches, 0))
        stride = segment(self.steps)
        self._orders = [np.arange(i, min(i + stride, self.steps)) % training.steps_an_epoch for i in range(0, self.steps, stride)]
        one = jax.eval_shape(rule.replay, start, self._orders[0][:1], batches)[1]
        held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
        self.kept = self.steps * held * len(self._devices) <= memory  # each device has its own copy
        # the same sharding in and out, so that every segment runs one compiled program
        self._replay = jax.jit(rule.replay, out_shardings=self._whole)
        self._push, self._pull, self._begin, self._end = (
            jax.jit(self._sharded(f)) for f in (rule.push, rule.pull, rule.memory.push, rule.memory.pull)
        )
        self._zeros = rule.memory.zeros
        self._train(jax.device_put(start, self._whole))

    def _train(self, state: State) -> None:
        self._theta_0 = state[0]
        checkpoints, self._segments = [], []
        for order in self._orders:
            checkpoints.append(state)
            state, states = self._replay(state, order, self._batches)
            if self.kept:
                self._segments.append(states)
            if not np.isfinite(np.asarray(state[0])).all():
                first = len(checkpoints) * len(self._orders[0])
                raise NotFinite(f"training: a parameter is not finite by step {min(first, self.steps)}; lower the step size")
        self._checkpoints, self._final = checkpoints, state[0]

    def _spread(self, leaf: Array) -> NamedSharding:
        return NamedSharding(self._mesh, PartitionSpec(*(None,) * (leaf.ndim - 1), "columns"))

    def _sharded(self, f: Callable[..., Any]) -> Callable[..., Any]:
        def columns_apart(*arguments: Any) -> Any:
            return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, self._spread(leaf)), f(*arguments))

        return columns_apart

    def _placed(self, tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jax.device_put(leaf, self._spread(leaf)), tree)

    @property
    def final(self) -> Any:
        """theta_T as a tree."""
        return self._unravel(self._final)

    @property
    def theta_T(self) -> Float[Array, " N"]:
        """theta_T as a flat vector, in the order of ``ravel_pytree``."""
        return self._final

    @with_exact_dtypes
    def forward(self, block: Block) -> Block:
        """J V for V of shape (N, columns), float64 out."""
        return self._through(block, self._forward, "J v")

    @with_exact_dtypes
    def adjoint(self, block: Block) -> Block:
        """J^T W for W of shape (N, columns), float64 out."""
        return self._through(block, self._adjoint, "J^T w")

    def _forward(self, block: Block) -> Array:
        tangents = self._begin(self._theta_0, self._placed(block))
        for i, order in enumerate(self._orders):
            tangents = self._push(self._states(i), tangents, order, self._batches)
        return tangents[0]

    def _adjoint(self, block: Block) -> Array:
        adjoints = self._placed((block, self._zeros(self._theta_0, block.shape[-1])))
        for i in reversed(range(len(self._orders))):
            adjoints = self._pull(self._states(i), adjoints, self._orders[i], self._batches)
        return self._end(self._theta_0, adjoints)

    def _states(self, segment: int) -> Any:
        if self.kept:
            return self._segments[segment]
        return self._replay(self._checkpoints[segment], self._orders[segment], self._batches)[1]

    def _through(self, block: Block, product: Callable[[Block], Array], name: str) -> Block:
        if block.ndim != 2 or block.shape[0] != self.size or not block.shape[1]:
            raise InvalidInput(f"{name}: a block of shape {block.shape}; need ({self.size}, columns), one column or more")
        columns = block.shape[1]
        # columns are sharded evenly; the added columns are zero and cost as much as any other
        with np.errstate(over="ignore"):  # an entry too large for float32 is detected in the product
            padded = np.pad(np.asarray(block, self.dtype), ((0, 0), (0, -columns % len(self._devices))))
        found = np.asarray(product(padded), np.float64)[:, :columns]
        self.spent += columns * self.steps
        if not np.isfinite(found).all():
            raise NotFinite(
                f"{name}: column {int(np.argwhere(~np.isfinite(found))[0, 1])} of the product is not finite: the derivative "
                f"overflows {self.dtype!s}, or the loss or the rule has none there (Adam needs eps_root); lower the step size "
                "or use float64"
            )
        return found


def segment(steps: int) -> int:
    """Steps between checkpoints: about the root of all steps, or a divisor near it, so that a single length is compiled."""
    root = math.ceil(math.sqrt(steps))
    return next((stride for stride in range(root, min(steps, 3 * root) + 1) if steps % stride == 0), root)


class _Memory:
    """The rule's memory at the start as a function of theta_0, and its derivative (zero for SGD and Adam, not for every rule)."""

    def __init__(self, initial: Callable[[Array], list[Array]]) -> None:
        self.initial = initial

    def push(self, theta: Array, block: Array) -> tuple[Array, list[Array]]:
        """Tangents of theta_0 and of the memory from those of theta_0, (N, columns)."""
        return block, _columns(lambda v: jax.jvp(self.initial, (theta,), (v,))[1])(block)

    def pull(self, theta: Array, adjoints: tuple[Array, list[Array]]) -> Array:
        """The adjoint of theta_0, (N, columns), from those of theta_0 and of the memory."""
        block, memory = adjoints
        return block + _columns(lambda b: jax.vjp(self.initial, theta)[1](b)[0])(memory) if memory else block

    def zeros(self, theta: Array, columns: int) -> list[Block]:
        return [np.zeros((*leaf.shape, columns), leaf.dtype) for leaf in jax.eval_shape(self.initial, theta)]


class _Rule:
    """One optimiser step on flat parameters and the rule's memory, and its linear parts, scanned over a segment."""

    def __init__(self, training: Training, unravel: Any) -> None:
        self._loss, self._update, self._unravel, self._product = training.loss, training.optimiser, unravel, training.hessian
        self.memory = _Memory(lambda at: floating(self.start(at)[1]))

    def start(self, theta: Array) -> State:
        return theta, self._update.init(self._unravel(theta))

    def gradient(self, theta: Array, batch: Any) -> Array:
        return jax.grad(lambda t: self._loss(self._unravel(t), batch))(theta)

    def rule(self, theta: Array, memory: Any, gradient: Array) -> State:
        """theta', m' from theta, m, g."""
        params = self._unravel(theta)
        change, memory = self._update.update(self._unravel(gradient), memory, params)
        return ravel_pytree(optax.apply_updates(params, change))[0], memory

    def at(self, memory: Any) -> Callable[[Array, list[Array], Array], Any]:
        """The rule at the counters of ``memory``: (theta, m, g) -> (theta', m') with the floating part of m."""

        def advance(theta: Array, floats: list[Array], gradient: Array) -> tuple[Array, list[Array]]:
            after, memory_after = self.rule(theta, refloated(memory, floats), gradient)
            return after, floating(memory_after)

        return advance

    def replay(self, state: State, order: Array, batches: Any) -> tuple[State, Any]:
        """The state after the steps of ``order``, and before each of them: the state, its gradient, what H's products share."""

        def step(state: State, i: Array) -> tuple[State, Any]:
            batch = _batch(batches, i)
            gradient = self.gradient(state[0], batch)
            shared = self._product.linearise(self._unravel(state[0]), batch) if self._product else ()
            return self.rule(*state, gradient), (state, gradient, shared)

        return jax.lax.scan(step, state, order)

    def _hessian(self, theta: Array, batch: Any, shared: Any) -> Callable[[Array], Array]:
        """V -> H V at theta, for V of shape (N, columns)."""
        if self._product is None:
            return columns_last(jax.linearize(lambda t: self.gradient(t, batch), theta)[1])
        params, along = self._unravel(theta), self._product.product
        return _columns(lambda v: ravel_pytree(along(params, batch, shared, self._unravel(v)))[0])

    def check_hessian(self, theta: Array, batch: Any) -> None:
        """Compare the network's own Hessian product along one random vector with the derivative of the gradient.

        Raises:
            InvalidInput: they differ.
        """
        own = self._product
        assert own is not None
        along = jnp.asarray(numpy_stream(0, "hessian-check").standard_normal((theta.size, 1)), theta.dtype)

        def both(theta: Array, batch: Any, along: Array) -> tuple[Array, Array]:
            shared = own.linearise(self._unravel(theta), batch)
            expected = jax.jvp(lambda t: self.gradient(t, batch), (theta,), (along[:, 0],))[1]
            return self._hessian(theta, batch, shared)(along)[:, 0], expected

        found, expected = (np.asarray(each, np.float64) for each in jax.jit(both)(theta, batch, along))
        off, allowed = np.linalg.norm(found - expected) / np.linalg.norm(expected), np.finfo(theta.dtype).eps ** 0.5
        if not off <= allowed:
            raise InvalidInput(
                f"the network's own Hessian product is off by {off:.2g} of its length from the derivative of its gradient, "
                f"where rounding allows {allowed:.2g}: check HessianProduct(linearise, product), or give hessian=None"
            )

    def push(self, states: Any, tangents: Any, order: Array, batches: Any) -> Any:
        """Tangents of (theta, m) from the segment's start to its end."""

        def step(tangents: Any, at: Any) -> tuple[Any, None]:
            ((theta, memory), gradient, shared), i = at
            dtheta, dfloats = tangents
            dgradient = self._hessian(theta, _batch(batches, i), shared)(dtheta)
            _, rule = jax.linearize(self.at(memory), theta, floating(memory), gradient)
            return columns_last(rule)(dtheta, dfloats, dgradient), None

        return jax.lax.scan(step, tangents, (states, order))[0]

    def pull(self, states: Any, adjoints: Any, order: Array, batches: Any) -> Any:
        """Adjoints of (theta, m) from the segment's end to its start."""

        def step(adjoints: Any, at: Any) -> tuple[Any, None]:
            ((theta, memory), gradient, shared), i = at
            _, back = jax.vjp(self.at(memory), theta, floating(memory), gradient)
            a_theta, a_floats, a_gradient = columns_last(lambda *a: back(a))(*adjoints)
            return (a_theta + self._hessian(theta, _batch(batches, i), shared)(a_gradient), a_floats), None

        return jax.lax.scan(step, adjoints, (states, order), reverse=True)[0]


def _batch(batches: Any, i: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[i], batches)


def _columns(f: Callable[..., Any]) -> Callable[..., Any]:
    return jax.vmap(f, in_axes=-1, out_axes=-1)


def _differentiable(rule: _Rule, start: State) -> None:
    """Refuse a rule without a derivative at a point that training can reach: a parameter whose gradient was always zero."""
    theta, memory = start
    zeros, ones = np.zeros(theta.shape, theta.dtype), np.ones(theta.shape, theta.dtype)
    point = (theta, floating(memory), zeros)
    along = (zeros, [np.zeros(leaf.shape, leaf.dtype) for leaf in point[1]], ones)
    moved = jax.jit(lambda point, along: jax.jvp(rule.at(memory), point, along)[1][0])(point, along)
    if not np.isfinite(np.asarray(moved)).all():
        raise InvalidInput(
            "the update rule has no derivative at a zero gradient, which every dead unit has: Adam divides by the square root of "
            "its second moment, whose slope at 0 is infinite; set eps_root, as in optax.adam(0.01, eps_root=1e-8)"
        )
