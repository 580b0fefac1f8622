"""Section 3: the network trains; and a summary of prior work on how far its parameters move."""

import math
from dataclasses import replace

import numpy as np

from harness.engine.streams import numpy_stream
from harness.engine.trees import unflatten
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World, claim
from harness.suite.verdict import Verdict, at_least, at_most

GUESSING = math.log(10)


def _before_training(run):
    loss = run.training.loss(run.theta_0, (run.dataset.x_train, run.dataset.y_train))
    return World(run, trained=replace(run.trained, train_loss=float(loss)))


def _converged(run):
    return World(run, trained=replace(run.trained, train_loss=1e-3))


@claim(
    "training-jacobian/training-converges[near-zero]",
    where="Section 3",
    quotes="We train for 25 epochs, which is sufficient to achieve near-zero training loss.",
    says="the training loss ends near zero",
    reading="mean cross-entropy over the training set after the last step is at most 5 % of that of guessing, ln 10",
    bounds=(0, math.inf),
    accept=at_most(
        0.05 * GUESSING, reason="'near zero' against the loss of guessing, ln 10 nats: one part in twenty, our reading"
    ),
    controls=[Control("zero training steps", _before_training)],
    on="digits",
    scales=("smoke", "paper"),
    unit="nats",
)
@claim(
    "training-jacobian/training-converges[caption]",
    where="Figure 1",
    quotes="trained using SGD with momentum for 25 epochs until training loss reached zero",
    says="the training loss ends at zero",
    reading="mean cross-entropy over the training set after the last step is zero to two decimals",
    bounds=(0, math.inf),
    accept=at_most(0.005, reason="'reached zero', to the two decimals that a reader takes from a loss curve; our reading"),
    controls=[
        Control("zero training steps", _before_training),
        Control("a training loss of 0.001", _converged, Verdict.SUPPORTED),
    ],
    on="digits",
    unit="nats",
)
def test_training_converges(trained):
    return Measurement(
        trained.train_loss,
        unit="nats",
        counted="mean over the training set",
        arrays={"losses": trained.losses},
        details={"test loss": trained.test_loss, "test accuracy": trained.test_accuracy},
    )


def _random_move(run):
    """A displacement of the same length in a random direction."""
    start, end = (np.asarray(theta, float) for theta in (run.trained.theta_0, run.trained.theta_T))
    step = numpy_stream(run.experiment.seed, "random-move").normal(size=start.shape)
    moved = start + step * np.linalg.norm(end - start) / np.linalg.norm(step)
    return World(run, trained=replace(run.trained, theta_T=moved))


def _shorter(run):
    start, end = (np.asarray(theta, float) for theta in (run.trained.theta_0, run.trained.theta_T))
    return World(run, trained=replace(run.trained, theta_T=start + 0.1 * (end - start)))


def _flatter(run):
    """The hidden kernel's change with its small singular values divided by ten."""
    before, after = _arrays(run)[0]
    left, sigma, right = np.linalg.svd(after - before, full_matrices=False)
    sigma[max(1, round(len(sigma) / 10)) :] /= 10
    end = np.array(run.trained.theta_T, float)
    end[: before.size] = (before + (left * sigma) @ right).ravel()
    return World(run, trained=replace(run.trained, theta_T=end))


random_move = Control("a random displacement of the same length", _random_move)


def _arrays(run):
    """Each array of parameters before and after."""
    layers = (unflatten(np.asarray(theta, float), run.theta_0) for theta in (run.trained.theta_0, run.trained.theta_T))
    return [
        (np.asarray(a), np.asarray(b)) for before, after in zip(*layers, strict=True) for a, b in zip(before, after, strict=True)
    ]


@claim(
    "training-jacobian/stays-close",
    where="summary of prior work (not in the paper's text)",
    says="most parameters end close to where they began",
    reading="at least half of the parameters move by less than a tenth of the root mean square initial value of their array",
    bounds=(0, 1),
    accept=at_least(
        0.5, reason="'most': more than half; 'close': an order of magnitude below the parameters' own size; our reading"
    ),
    controls=[random_move, Control("a tenth of the displacement", _shorter, Verdict.SUPPORTED)],
    on="digits",
    scales=("smoke", "paper"),
)
def test_stays_close(run):
    moved = np.concatenate([np.abs(b - a).ravel() / np.sqrt(np.mean(a**2)) for a, b in _arrays(run)])
    details = {"median move": float(np.median(moved))}
    return Measurement(float(np.mean(moved < 0.1)), unit="share", counted=f"of {len(moved)} parameters", details=details)


@claim(
    "training-jacobian/low-rank-updates",
    where="summary of prior work (not in the paper's text)",
    says="differences of weight matrices are nearly low rank",
    reading="the largest tenth of the singular values of the hidden kernel's difference holds at least 90 % of its squared Frobenius norm",
    bounds=(0, 1),
    accept=at_least(0.9, reason="'nearly low rank': a tenth of the rank leaves a tenth of the norm unexplained; our reading"),
    controls=[random_move, Control("all but the largest tenth of the difference divided by ten", _flatter, Verdict.SUPPORTED)],
    on="digits",
    scales=("smoke", "paper"),
)
def test_low_rank_updates(run):
    before, after = _arrays(run)[0]
    energy = np.linalg.svd(after - before, compute_uv=False) ** 2
    rank = max(1, round(len(energy) / 10))
    shares = np.cumsum(energy) / energy.sum()
    return Measurement(float(shares[rank - 1]), unit="share", counted=f"{rank} of {len(energy)}", arrays={"share": shares})
