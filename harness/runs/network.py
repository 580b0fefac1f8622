"""A user's network with its data and its training; every measurement follows from these."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import optimize

from harness.engine.losses import squared_error
from harness.engine.precision import exact_dtypes, with_exact_dtypes
from harness.engine.streams import numpy_stream, stream
from harness.engine.trees import cast
from harness.errors import InvalidInput
from harness.progress import Progress
from harness.runs import checks, examples, modules, programs
from harness.runs.examples import Batch
from harness.runs.experiment import PRECISIONS, require_one_of
from harness.runs.lab import Lab
from harness.runs.network_experiment import NetworkExperiment
from harness.runs.shown import Shown
from harness.runs.shown_training import ShownTraining

if TYPE_CHECKING:
    from harness.runs.network_run import NetworkRun
    from harness.runs.store import Store


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Network(Shown):
    """A network, its data and its training.

    Attributes:
        data: (x, y, x_test, y_test), arrays or trees of arrays; the first axis is that of the examples. Floating arrays are
            cast to ``precision``.
        optimiser: an optax rule; a rule with a second moment needs ``eps_root``.
        epochs: passes over the training examples.
        init: (key) -> parameters, a tree of floating arrays. If its parameter is called ``seed``, it gets the run's seed
            instead.
        apply: (params, x) -> outputs, whose first axis is that of the examples. With a third parameter ``key`` it gets a random
            key at each step of training, and None outside training.
        module: in place of ``init`` and ``apply``, a flax.linen module, or a function or class that makes a flax.nnx module
            from ``rngs`` or an equinox module from ``key``.
        loss: (outputs, y) -> the mean loss of a batch.
        batch_loss: in place of ``loss`` (and, if you like, of ``apply``), (params, (x, y)) -> the mean loss of a batch. A third
            parameter ``key`` gets the step's key, or None.
        batch: examples a step; None takes all.
        remainder: use of examples that do not fill a batch: ``keep`` makes the last batch of an epoch smaller, ``drop`` leaves
            them out, ``error`` refuses them.
        order: ``given``, ``shuffled`` (one order for all epochs) or ``reshuffled`` (another order each epoch). Or whole numbers
            (steps, batch), the examples of each step of an epoch, in place of ``batch`` and ``remainder``.
        order_seed: of that order; the seed of a run changes parameters and random keys alone.
        precision: ``float32`` or ``float64``, of training and of J.
        carried: any directions that training carries exactly, (N, s), or a function of theta_0 that gives them. They are
            checked, and kept separate in the spectrum.
        structural: ``found`` looks for parameters that training carries exactly, such as weights of inputs that are always
            zero, and treats them like ``carried`` directions; ``none`` does not look.
        name: for messages and reports.

    Raises:
        InvalidInput: parts that do not fit together; the message says what to do.
        NotFinite: NaN or infinity in the data.
    """

    data: tuple[Any, Any, Any, Any]
    optimiser: optax.GradientTransformation
    epochs: int
    init: Callable[[Any], Any] | None = None
    apply: Callable[..., Any] | None = None
    module: Any = None
    loss: Callable[[Any, Any], Any] | None = None
    batch_loss: Callable[..., Any] | None = None
    batch: int | None = None
    remainder: str = "keep"
    order: Any = "given"
    order_seed: int = 0
    precision: str = "float32"
    carried: Any = None
    structural: str = "found"
    name: str = "network"

    def __new__(cls, **given: Any) -> Self:
        names = [field.name for field in dataclasses.fields(cls)]
        for name in given.keys() - set(names):
            near = difflib.get_close_matches(name, names, 1)
            raise InvalidInput(
                f"Network has no argument {name}=: {f'did you mean {near[0]}=' if near else 'it has ' + ', '.join(names)}"
            )
        return super().__new__(cls)

    @with_exact_dtypes
    def __post_init__(self) -> None:
        require_one_of(self.name, "precision", self.precision, PRECISIONS)
        if isinstance(self.order, str):
            require_one_of(self.name, "order", self.order, examples.ORDERS)
        require_one_of(self.name, "structural", self.structural, ("found", "none"))
        if len(self.data) != 4:
            raise InvalidInput(f"data has {len(self.data)} parts; need (x, y, x_test, y_test)")
        if not isinstance(self.name, str):
            raise InvalidInput(f'name = {self.name!r}: give a text, such as name="mine"')
        for field in ("epochs", "order_seed"):
            checks.whole_number(field, getattr(self, field))
        names = ("x", "y", "x_test", "y_test")
        object.__setattr__(self, "data", tuple(examples.arrays(part, name) for part, name in zip(self.data, names, strict=True)))
        self._check_parts()
        self._check_fit()

    def _check_parts(self) -> None:
        if (self.module is None) == (self.init is None) or (self.module is not None and self.apply is not None):
            raise InvalidInput("give init= and apply= (plain functions), or module= (flax or equinox), not both")
        if (self.loss is None) == (self.batch_loss is None):
            raise InvalidInput("give loss= (outputs, y) or batch_loss= (params, (x, y)), one of them")
        if self.module is None and self.apply is None and self.loss is not None:
            raise InvalidInput("loss= needs the outputs of apply=: give it, or batch_loss=(params, (x, y)) instead")
        x, y, x_test, y_test = self.data
        examples.count(x, y, "training")
        if (tests := examples.count(x_test, y_test, "test")) < examples.LEAST_TEST:
            raise InvalidInput(
                f"{tests} test examples: give {examples.LEAST_TEST} or more, since test losses are means over them"
            )
        for part, (train, test) in {"x": (x, x_test), "y": (y, y_test)}.items():
            examples.same_kind(part, train, test)
        self.plan  # noqa: B018 - it refuses batches that do not fit

    def _check_fit(self) -> None:
        theta, few = self.initial(0), self.few
        checks.updates(self.optimiser, theta)
        if self.predicts:
            found = checks.outputs(self.functions.apply, theta, few.x)
            checks.repeatable(self.functions.apply, theta, few.x)
            if self.loss is not None:
                for y in (self.data[1], self.data[3]):
                    checks.labels(found, y)
        checks.scalar_loss(self.mean_loss, theta, few)

    @cached_property
    def functions(self) -> modules.Functions:
        """init, apply, and whether training is random."""
        if self.module is not None:
            return modules.adapted(self.module, self.few.x)
        return modules.plain(self.init, self.apply or _no_outputs)  # type: ignore[arg-type]

    @property
    def predicts(self) -> bool:
        """Whether there are outputs; there are none if ``batch_loss`` stands alone."""
        return self.module is not None or self.apply is not None

    @property
    def random(self) -> bool:
        """Whether training takes random keys."""
        if self.batch_loss is not None:
            return "key" in inspect.signature(self.batch_loss).parameters
        return self.functions.random

    @cached_property
    def few(self) -> Batch:
        """Eight training examples in the network's precision, to find shapes."""
        return self.cast(Batch(*jax.tree.map(lambda leaf: leaf[:8], self.data[:2])))

    @cached_property
    def test(self) -> Batch:
        """All test examples as one batch."""
        return self.cast(Batch(*self.data[2:]))

    @with_exact_dtypes
    def cast(self, tree: Any) -> Any:
        """Floating leaves in the network's precision, as JAX arrays."""
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, self.precision if leaf.dtype.kind == "f" else None), tree)

    @cached_property
    def plan(self) -> examples.Plan:
        """How examples are divided into batches."""
        return self._ordered[1]

    @cached_property
    def _ordered(self) -> tuple[Any, examples.Plan]:
        """The order of the examples, a name or whole numbers (steps, batch), and how they are divided into batches."""
        count = len(jax.tree.leaves(self.data[0])[0])
        if isinstance(self.order, str):
            return self.order, examples.plan(count, self.batch, self.remainder)
        return examples.own_order(self.order, count, self.batch)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.epochs * self.plan.steps

    @with_exact_dtypes
    def initial(self, seed: int) -> Any:
        """theta_0 in the network's precision, from the stream ``network-init`` of the seed.

        Raises:
            InvalidInput: a leaf that cannot be trained.
        """
        params = checks.made(self.init, seed) if self._seeded else checks.made(self.functions.init, stream(seed, "network-init"))
        checks.parameters(params)
        return cast(params, self.precision)

    @property
    def _seeded(self) -> bool:
        """Whether ``init`` takes the seed itself; its program need not be traceable."""
        return callable(self.init) and "seed" in inspect.signature(self.init).parameters

    @cached_property
    def size(self) -> int:
        """N, the number of parameters."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.initial(0)))

    @property
    def title(self) -> str:
        return f"{self.name}: N = {self.size:,}, {self.steps:,} steps, {self.precision}"

    def rows(self) -> dict[str, str]:
        """The rows that are shown, without training."""
        counts = [len(jax.tree.leaves(part)[0]) for part in self.data[::2]]
        inputs = ", ".join(str(leaf.shape[1:]) for leaf in jax.tree.leaves(self.data[0])[:4])
        return {
            "examples": f"{counts[0]:,} for training, {counts[1]:,} for the test",
            "inputs": f"{inputs}, an example",
            "labels": f"{self.classes} classes" if self.classes else "no classes",
            "batches": self.shown_batches,
        }

    @property
    def shown_batches(self) -> str:
        """How examples are divided into batches, in words."""
        order = self.order if isinstance(self.order, str) else "in an order of their own"
        last = f", the last of {self.plan.rest}" if self.plan.rest else ""
        return f"{self.epochs} epochs of {self.plan.steps} batches of {self.plan.batch}{last}, {order}"

    @cached_property
    def mean_loss(self) -> Callable[[Any, Batch], Any]:
        """(params, batch) -> the mean loss of its examples."""
        loss, whole, apply = self.loss, self.batch_loss, self.functions.apply
        if loss is not None:
            return examples.mean_loss(lambda params, x, y, key: loss(apply(params, x, key), y), self.plan.rest)
        assert whole is not None
        if self.random:
            return examples.mean_loss(lambda params, x, y, key: whole(params, (x, y), key=key), self.plan.rest)
        return examples.mean_loss(lambda params, x, y, key: whole(params, (x, y)), self.plan.rest)

    @with_exact_dtypes
    def training(self, seed: int = 0) -> ShownTraining:
        """f: theta_0 -> theta_T; the seed matters only if training takes random keys."""
        x, y = self.data[:2]
        keys_of = seed if self.random else None
        batches, passes = examples.batches(x, y, self.plan, self._ordered[0], self.order_seed, self.epochs, keys_of)
        return ShownTraining(self.mean_loss, self.optimiser, self.cast(batches), passes)

    @cached_property
    def classes(self) -> int:
        """Number of classes if labels are whole numbers and outputs have one number a class; else 0."""
        if self.loss is None or not self.predicts:
            return 0
        return checks.classes(jax.eval_shape(self.functions.apply, self.initial(0), self.few.x, None), self.data[1])

    @with_exact_dtypes
    def programs(self, seed: int = 0) -> programs.Programs:
        """The traced programs of init, training (with its data) and evaluation, which decide every number of a run."""
        theta, training = self.initial(seed), self.training(seed)
        traced: dict[str, Any] = {
            "training": (lambda p, v: jax.jvp(training, (p,), (v,)), (theta, theta)),
            "loss": (self.mean_loss, (theta, self.test)),
        }
        if self.predicts:
            traced["apply"] = (lambda params, x: self.functions.apply(params, x, None), (theta, self.few.x))
        if self.module is None and not self._seeded:
            traced["init"] = (self.functions.init, (stream(seed, "network-init"),))
        return programs.traced(traced)

    @cached_property
    def guessing_loss(self) -> float | None:
        """Test loss of the best constant outputs for the training labels; None without ``loss`` or if it is not a number.

        With cross-entropy the best outputs are the logarithms of the classes' shares, with squared error the mean of the
        labels.
        """
        if self.loss is None:
            return None
        with exact_dtypes():
            return _guess(self.loss, self._one_output, *(jax.tree.map(jnp.asarray, part) for part in self.data[1::2]))

    @property
    def _one_output(self) -> Any:
        found = jax.eval_shape(self.functions.apply, self.initial(0), self.few.x, None)
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape[1:]), found)

    def run(
        self,
        seed: int = 0,
        *,
        store: Store | None = None,
        progress: Progress | None = None,
        memory: int | None = None,
    ) -> NetworkRun:
        """One training with this seed and all its measurements; each is computed when it is first asked for.

        Args:
            store: the store of results, such as ``Store()``; None keeps them in memory only.
            progress: sink of progress reports.
            memory: bytes that a dense Jacobian may take; by default half of the free memory.
        """
        checks.whole_number("seed", seed)
        found: NetworkRun = Lab(store, progress=progress, memory=memory).open(NetworkExperiment(self, seed))
        return found

    def on_white_noise(self, seed: int = 0) -> Network:
        """The same network on white noise: normal training inputs with each array's overall mean and deviation."""
        return self._changed("on white noise", x=examples.white_noise(self.data[0], seed))

    def with_gaussian_inputs(self, seed: int = 0) -> Network:
        """The same network on normal training inputs with the mean and covariance of its own inputs."""
        return self._changed("with Gaussian inputs", x=examples.gaussian(self.data[0], seed))

    def with_shuffled_labels(self, seed: int = 0) -> Network:
        """The same network with its training labels in another order."""
        return self._changed("with shuffled labels", y=examples.shuffled(self.data[1], seed))

    def with_another_order(self, seed: int = 1) -> Network:
        """The same network with its examples in the order of this seed, which is drawn anew for each epoch if it was before.

        If the order is given step by step, each example takes the place of another.
        """
        if isinstance(self.order, str):
            order = "shuffled" if self.order == "given" else self.order
        else:
            order = numpy_stream(seed, "network-order").permutation(self.plan.examples)[self._ordered[0]]
        return dataclasses.replace(self, order=order, order_seed=seed, name=f"{self.name}, in another order")

    def with_squared_error(self) -> Network:
        """The same network with half the squared distance of the outputs from the one-hot label as its loss.

        Directions given as ``carried`` are left out: they belong to the network's own loss.

        Raises:
            InvalidInput: the outputs are no scores of classes.
        """
        if not self.classes:
            raise InvalidInput(f"{self.name}: its outputs are no scores of classes, so that there is no other loss to take")
        return dataclasses.replace(self, loss=squared_error, carried=None, name=f"{self.name}, with squared error")

    def untrained(self) -> Network:
        """The same network with no epochs: J is the identity."""
        return dataclasses.replace(self, epochs=0, name=f"{self.name}, untrained")

    def _changed(self, how: str, x: Any = None, y: Any = None) -> Network:
        old_x, old_y, *test = self.data
        return dataclasses.replace(
            self, data=(old_x if x is None else x, old_y if y is None else y, *test), name=f"{self.name}, {how}"
        )


def _no_outputs(params: Any, x: Any) -> Any:
    raise InvalidInput("this needs the network's outputs, and batch_loss= alone gives none: give apply= as well")


def _guess(loss: Callable[[Any, Any], Any], like: Any, y: Any, y_test: Any) -> float | None:
    start, unravel = jax.flatten_util.ravel_pytree(like)

    def constant(outputs: Any, y: Any) -> Any:
        examples = len(jax.tree.leaves(y)[0])
        return loss(jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (examples, *leaf.shape)), unravel(outputs)), y)

    best = optimize.minimize(jax.jit(jax.value_and_grad(constant)), np.asarray(start), args=(y,), jac=True, method="BFGS")
    value = float(constant(jnp.asarray(best.x), y_test))
    return value if np.isfinite(value) else None
