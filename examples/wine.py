"""A perceptron of plain functions on a table; the batch does not divide the examples: scikit-learn's wine."""

import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from harness import Network

x, y = load_wine(return_X_y=True)
x, x_test, y, y_test = train_test_split((x - x.mean(0)) / x.std(0), y, test_size=48, random_state=0)


def init(key):
    hidden, output = jax.random.split(key)
    return {"hidden": jax.random.normal(hidden, (13, 8)) / 13**0.5, "output": jax.random.normal(output, (8, 3)) / 8**0.5}


def apply(params, x):
    return jnp.tanh(x @ params["hidden"]) @ params["output"]


def loss(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


optimiser = optax.sgd(0.05, momentum=0.9, nesterov=True)
data = (x, y, x_test, y_test)
net = Network(init=init, apply=apply, loss=loss, data=data, optimiser=optimiser, epochs=5, batch=17, name="wine")
run = net.run(seed=0)
print(run)
print(run.spectrum)
