"""Regression on the whole set at each step: scikit-learn's diabetes."""

import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_diabetes

from harness import Network

x, y = load_diabetes(return_X_y=True)
x, y = 20 * x, (y - y.mean()) / y.std()


def init(key):
    hidden, output = jax.random.split(key)
    return {"hidden": jax.random.normal(hidden, (10, 6)) / 3, "output": jax.random.normal(output, (6,)) / 2}


def apply(params, x):
    return jnp.tanh(x @ params["hidden"]) @ params["output"]


def loss(outputs, y):
    return ((outputs - y) ** 2).mean()


data = (x[:342], y[:342], x[342:], y[342:])
net = Network(init=init, apply=apply, loss=loss, data=data, optimiser=optax.sgd(0.05), epochs=40, name="diabetes")
print(net.run())
print(net.run().spectrum)
