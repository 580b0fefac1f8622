"""A run of LeNet-5: trains, spends its budget on products with J, and keeps every step of the products."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from harness.engine import counting, matrix_free
from harness.engine.directions import Directions, Unresolved, bulk_and_complement, bulk_sample, contrast_of_layers, extreme
from harness.engine.losses import cross_entropy, supervised
from harness.engine.precision import with_exact_dtypes
from harness.engine.products import TrainingProducts
from harness.engine.streams import numpy_stream
from harness.engine.training import HessianProduct, Training
from harness.engine.trees import cast, flatten
from harness.errors import EmptyOutcome, InvalidInput, NotRun
from harness.measure.influence import divergences
from harness.measure.response import train_from
from harness.runs import provenance
from harness.runs import run as runs
from harness.runs.store import digest
from harness.suite.verdict import CONFIDENCE

from ... import images
from ..experiments import EXAMPLES
from . import hessian, network
from .experiments import LeNetExperiment

CODE = (matrix_free, TrainingProducts, network, hessian, images)
HESSIAN = HessianProduct(hessian.linearise, hessian.product)
DELTA = 0.1
MINUTES = 20.0  # the default budget
HELD_OUT = {"mnist": 1_000, "digits": 200}  # the last images of either data set, on which predictions are compared
ENDS = 8  # number of chaotic and of stable directions
STIMULI = (0.1, 1.0)
# Block steps of two probes that gave the share within 0.1 to five points either side after 240 training steps (docs/large.md)
RESOLVING = 400
# The full horizon has 94 times the default's steps: with fewer minutes the run would not get beyond the first probes.
FULL_MINUTES = 600


@dataclass(frozen=True, eq=False)
class Samples:
    """Random vectors ``inside`` a bulk and ``outside`` it, as columns (N, width), found after ``steps`` block steps."""

    inside: Any
    outside: Any
    steps: int


class Run(runs.Run):
    """A run of a :class:`.experiments.LeNetExperiment`."""

    experiment: LeNetExperiment

    def prepare(self) -> None:
        """Spend the budget. Claims report what cannot be run; they also find the directions, which counts do not need."""
        with suppress(NotRun, EmptyOutcome, InvalidInput):
            self.compared if self.experiment.against else self.spaces  # noqa: B018

    @property
    def _minutes(self) -> float:
        return float(self.lab.options.get("budget", MINUTES)) * self.experiment.part

    @property
    def missing(self) -> str:
        if self._mnist is None and self.experiment.images > EXAMPLES - HELD_OUT["digits"]:
            return f"it trains on {self.experiment.images:,} of MNIST's images: give their folder with --claims-mnist DIR or MNIST_DIR"
        if self.experiment.images < images.TEST_IMAGES:
            return ""
        if provenance.backend().startswith("cpu") and self._minutes < FULL_MINUTES:
            need = FULL_MINUTES / self.experiment.part
            return f"its {self.steps:,} steps take hours on two cores (docs/large.md): give --claims-budget {need:.0f} or more"
        return ""

    @property
    def _mnist(self) -> Any:
        """The place of MNIST, None if there is none."""
        return self.lab.options.get("mnist")

    def _read(self, number: int) -> images.Images:
        """The first images of MNIST if the user has it, else all digits of scikit-learn."""
        return images.digits() if self._mnist is None else images.load_mnist(self._mnist, number)

    @cached_property
    def images(self) -> images.Images:
        """The training images: MNIST if the user has it, else the digits of scikit-learn, scaled to 28 x 28 pixels."""
        e, count = self.experiment, self.experiment.images
        whole = self._read(count)
        origin = whole.origin if len(whole.labels) == count else f"{count:,} of {whole.origin}"
        if whole.pixels.shape[1] != network.SIDE:
            origin += ", scaled to 28 x 28 pixels"
        pixels = network.scaled(whole.pixels[:count])
        labels = whole.labels[:count]
        if e.inputs == "white-noise":
            pixels = numpy_stream(e.noise_seed, "lenet-noise").uniform(size=pixels.shape).astype(np.float32)
            origin = f"white noise in the place of {origin}"
        if e.labels == "shuffled":
            labels = numpy_stream(e.noise_seed, "lenet-labels").permutation(labels)
            origin += ", labels shuffled"
        return images.Images(pixels, labels, whole.classes, origin)

    @property
    def held_out(self) -> Any:
        """The last images of the data set, which no horizon trains on; the full size trains on all images, these too."""
        kept = HELD_OUT["digits" if self._mnist is None else "mnist"]
        return network.scaled(self._read(max(self.experiment.images, images.TEST_IMAGES)).pixels[-kept:])

    @property
    def origin(self) -> str:
        """Data and horizon in words, for the report, which must say that a run is smaller than the paper's."""
        return f"{self.images.origin}; {self.steps} steps of {self.experiment.batch} images, where the paper takes 2,811 or so"

    @property
    def steps(self) -> int:
        return self.experiment.epochs * (self.experiment.images // self.experiment.batch)

    @property
    def size(self) -> int:
        """N = 61,706."""
        return network.SIZE

    @cached_property
    @with_exact_dtypes
    def theta_0(self) -> Any:
        """Initial parameters, a tree in the experiment's precision."""
        return cast(network.init(self.experiment.seed), self.experiment.precision)

    @cached_property
    def products(self) -> TrainingProducts:
        """Products with J. Training runs here, and only if a product is still to be computed."""
        with self.lab.progress.stage(f"{self.label}: training"):
            return TrainingProducts(self.training, self.theta_0)

    @cached_property
    @with_exact_dtypes
    def training(self) -> Training:
        """f: theta_0 -> theta_T."""
        e, held = self.experiment, self.images
        used = len(held.labels) // e.batch * e.batch
        x = jnp.asarray(held.pixels[:used], e.precision).reshape(-1, e.batch, *held.pixels.shape[1:])
        y = jnp.asarray(held.labels[:used]).reshape(-1, e.batch)
        rule = optax.adam(optax.cosine_decay_schedule(e.step_size, self.steps), eps_root=e.eps_root)
        return Training(supervised(network.apply, cross_entropy), rule, (x, y), e.epochs, HESSIAN)

    @cached_property
    def spaces(self) -> matrix_free.Spaces:
        """The results of the budget, from this session and earlier sessions.

        Raises:
            NotRun: the data or the time for the full size is missing.
            InvalidInput: the budget does not reach for the least steps.
        """
        if self.missing:
            raise NotRun(self.missing)
        width, seed = self.experiment.width, self.experiment.seed
        with self._spending(_counted) as (seconds, report):
            spaces = matrix_free.count(
                LazyProducts(self),
                self.size,
                seconds,
                confidence=CONFIDENCE,
                width=width,
                seed=seed,
                keep=self._keep,
                report=report,
            )
        self.record("products", {"gram": spaces.gram.tridiagonal(), "displacement": spaces.displacement.tridiagonal()})
        return spaces

    @cached_property
    def parts(self) -> Samples:
        """Samples of the bulk and of its complement, made as soon as the finished steps resolve the bulk.

        A larger budget does not change them, so that results that depend on them continue.

        Raises:
            NotRun: the budget has not resolved the bulk.
        """
        modules, key = (*CODE, Directions), {"data": self.images.digest}
        if not self.held("lenet-parts", modules=modules, **key):
            self.spaces  # noqa: B018 - not while the store waits for the samples

        def compute() -> Samples:
            inside, outside = _resolved(bulk_and_complement, self.spaces.gram)
            return Samples(inside, outside, self.spaces.gram.depth)

        return self.result("lenet-parts", Samples, compute, modules=modules, **key)

    @property
    def contrast_of_layers(self) -> float:
        """Contrast with another seed's bulk if both shared only how much of each kernel and bias lies in them."""
        sizes = [leaf.size for leaf in jax.tree.leaves(self.theta_0)]
        return contrast_of_layers(self.parts.inside, self.parts.outside, sizes, self.spaces.counts[DELTA].inside.estimate)

    @cached_property
    def compared(self) -> matrix_free.Compared:
        """Overlap of this run's bulk with the bulk of :attr:`LeNetExperiment.against`, for this run's part of the budget.

        Raises:
            NotRun: the other run's budget has not resolved its bulk.
            InvalidInput: the budget does not reach for the least steps.
        """
        against = self.lab.run(self.experiment.against)
        parts, sampled = against.parts, against.spaces.counts[DELTA].inside.estimate
        keep = functools.partial(self._keep, parts=digest(vars(parts)))
        with self._spending(_contrasted) as (seconds, report):
            compared = matrix_free.compare_bulks(
                LazyProducts(self),
                parts.inside,
                parts.outside,
                DELTA,
                seconds,
                sampled=sampled,
                confidence=CONFIDENCE,
                keep=keep,
                report=report,
            )
        self.record("compared", {name: getattr(compared, name).tridiagonal() for name in ("inside", "outside")})
        return compared

    @contextmanager
    def _spending(self, describe: Callable[[Any], str]) -> Iterator[tuple[float, Callable[[Any, float], None]]]:
        """Seconds of this run's part of the budget, and a function that shows the present estimate while they are spent."""
        started, seconds = time.perf_counter(), 60 * self._minutes
        with self.lab.progress.stage(f"{self.label}: products with J") as stage:
            noted, begun = 0.0, -1

            def report(known: Any, left: float) -> None:
                nonlocal noted, begun
                stage.left(left)
                if begun < 0:
                    begun = _steps(known)
                    stage.note(describe(known))
                elif seconds - left >= noted and (done := _steps(known)) > begun:
                    each = (time.perf_counter() - started) / (done - begun)
                    stage.note(f"{describe(known)}; one in {each:.2g} s, {left / each:.0f} more fit")
                    noted = 1.2 * (seconds - left)  # an estimate takes longer and longer as the Krylov space grows

            try:
                yield seconds, report
            finally:
                self.seconds["products"] = time.perf_counter() - started
                self.__dict__.pop("products", None)  # the trajectory takes a gigabyte or more, and is computed again in seconds

    def _keep(self, name: str, **key: Any) -> Any:
        return self.lab.store.blocks(f"lenet-{name}", self._key({"data": self.images.digest, **key}), CODE)

    @cached_property
    def chaotic(self) -> Directions:
        """The directions that training magnifies most, from :attr:`spaces`, each with its image and residual."""
        return self._directions("chaotic", lambda products: extreme(self.spaces.gram, products, ENDS, largest=True))

    @cached_property
    def stable(self) -> Directions:
        """The directions that training shrinks most."""
        return self._directions("stable", lambda products: extreme(self.spaces.gram, products, ENDS, largest=False))

    @cached_property
    def bulk(self) -> Directions:
        """Random vectors of the bulk."""
        return self._directions("bulk", lambda products: _resolved(bulk_sample, self.spaces.gram, products))

    @property
    def directions(self) -> dict[str, Directions]:
        """All kinds by name."""
        return {"chaotic": self.chaotic, "stable": self.stable, "bulk": self.bulk}

    def _directions(self, kind: str, find: Callable[[Any], Directions]) -> Directions:
        def compute() -> Directions:
            with self.lab.progress.stage(f"{self.label}: {kind} directions"):
                return find(LazyProducts(self))

        return self.result(f"lenet-{kind}", Directions, compute, modules=(*CODE, Directions), **self._known)

    @property
    def _known(self) -> dict[str, Any]:
        """The dependencies of directions and their measurements: the data, and the size of the Krylov space."""
        return {"data": self.images.digest, "steps": self.spaces.gram.depth}

    @cached_property
    def responses(self) -> dict[str, Any]:
        """|f(theta_0 + lambda v) - f(theta_0) - lambda J v| / |lambda J v| by kind of direction, (stimuli, directions)."""

        def compute() -> dict[str, Any]:
            start, theta_T = flatten(self.theta_0).astype(np.float64), np.asarray(self.products.theta_T, np.float64)
            out = {}
            for name, held in self.directions.items():
                moved = np.array(STIMULI)[:, None, None] * held.initial.T
                label = f"{self.label}: trainings along {name} directions"
                finals = train_from(
                    self.training,
                    (start + moved).reshape(-1, self.size),
                    self.theta_0,
                    self.experiment.precision,
                    self.lab.progress,
                    label,
                )
                linear = np.array(STIMULI)[:, None, None] * held.images.T
                off = (finals - theta_T).reshape(linear.shape) - linear
                out[name] = np.linalg.norm(off, axis=-1) / np.linalg.norm(linear, axis=-1)
            return out

        return dict(self.arrays("lenet-responses", compute, modules=(*CODE, Directions, train_from), **self._known))

    @cached_property
    def influence(self) -> dict[str, Any]:
        """KL of the predictions on held-out images after a unit step along J v / |J v|, by kind of direction, in nats."""

        def compute() -> dict[str, Any]:
            final, inputs = self.products.final, {"test": self.held_out}
            out = {}
            for name, held in self.directions.items():
                label = f"{self.label}: predictions along {name} directions"
                found = divergences(
                    network.apply, final, held.final.astype(self.experiment.precision), inputs, self.lab.progress, label
                )
                out[name] = found.mean["test"]
            return out

        return dict(self.arrays("lenet-influence", compute, modules=(*CODE, Directions, divergences), **self._known))


class LazyProducts:
    """The run's products, made at the first request: a run that only reads finished steps never trains."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def forward(self, block: Any) -> Any:
        return self._run.products.forward(block)

    def adjoint(self, block: Any) -> Any:
        return self._run.products.adjoint(block)


def _resolved(sample: Callable[..., Any], space: Any, *rest: Any) -> Any:
    """A sample of the bulk.

    Raises:
        NotRun: too few steps were done for a sample.
        EmptyOutcome: there is no bulk.
    """
    try:
        return sample(space, *rest, DELTA)
    except Unresolved as error:
        raise NotRun(f"{error}: give a larger --claims-budget") from error
    except InvalidInput as error:
        raise EmptyOutcome(str(error)) from error


def _steps(known: matrix_free.Spaces | matrix_free.Compared) -> int:
    """Block steps done, of the method that judges."""
    return known.gram.depth if isinstance(known, matrix_free.Spaces) else min(known.inside.depth, known.outside.depth)


def _counted(spaces: matrix_free.Spaces) -> str:
    if not _steps(spaces):
        return f"{RESOLVING} block steps gave the share within {DELTA} to five points either side, after 240 training steps on images"
    found = counting.within(spaces.gram, DELTA, confidence=CONFIDENCE)
    return f"|sigma - 1| < {DELTA}: {found} after {_steps(spaces)} block steps of {spaces.gram.width}"


def _contrasted(compared: matrix_free.Compared) -> str:
    if not _steps(compared):
        return ""
    return f"more of the bulk than of the rest lies in this bulk by {compared.contrast} after {_steps(compared)} block steps each"
