"""A run of LeNet-5: trains, spends its budget on products with J, and keeps every step of them."""

from __future__ import annotations

import functools
import time
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from claims.lenet.experiments import LeNetExperiment
from harness import counting, large, lenet, mnist, train
from harness.artefacts import Run
from harness.errors import InvalidInput
from harness.keys import numpy_stream
from harness.measure import influence
from harness.products import TrainingProducts

CODE = ("harness.products", "harness.krylov", "harness.randomised", "harness.lenet", "harness.mnist", "harness.train")
HELD_OUT = 200  # images, beyond those trained on where there are any, on which predictions are compared
DELTA = 0.1


class LeNetRun(Run):
    """A run of a :class:`claims.lenet.experiments.LeNetExperiment`."""

    experiment: LeNetExperiment

    def prepare(self) -> None:
        """Spend the budget; on white noise as well, since every claim is controlled there."""
        self.spaces  # noqa: B018
        if self.experiment.inputs == "images":
            self.sibling("lenet-5-white-noise").prepare()

    @cached_property
    def images(self) -> mnist.Images:
        """What is trained on: MNIST where there is one, else the digits of scikit-learn, brought to 28 x 28 pixels."""
        e = self.experiment
        if self.lab.mnist is None:
            whole = mnist.digits()
            count, origin = min(e.images, len(whole.pixels)), f"{whole.origin}, scaled to 28 x 28 pixels"
        else:
            whole = mnist.load_mnist(self.lab.mnist, e.images)
            count, origin = e.images, whole.origin
        pixels = lenet.scaled(whole.pixels[:count])
        if e.inputs == "white-noise":
            pixels = numpy_stream(e.noise_seed, "lenet-noise").uniform(size=pixels.shape).astype(np.float32)
            origin = f"white noise in the place of {origin}"
        return mnist.Images(pixels, whole.labels[:count], whole.classes, origin)

    @property
    def origin(self) -> str:
        """Data and horizon in words, for the report: a smaller run than the paper's must say so."""
        return f"{self.images.origin}; {self.steps} steps of {self.experiment.batch} images, where the paper takes 2,811 or so"

    @property
    def steps(self) -> int:
        return self.experiment.epochs * (len(self.images.labels) // self.experiment.batch)

    @property
    def size(self) -> int:
        """N = 61,706."""
        return lenet.SIZE

    @cached_property
    def theta_0(self) -> Any:
        """Initial parameters, a tree in the experiment's precision."""
        return train.cast(lenet.init(self.experiment.seed), self.experiment.precision)

    @cached_property
    def products(self) -> TrainingProducts:
        """Products with J. Training is done here, and only where a product is still to be computed."""
        e, (x, y) = self.experiment, self._batches
        update = optax.adam(optax.cosine_decay_schedule(e.step_size, self.steps), eps_root=e.eps_root)
        with jax.default_matmul_precision("highest"), self.lab.progress.stage(f"{self.label}: training"):
            return TrainingProducts(_loss, update, x, y, e.epochs, self.theta_0)

    @property
    def _batches(self) -> tuple[Any, Any]:
        e, images = self.experiment, self.images
        used = len(images.labels) // e.batch * e.batch
        x = jnp.asarray(images.pixels[:used], e.precision).reshape(-1, e.batch, *images.pixels.shape[1:])
        return x, jnp.asarray(images.labels[:used]).reshape(-1, e.batch)

    @cached_property
    def spaces(self) -> large.Spaces:
        """What the budget has bought, in this session and in earlier ones.

        Raises:
            InvalidInput: the budget does not reach for the least steps.
        """
        started, seconds = time.perf_counter(), 60 * getattr(self.lab, "budget", large.MINUTES) * self.experiment.part
        with self.lab.progress.stage(f"{self.label}: products with J", seconds) as stage, jax.default_matmul_precision("highest"):
            tell = functools.partial(_tell, stage, [seconds])
            width, seed = self.experiment.width, self.experiment.seed
            spaces = large.count(_Late(self), self.size, seconds, width=width, seed=seed, keep=self._keep, tell=tell)
        self.seconds["products"] = time.perf_counter() - started
        self.record("products", {"gram": spaces.gram.tridiagonal(), "displacement": spaces.displacement.tridiagonal()})
        return spaces

    def _keep(self, name: str) -> Any:
        key = {"experiment": self.experiment.fingerprint(), "data": self.images.digest}
        return self.lab.store.blocks(f"lenet-{name}", key, CODE)


class _Late:
    """The run's products, made when the first one is asked for: a run that only reads finished steps never trains."""

    def __init__(self, run: LeNetRun) -> None:
        self._run = run

    def forward(self, block: Any) -> Any:
        return self._run.products.forward(block)

    def adjoint(self, block: Any) -> Any:
        return self._run.products.adjoint(block)


def _loss(params: Any, x: Any, y: Any) -> Any:
    return train.cross_entropy(lenet.apply(params, x), y)


def _tell(stage: Any, last: list[float], spaces: large.Spaces, left: float) -> None:
    """Show the present estimate with its interval."""
    stage.advance(last[0] - left)
    last[0] = left
    if spaces.gram.depth:
        found = counting.share(spaces.gram, (1 - DELTA) ** 2, (1 + DELTA) ** 2)
        stage.note(f"|sigma - 1| < {DELTA}: {found} after {spaces.gram.depth} steps of {spaces.gram.width} probes")
