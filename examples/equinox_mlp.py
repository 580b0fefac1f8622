"""An equinox network: scikit-learn's breast cancer."""

import equinox as eqx
import jax
import optax
from sklearn.datasets import load_breast_cancer

from harness import Network


def loss(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


x, y = load_breast_cancer(return_X_y=True)
x = (x - x.mean(0)) / x.std(0)
net = Network(
    module=lambda key: eqx.nn.MLP(30, 2, width_size=4, depth=1, activation=jax.nn.softplus, key=key),
    loss=loss,
    data=(x[:469], y[:469], x[469:], y[469:]),
    optimiser=optax.sgd(0.02, momentum=0.9),
    epochs=2,
    batch=64,
    name="equinox",
)
print(net.run())
print(net.run().spectrum)
