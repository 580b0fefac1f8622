"""The summary's "consistent across datasets": the paper's recipe on other data, under every claim for any network.

The paper's perceptron, half as wide, is trained with its optimiser for as many steps (25 epochs of 25 batches) on three data sets of
scikit-learn. The regression takes half the squared error in place of cross-entropy.
"""

from itertools import pairwise

import optax

from harness import Network, datasets, paper_claims
from harness.engine.losses import cross_entropy

from ..networks import activation, lecun_normal, normal_bias, perceptron

PAPER, SCALES = "training-jacobian", ("paper",)
HIDDEN, EPOCHS, BATCHES, STEP_SIZE = 32, 25, 25, 0.1


def _half_squared(outputs, y):
    return ((outputs - y) ** 2).mean() / 2


def _paper_like(data, outputs, loss, precision="float32"):
    sizes, scores = (data[0].shape[1], HIDDEN, outputs), perceptron(activation("gelu"))

    def init(seed):
        layers = enumerate(pairwise(sizes))
        return tuple(
            (lecun_normal(seed, f"kernel-{i}", shape), normal_bias(seed, f"bias-{i}", shape[1], HIDDEN)) for i, shape in layers
        )

    batch = len(data[0]) // BATCHES
    steps = EPOCHS * (len(data[0]) // batch)
    optimiser = optax.sgd(optax.cosine_decay_schedule(STEP_SIZE, steps), momentum=0.9)
    return Network(
        init=init,
        apply=scores if outputs > 1 else lambda params, x: scores(params, x)[:, 0],
        loss=loss,
        data=data,
        optimiser=optimiser,
        epochs=EPOCHS,
        batch=batch,
        remainder="drop",
        precision=precision,
    )


def wine():
    # sigma_1 reaches 10^6, so that float32's rounding of J is as large as the bulk is wide
    return _paper_like(datasets.wine(), 3, cross_entropy, precision="float64")


def breast_cancer():
    return _paper_like(datasets.breast_cancer(), 2, cross_entropy)


def diabetes():
    return _paper_like(datasets.diabetes(), 1, _half_squared)


test_wine = paper_claims(PAPER, on=wine, scales=SCALES)
test_breast_cancer = paper_claims(PAPER, on=breast_cancer, scales=SCALES)
test_diabetes = paper_claims(PAPER, on=diabetes, scales=SCALES)
