"""Claims on your own network, as tests: one claim of your own, and the papers' claims on any network.

Copy this folder anywhere and run `pytest` in it.
"""

import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from harness import Control, Network, at_least, claim, paper_claims


def init(key):
    hidden, output = jax.random.split(key)
    return {"hidden": jax.random.normal(hidden, (13, 8)) / 13**0.5, "output": jax.random.normal(output, (8, 3)) / 8**0.5}


def apply(params, x):
    return jnp.tanh(x @ params["hidden"]) @ params["output"]


def loss(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def wine():
    x, y = load_wine(return_X_y=True)
    x, x_test, y, y_test = train_test_split((x - x.mean(0)) / x.std(0), y, test_size=48, random_state=0)
    data, optimiser = (x, y, x_test, y_test), optax.sgd(0.05, momentum=0.9, nesterov=True)
    return Network(init=init, apply=apply, loss=loss, data=data, optimiser=optimiser, epochs=5, batch=17)


@claim(
    "wine/learns",
    where="our notebook",
    says="the network tells the cultivars apart",
    reading="test accuracy of at least 0.9",
    accept=at_least(0.9, reason="guessing the largest class gives 0.4"),
    controls=[Control("no training", lambda run: run.untrained)],
    on=wine,
)
def test_learns(trained):
    return trained.test_accuracy


test_training_jacobian = paper_claims("training-jacobian", on=wine)
test_tiny_subspace = paper_claims("tiny-subspace", on=wine)
