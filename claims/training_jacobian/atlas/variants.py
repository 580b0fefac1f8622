"""The table of variants: the paper's network on its digits, narrower, and variants that differ in one or two choices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import optax

from harness import datasets
from harness.engine.columns_last import elementwise
from harness.engine.losses import LOSSES
from harness.measure.carried import shifts_of
from harness.report.atlas.table import Variant
from harness.runs.network import Network

from ...networks import ACTIVATIONS, perceptron
from .. import recipe
from ..data import Dataset, load
from ..experiments import Data, Model, Optimiser
from . import inputs

WIDTH, PAPER_WIDTH, SMOKE_WIDTH = 12, 64, 4  # N = 910, 4810 and 310
SMOKE = ("base", "relu", "adam", "batch-400", "white-noise", "apart")  # enough to test all parts
# a narrower and a wider network, crossed with ranks
NEIGHBOURS = {SMOKE_WIDTH: (2, 8), WIDTH: (6, 24), PAPER_WIDTH: (16, 32)}
WIDTHS = (8, 16, 32, 64, 128)  # on 16 pixels: N = 226 to 3466
RANKS, DIGITS_RANKS, CROSSED = (1, 4, 16, 64), (4, 8, 16, 32), (4, 16)
TIMES = (1, 3, 6, 12, 18)  # epochs, of 25, after which training stops
EPOCHS = (1, 2, 5, 10, 50, 100)
BATCHES = (8, 16, 32, 160, 400, 1600)
EQUAL_STEPS = {8: 3, 32: 12, 160: 62, 400: 156}  # batch -> epochs that make 600 to 624 steps; the base has 625
SCALES = (0.25, 0.5, 2.0, 4.0)
NOISES = (0.1, 0.3, 1.0)
STEP_SIZES = (0.01, 0.03, 0.3, 1.0)
MNIST = "mnist-8x8"
CLOSELY = ("base", "no-momentum", "label-noise-100")  # variants whose path of Hessians is compared with J as well
# Variants whose sigma_1 is above 300,000 on one seed or more, at width 12: float32's rounding of J would hide which singular values
# are near one.
IN_FLOAT64 = ("no-momentum-step-1", "step-1", "batch-8", "batch-16", "batch-8-equal-steps", "wine")
ACTS: dict[str, Callable[[Any], Any]] = {
    **ACTIVATIONS,
    "leaky-relu": elementwise(jax.nn.leaky_relu),
    "linear": lambda x: x,
}
Change = Callable[[Dataset], Dataset]
Rule = Callable[[int], optax.GradientTransformation]
HEAVY_BALL: Rule = partial(recipe.optimiser, Optimiser())


def digits() -> Dataset:
    """The paper's 1600 training and 197 test images."""
    return load(Data())


@dataclass(frozen=True)
class Setting:
    """The choices that a variant may change.

    Attributes:
        hidden: widths of the hidden layers.
        data: () -> the data set.
        act: a name of ``ACTS``.
        loss: a name of the engine's losses.
        rule: (steps) -> the optimiser.
        epochs, batch: of training; the last examples are dropped where the batch does not divide them.
        horizon: epochs after which the step size is zero; None takes all epochs.
        scale: factor of theta_0.
        precision: of the training; float64 where float32 would hide which singular values are near one.
        apart: whether directions that do not change cross-entropy are kept separate as structural.
    """

    hidden: tuple[int, ...]
    data: Callable[[], Dataset] = digits
    act: str = "gelu"
    loss: str = "cross-entropy"
    rule: Rule = HEAVY_BALL
    epochs: int = 25
    batch: int = 64
    horizon: int | None = None
    scale: float = 1.0
    apart: bool = False
    precision: str = "float32"

    def network(self, name: str) -> Network:
        """The network of this setting."""
        data, model = self.data(), Model(self.hidden)

        def init(seed: int) -> Any:
            return jax.tree.map(lambda leaf: self.scale * leaf, recipe.init(model, data, seed))

        steps = (self.epochs if self.horizon is None else self.horizon) * (len(data.x_train) // self.batch)
        return Network(
            init=init,
            apply=perceptron(ACTS[self.act]),
            loss=LOSSES[self.loss],
            data=(data.x_train, data.y_train, data.x_test, data.y_test),
            optimiser=self.rule(steps),
            epochs=self.epochs,
            batch=self.batch,
            remainder="drop",
            carried=shifts_of(lambda params: params[-1]) if self.apart else None,
            precision=self.precision,
            name=name,
        )


def _changed(change: Callable[..., Dataset], *arguments: Any) -> Callable[[], Dataset]:
    return lambda: change(digits(), *arguments)


def _small(load: Callable[[], datasets.Data], classes: int) -> Callable[[], Dataset]:
    def made() -> Dataset:
        x, y, x_test, y_test = load()
        return Dataset(x, y, x_test, y_test, classes)

    return made


def sgd(**changes: Any) -> Rule:
    """The paper's heavy ball with other parameters."""
    return partial(recipe.optimiser, dataclasses.replace(Optimiser(), **changes))


def _adamw(steps: int) -> optax.GradientTransformation:
    return optax.adamw(optax.cosine_decay_schedule(0.003, steps), eps_root=1e-8, weight_decay=0.01)


def _decayed(steps: int) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(5e-4), HEAVY_BALL(steps))


OPTIMISERS: dict[str, Rule] = {
    "no-momentum": sgd(momentum=0.0),
    "no-momentum-step-1": sgd(momentum=0.0, step_size=1.0),
    "nesterov": sgd(nesterov=True),
    "adam": sgd(name="adam", step_size=0.003),
    "adamw": _adamw,
    "weight-decay": _decayed,
}


def variants(width: int = WIDTH, mnist: Path | None = None) -> tuple[Variant, ...]:
    """The base and all its variants, at a width of ``NEIGHBOURS``; with a folder of MNIST's idx files, also those on MNIST."""
    base, found = Setting((width,)), []

    def add(name: str, axis: str, value: float | str, given: dict[str, float] | None = None, **changes: Any) -> None:
        setting = dataclasses.replace(base, precision="float64" if name in IN_FLOAT64 else "float32", **changes)
        found.append(Variant(name, axis, value, partial(setting.network, name), given or {}, name in CLOSELY))

    add("base", "base", f"64-{width}-10, GELU, heavy ball 0.9, cosine 0.1 to 0, 25 epochs of 25 batches of 64", {"epoch": 25})
    for name in ("relu", "leaky-relu", "tanh", "softplus", "linear"):
        add(name, "activation", name, act=name)
    for other in NEIGHBOURS[width]:
        add(f"width-{other}", "width", other, {"width": other}, hidden=(other,))
    for other in WIDTHS:
        add(f"pixels-16-width-{other}", "width-pixels-16", other, {"width": other}, hidden=(other,), data=_changed(inputs.pooled))
    for depth in (2, 3):
        add(f"depth-{depth}", "depth", depth, {"depth": depth}, hidden=(width,) * depth)
    for name, rule in OPTIMISERS.items():
        add(name, "optimiser", name, rule=rule)
    for size in STEP_SIZES:
        add(f"step-{size:g}", "step-size", size, {"step size": size}, rule=sgd(step_size=size))
    for size in (0.03, 0.1):
        add(f"constant-step-{size:g}", "schedule", f"constant {size:g}", rule=sgd(step_size=size, schedule="constant"))
    for batch in BATCHES:
        add(f"batch-{batch}", "batch", f"{batch}, equal epochs", {"batch": batch}, batch=batch)
    for batch, epochs in EQUAL_STEPS.items():
        add(
            f"batch-{batch}-equal-steps",
            "batch-equal-steps",
            f"{batch}, equal steps",
            {"batch": batch},
            batch=batch,
            epochs=epochs,
        )
    for epochs in EPOCHS:
        add(f"epochs-{epochs}", "epochs", epochs, {"epochs": epochs}, epochs=epochs)
    for epoch in TIMES:
        add(f"time-{epoch}", "time", f"stopped after epoch {epoch} of 25", {"epoch": epoch}, epochs=epoch, horizon=25)
    add("squared-error", "loss", "squared error", loss="squared-error")
    for scale in SCALES:
        add(f"scale-{scale:g}", "initial-scale", scale, {"scale": scale}, scale=scale)
    for share in NOISES:
        add(f"label-noise-{share:.0%}".rstrip("%"), "label-noise", share, data=_changed(inputs.noisy_labels, share))
    _data(add)
    _ranks(add, width)
    _apart(add)
    add("relu-adam", "crosses", "ReLU, Adam", act="relu", rule=OPTIMISERS["adam"])
    add("relu-squared-error", "crosses", "ReLU, squared error", act="relu", loss="squared-error")
    add("tanh-depth-2", "crosses", "tanh, two hidden layers", act="tanh", hidden=(width, width))
    add("full-batch-no-momentum", "crosses", "full batch, no momentum", batch=1600, rule=OPTIMISERS["no-momentum"])
    add("scale-2-no-momentum", "crosses", "initial scale 2, no momentum", scale=2.0, rule=OPTIMISERS["no-momentum"])
    if mnist is not None:
        add(
            MNIST, "other-data", "MNIST at 8 x 8 pixels", data=_small(partial(datasets.mnist, mnist, examples=1600, test=197), 10)
        )
    return tuple(found)


def _data(add: Callable[..., None]) -> None:
    changes: dict[str, tuple[str, Change]] = {
        "borderless": ("without the first and last column of pixels", inputs.without_border),
        "whitened": ("whitened", inputs.whitened),
        "borderless-whitened": ("without border, whitened", lambda data: inputs.whitened(inputs.without_border(data))),
        "pixels-shuffled": ("one permutation of pixels", inputs.shuffled_pixels),
        "pixels-shuffled-each": ("a permutation of pixels for each image", inputs.shuffled_each),
        "rotated": ("random rotation of the input space", inputs.rotated),
        "gaussian": ("normal, the digits' mean and covariance", inputs.gaussian),
        "white-noise": ("normal, the digits' overall mean and deviation", inputs.white_noise),
    }
    for name, (value, change) in changes.items():
        add(name, "data", value, data=_changed(change))
    wine, cancer = _small(datasets.wine, 3), _small(datasets.breast_cancer, 2)
    add("wine", "other-data", "wine, 13 inputs, 32 hidden units, batches of 5", hidden=(32,), data=wine, batch=5)
    add("breast-cancer", "other-data", "breast cancer, 30 inputs, batches of 18", data=cancer, batch=18)


def _ranks(add: Callable[..., None], width: int) -> None:
    for rank in RANKS:
        data = _changed(inputs.noise_of_rank, rank)
        add(f"noise-rank-{rank}", "noise-rank", rank, {"rank": rank, "width": width}, data=data)
    for rank in DIGITS_RANKS:
        add(f"digits-rank-{rank}", "digits-rank", rank, {"rank": rank}, data=_changed(inputs.of_rank, rank))
    for other in NEIGHBOURS[width]:
        for rank in CROSSED:
            data, given = _changed(inputs.noise_of_rank, rank), {"rank": rank, "width": other}
            add(f"noise-rank-{rank}-width-{other}", f"noise-rank-width-{other}", rank, given, data=data, hidden=(other,))


def _apart(add: Callable[..., None]) -> None:
    changes: dict[str, tuple[str, Callable[[], Dataset]]] = {
        "apart": ("digits", digits),
        "borderless-apart": ("without border", _changed(inputs.without_border)),
        "borderless-whitened-apart": (
            "without border, whitened",
            _changed(lambda data: inputs.whitened(inputs.without_border(data))),
        ),
        "white-noise-apart": ("white noise", _changed(inputs.white_noise)),
    }
    for name, (value, data) in changes.items():
        add(name, "shifts-apart", f"{value}, shifts of all logits kept apart", data=data, apart=True)
