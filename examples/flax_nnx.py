"""A flax.nnx network with dropout: scikit-learn's breast cancer."""

import optax
from flax import nnx
from sklearn.datasets import load_breast_cancer

from harness import Network


class MLP(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(30, 4, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.output = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x):
        return self.output(self.dropout(nnx.gelu(self.hidden(x))))


def loss(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


x, y = load_breast_cancer(return_X_y=True)
x = (x - x.mean(0)) / x.std(0)
data = (x[:469], y[:469], x[469:], y[469:])
net = Network(module=MLP, loss=loss, data=data, optimiser=optax.adamw(0.01, eps_root=1e-8), epochs=2, batch=64, name="nnx")
print(net.run())
print(net.run().spectrum)
