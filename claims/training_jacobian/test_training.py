"""Section 3: the network trains; and the one number that anyone outside can check against the authors' notebook."""

import math
from dataclasses import replace

from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World, claim
from harness.suite.verdict import Verdict, at_most, within

GUESSING = math.log(10)


def _before_training(run):
    loss = run.training.loss(run.theta_0, (run.dataset.x_train, run.dataset.y_train))
    return World(run, trained=replace(run.trained, train_loss=float(loss)))


def _converged(run):
    return World(run, trained=replace(run.trained, train_loss=1e-3))


@claim(
    "training-jacobian/training-converges[near-zero]",
    where="Section 3",
    says="we train for 25 epochs, which is sufficient to achieve near-zero training loss",
    reading="mean cross-entropy over the training set after the last step is at most 5 % of that of guessing, ln 10",
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
    says="trained for 25 epochs until training loss reached zero",
    reading="mean cross-entropy over the training set after the last step is zero to two decimals",
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


@claim(
    "training-jacobian/as-published[sigma-1]",
    where="authors' notebook, title of Figure 2b",
    says="sigma_1 = 20.469",
    reading="from the authors' own initial parameters the largest singular value comes out within 0.1 % of the notebook's",
    accept=within(
        20.469 * 0.999, 20.469 * 1.001, reason="the notebook's float32 GPU run: 625 steps of rounding amplified 20-fold"
    ),
    controls=[Control("another initialisation", lambda run: run.lab.run("digits", 0))],
    on="as-published",
    over="once",
    published=20.469,
)
def test_published_sigma(spectrum):
    return Measurement(float(spectrum.sigma[0]), counted="sigma_1", arrays={"sigma": spectrum.sigma})


@claim(
    "training-jacobian/as-published[test-loss]",
    where="authors' notebook",
    says="training ends at test loss 0.158",
    reading="from the authors' own initial parameters the test loss comes out within 2 % of 0.158",
    accept=within(0.158 * 0.98, 0.158 * 1.02, reason="three printed digits, and rounding amplified by training"),
    controls=[Control("shuffled labels", lambda run: run.lab.run("shuffled-labels", 0))],
    on="as-published",
    over="once",
    unit="nats",
    published=0.158,
)
def test_published_test_loss(trained):
    return Measurement(trained.test_loss, unit="nats", counted="mean over 197 test images")
