"""A small transformer with dropout, AdamW, warm-up and clipping: which token comes most often in a sequence?"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from harness import Network

TOKENS, LENGTH, WIDTH, HEADS = 6, 9, 8, 2
SHAPES = {"embed": (TOKENS, WIDTH), "place": (LENGTH, WIDTH), "qkv": (WIDTH, 3 * WIDTH), "merge": (WIDTH, WIDTH)}
SHAPES |= {"up": (WIDTH, 2 * WIDTH), "down": (2 * WIDTH, WIDTH), "output": (WIDTH, TOKENS)}


def init(key):
    keys = dict(zip(SHAPES, jax.random.split(key, len(SHAPES)), strict=True))
    return {name: jax.random.normal(keys[name], shape) / shape[0] ** 0.5 for name, shape in SHAPES.items()}


def normalised(h):
    return (h - h.mean(-1, keepdims=True)) / jnp.sqrt(h.var(-1, keepdims=True) + 1e-5)


def dropped(h, key):
    return h if key is None else h * jax.random.bernoulli(key, 0.9, h.shape) / 0.9


def attention(params, h):
    q, k, v = jnp.moveaxis((h @ params["qkv"]).reshape(*h.shape[:2], 3, HEADS, -1), 2, 0)
    weights = jax.nn.softmax(jnp.einsum("nihd,njhd->nhij", q, k) / q.shape[-1] ** 0.5)
    return jnp.einsum("nhij,njhd->nihd", weights, v).reshape(h.shape) @ params["merge"]


def apply(params, x, key):
    keys = (None, None) if key is None else jax.random.split(key)
    h = params["embed"][x] + params["place"]
    h = h + dropped(attention(params, normalised(h)), keys[0])
    h = h + dropped(jax.nn.gelu(normalised(h) @ params["up"]) @ params["down"], keys[1])
    return normalised(h).mean(axis=1) @ params["output"]


def loss(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


x = np.random.default_rng(0).integers(0, TOKENS, (640, LENGTH))
y = (x[..., None] == np.arange(TOKENS)).sum(axis=1).argmax(axis=1)
rate = optax.warmup_cosine_decay_schedule(0.0, 0.03, warmup_steps=10, decay_steps=80)
optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, eps_root=1e-8))
data = (x[:512], y[:512], x[512:], y[512:])
net = Network(init=init, apply=apply, loss=loss, data=data, optimiser=optimiser, epochs=5, batch=32, name="transformer")
run = net.run(seed=0)
print(run)
print(run.spectrum)
