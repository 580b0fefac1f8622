"""A run of LeNet-5: trains, spends its budget on products with J, and keeps every step of them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from claims.lenet.experiments import LeNetExperiment
from harness import counting, large, lenet, mnist, provenance, train
from harness.artefacts import Run
from harness.directions import Directions, Unresolved, bulk_sample, contrast_of_layers, extreme, parted
from harness.errors import InvalidInput, NotRun
from harness.keys import numpy_stream
from harness.measure.influence import divergences
from harness.measure.response import train_from
from harness.model import flatten
from harness.products import TrainingProducts
from harness.store import digest

CODE = (large, TrainingProducts, lenet, mnist, train)
DELTA = 0.1
DIGITS = 1797  # what scikit-learn has
HELD_OUT = 200  # images beyond those trained on, for which predictions are compared
ENDS = 8  # chaotic and stable directions, each
STIMULI = (0.1, 1.0)
# The full horizon has 94 times the steps of the default: below this many minutes it would not get beyond the first probes.
FULL_MINUTES = 600


class LeNetRun(Run):
    """A run of a :class:`claims.lenet.experiments.LeNetExperiment`."""

    experiment: LeNetExperiment

    def prepare(self) -> None:
        """Spend the budget. What cannot be run is left to its claims to say, and so are directions: without any, counts stand."""
        if self.experiment.against:
            with suppress(NotRun):
                self.compared  # noqa: B018
        elif not self._missing:
            self.spaces  # noqa: B018

    @property
    def _minutes(self) -> float:
        return float(getattr(self.lab, "budget", large.MINUTES)) * self.experiment.part

    @property
    def _missing(self) -> str:
        if self.experiment.images < mnist.TEST_IMAGES:
            return ""
        if self.lab.mnist is None:
            return f"it trains on {self.experiment.images:,} of MNIST's images: give their folder with --claims-mnist DIR or MNIST_DIR"
        if provenance.backend().startswith("cpu") and self._minutes < FULL_MINUTES:
            need = FULL_MINUTES / self.experiment.part
            return f"its {self.steps:,} steps take hours on two cores (docs/large.md): give --claims-budget {need:.0f} or more"
        return ""

    @property
    def _count(self) -> int:
        """How many images are trained on: of scikit-learn's digits, some are held out."""
        return self.experiment.images if self.lab.mnist is not None else min(self.experiment.images, DIGITS - HELD_OUT)

    def _read(self, number: int) -> mnist.Images:
        """The first images of MNIST where there is one, else all digits of scikit-learn."""
        return mnist.digits() if self.lab.mnist is None else mnist.load_mnist(self.lab.mnist, number)

    @cached_property
    def images(self) -> mnist.Images:
        """What is trained on: MNIST where there is one, else the digits of scikit-learn, brought to 28 x 28 pixels."""
        e, count, whole = self.experiment, self._count, self._read(self._count)
        origin = whole.origin if len(whole.labels) == count else f"{count:,} of {whole.origin}"
        if whole.pixels.shape[1] != lenet.SIDE:
            origin += ", scaled to 28 x 28 pixels"
        pixels = lenet.scaled(whole.pixels[:count])
        if e.inputs == "white-noise":
            pixels = numpy_stream(e.noise_seed, "lenet-noise").uniform(size=pixels.shape).astype(np.float32)
            origin = f"white noise in the place of {origin}"
        return mnist.Images(pixels, whole.labels[:count], whole.classes, origin)

    @property
    def held_out(self) -> Any:
        """Images of the same kind that were not trained on (of the full set: its last ones, which were)."""
        more = self._count + HELD_OUT
        full = self.lab.mnist is not None and more > mnist.TEST_IMAGES
        return lenet.scaled(self._read(self._count if full else more).pixels[:more][-HELD_OUT:])

    @property
    def origin(self) -> str:
        """Data and horizon in words, for the report: a smaller run than the paper's must say so."""
        return f"{self.images.origin}; {self.steps} steps of {self.experiment.batch} images, where the paper takes 2,811 or so"

    @property
    def steps(self) -> int:
        return self.experiment.epochs * (self._count // self.experiment.batch)

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
        with self.lab.progress.stage(f"{self.label}: training"):
            return TrainingProducts(_loss, self._update, x, y, e.epochs, self.theta_0)

    @property
    def _update(self) -> optax.GradientTransformation:
        return optax.adam(optax.cosine_decay_schedule(self.experiment.step_size, self.steps), eps_root=self.experiment.eps_root)

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
            NotRun: the full size, without the data or the time for it.
            InvalidInput: the budget does not reach for the least steps.
        """
        if self._missing:
            raise NotRun(self._missing)
        width, seed = self.experiment.width, self.experiment.seed
        with self._spending(_counted) as (seconds, tell):
            spaces = large.count(_Late(self), self.size, seconds, width=width, seed=seed, keep=self._keep, tell=tell)
        self.record("products", {"gram": spaces.gram.tridiagonal(), "displacement": spaces.displacement.tridiagonal()})
        return spaces

    @cached_property
    def parts(self) -> dict[str, Any]:
        """Samples ``inside`` the bulk and ``outside`` (N, width), from so many ``steps``, made as soon as these resolve the bulk.

        A larger budget leaves them as they are, so that what rests on them goes on.

        Raises:
            NotRun: the budget has not resolved the bulk.
        """
        modules, key = (*CODE, Directions), {"data": self.images.digest}
        if not self.held("lenet-parts", modules=modules, **key):
            self.spaces  # noqa: B018 - not while the store waits for the samples

        def compute() -> dict[str, Any]:
            inside, outside = _resolved(parted, self.spaces.gram)
            return {"inside": inside, "outside": outside, "steps": np.asarray(self.spaces.gram.depth)}

        return dict(self.arrays("lenet-parts", compute, modules=modules, **key))

    @property
    def contrast_of_layers(self) -> float:
        """Contrast with another seed's bulk if they shared only how much of each kernel and bias lies in them."""
        sizes = [leaf.size for leaf in jax.tree.leaves(self.theta_0)]
        return contrast_of_layers(self.parts["inside"], self.parts["outside"], sizes, self.spaces.counts[DELTA].inside.estimate)

    @cached_property
    def compared(self) -> large.Compared:
        """What this run's bulk has in common with that of :attr:`LeNetExperiment.against`, for this run's part of the budget.

        Raises:
            NotRun: the other run's budget has not resolved its bulk.
            InvalidInput: the budget does not reach for the least steps.
        """
        parts = self.lab.run(self.experiment.against).parts
        keep = functools.partial(self._keep, parts=digest(parts))
        with self._spending(_contrasted) as (seconds, tell):
            compared = large.compare(_Late(self), parts["inside"], parts["outside"], DELTA, seconds, keep=keep, tell=tell)
        self.record("compared", {name: getattr(compared, name).tridiagonal() for name in ("inside", "outside")})
        return compared

    @contextmanager
    def _spending(self, describe: Callable[[Any], str]) -> Iterator[tuple[float, Callable[[Any, float], None]]]:
        """Seconds of this run's part of the budget, and what tells the present estimate while they are spent."""
        started, seconds = time.perf_counter(), 60 * self._minutes
        with self.lab.progress.stage(f"{self.label}: products with J") as stage:

            def tell(known: Any, left: float) -> None:
                stage.left(left)
                stage.note(describe(known))

            yield seconds, tell
        self.seconds["products"] = time.perf_counter() - started

    def _keep(self, name: str, **key: Any) -> Any:
        return self.lab.store.blocks(f"lenet-{name}", self._key({"data": self.images.digest, **key}), CODE)

    @cached_property
    def chaotic(self) -> Directions:
        """The directions that training magnifies most, out of :attr:`spaces`, each with its image and residual."""
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
        def compute() -> dict[str, Any]:
            with self.lab.progress.stage(f"{self.label}: {kind} directions"):
                found = find(_Late(self))
            return {part.name: getattr(found, part.name) for part in fields(Directions)}

        return Directions(**self.arrays(f"lenet-{kind}", compute, modules=(*CODE, Directions), **self._known))

    @property
    def _known(self) -> dict[str, Any]:
        """What directions and what is measured on them depend on: the data, and how far the Krylov space has grown."""
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
                    self._map, (start + moved).reshape(-1, self.size), self.theta_0, self.experiment.precision, self.lab.progress, label
                )
                linear = np.array(STIMULI)[:, None, None] * held.images.T
                off = (finals - theta_T).reshape(linear.shape) - linear
                out[name] = np.linalg.norm(off, axis=-1) / np.linalg.norm(linear, axis=-1)
            return out

        return dict(self.arrays("lenet-responses", compute, modules=(*CODE, Directions, train_from), **self._known))

    @property
    def _map(self) -> Any:
        e, (x, y) = self.experiment, self._batches
        return train.training_map(lenet.apply, train.cross_entropy, self._update, x, y, e.epochs)

    @cached_property
    def influence(self) -> dict[str, Any]:
        """KL of the predictions on held-out images after a unit step along J v / |J v|, by kind of direction, in nats."""

        def compute() -> dict[str, Any]:
            final, inputs = self.products.final, {"test": self.held_out}
            out = {}
            for name, held in self.directions.items():
                label = f"{self.label}: predictions along {name} directions"
                found = divergences(lenet.apply, final, held.final.astype(self.experiment.precision), inputs, self.lab.progress, label)
                out[name] = found["test_mean"]
            return out

        return dict(self.arrays("lenet-influence", compute, modules=(*CODE, Directions, divergences), **self._known))


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


def _resolved(sample: Callable[..., Any], space: Any, *rest: Any) -> Any:
    """A sample of the bulk.

    Raises:
        NotRun: too few steps were done for one, or there is none.
    """
    try:
        return sample(space, *rest, DELTA)
    except Unresolved as error:
        raise NotRun(f"{error}: give a larger --claims-budget") from error
    except InvalidInput as error:
        raise NotRun(str(error)) from error


def _counted(spaces: large.Spaces) -> str:
    krylov = spaces.gram
    if not krylov.depth:
        return ""
    return f"|sigma - 1| < {DELTA}: {counting.within(krylov, DELTA)} after {krylov.depth} steps of {krylov.width} probes"


def _contrasted(compared: large.Compared) -> str:
    steps = min(compared.inside.depth, compared.outside.depth)
    return f"more of the bulk than of the rest lies in this bulk by {compared.contrast} after {steps} steps each" if steps else ""
