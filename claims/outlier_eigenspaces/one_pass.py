"""One-pass SGD: every step takes one fresh example and step size delta = O(1/d); all trajectories of a set-up run as one batch.

Both models see x only through s = A x, where A holds the rows of the first layer. So a model is its ``head`` L(s, last, y):

    softmax regression   L = log sum_b exp(s_b) - s_y,           A = (x^1, ..., x^k), no last layer
    two-layer ReLU       L = log(1 + e^f) - y f, f = v . g(s),   A = W, last layer v

and theta <- theta - delta (grad L + beta theta). Source: Ben Arous, Gheissari, Huang & Jagannath, ICLR 2024; arXiv 2206.04030.

NumPy draws examples in threads while JAX takes the steps, since drawing is most of the work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from harness.engine.streams import numpy_stream

from .mixtures import Examples, Mixture

T = TypeVar("T")
Head = Callable[[Any, Any, Any], Any]
# Steps between two stops. Each chunk's examples have a stream of their own, so that they can be drawn again.
CHUNK = 25


class Params(NamedTuple):
    """First layer (rows, dimension), and last layer (rows,) or, for softmax regression, (0,)."""

    rows: Any
    last: Any


def softmax_regression(s: Float[Array, " classes"], last: Any, y: Any) -> Any:
    """Cross-entropy of the logits s, in nats; there is no last layer."""
    return jax.nn.logsumexp(s) - jnp.sum(jnp.where(jnp.arange(len(s)) == y, s, 0))


def two_layer_relu(s: Float[Array, " neurons"], last: Float[Array, " neurons"], y: Any) -> Any:
    """Logistic loss of f = last . relu(s) at the label y in {0, 1}, in nats."""
    f = last @ jax.nn.relu(s)
    return jax.nn.softplus(f) - y * f


HEADS: dict[str, Head] = {"gaussians": softmax_regression, "xor": two_layer_relu}


def loss(head: Head) -> Callable[[Params, Any, Any], Any]:
    """(params, x, y) -> the loss of one example, without the ridge."""
    return lambda params, x, y: head(params.rows @ x, params.last, y)


def one_pass(head: Head) -> Callable[[Params, Any, Any, Any, Any], Params]:
    """(params, x (steps, dimension), y (steps,), delta, beta) -> params after one step an example; pure, one trajectory."""
    gradient = jax.grad(loss(head))

    def run(params: Params, x: Any, y: Any, step_size: Any, ridge: Any) -> Params:
        def step(held: Params, example: Any) -> tuple[Params, None]:
            slope = gradient(held, *example)
            return jax.tree.map(lambda theta, g: theta - step_size * (g + ridge * theta), held, slope), None

        return jax.lax.scan(step, params, (x, y))[0]

    return run


def initial(seed: int, trajectories: int, rows: int, dimension: int, *, last: bool) -> Params:
    """theta_0 of every trajectory in float64: rows N(0, I / d), last layer N(0, 1); a leading axis of trajectories."""
    first = numpy_stream(seed, "first layer").normal(size=(trajectories, rows, dimension)) / np.sqrt(dimension)
    return Params(first, numpy_stream(seed, "last layer").normal(size=(trajectories, rows if last else 0)))


class Stream(NamedTuple):
    """The examples of a batch of trajectories, chunk by chunk; repeated requests give the same examples."""

    mixture: Mixture
    snr: float
    precision: str
    seed: int
    name: str
    trajectories: int

    def chunk(self, index: int, steps: int = CHUNK) -> Examples:
        """x (steps, trajectories, dimension) and y (steps, trajectories) of one chunk."""
        random = numpy_stream(self.seed, f"{self.name}/{index}")
        return self.mixture.draw(random, (steps, self.trajectories), self.snr, self.precision)

    def chunks(self, first: int, last: int) -> Iterator[Examples]:
        """Chunks first to last - 1, drawn ahead by one thread a host device."""
        return ahead(self.chunk, range(first, last), jax.local_device_count())


def ahead(function: Callable[[int], T], items: Iterable[int], workers: int) -> Iterator[T]:
    """``function`` of each item in order. Threads compute it while the caller uses earlier results; at most a few are held."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Any] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
