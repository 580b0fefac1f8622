"""Hessian products and eigenpairs over a whole data set, against dense second derivatives and closed forms."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import subspace_angles

from claims.networks import Conv, classifier, example_losses
from harness.engine.eigenpairs import top_eigenpairs
from harness.engine.hessian import chunks, joined, linearise, mean_loss, product, products, summed
from harness.engine.trees import unflatten
from harness.errors import InvalidInput

RNG = np.random.default_rng(0)
EXAMPLES = 23
X = RNG.uniform(size=(EXAMPLES, 4, 4, 1))
Y = RNG.integers(0, 3, EXAMPLES)
# every kind of network that is trained: softmax regression, smooth and not, one and two hidden layers, convolutions
NETWORKS = {
    "softmax": classifier((16,), 3, ()),
    "relu": classifier((16,), 3, (5, 4)),
    "softplus": classifier((16,), 3, (5,), "softplus"),
    "convolutions": classifier((4, 4, 1), 3, (4,), "relu", (Conv(2), Conv(2, "VALID", pool=True))),
}


def inputs(net):
    return X if "convolution 1" in net.layers else X.reshape(EXAMPLES, -1)


def blocks(net, theta):
    """The kernels and biases that theta is made of, in order."""
    return unflatten(theta, [np.empty(shape) for shape in net.shapes.values()])


UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
ROUNDINGS = 400
REASON = f"{ROUNDINGS} roundings: sums over 23 examples of three layers' forward and backward passes, twice differentiated"


@cache
def dense_hessian(name):
    """(theta, mean loss, gradient, H) of the plain mean by forward over reverse mode in float64: an independent way."""
    net = NETWORKS[name]
    each = example_losses(net, "cross-entropy")
    # on float32's grid, so that both precisions stand at the same point
    theta = np.float64(np.float32(net.init(0) + 0.1 * np.random.default_rng(1).standard_normal(net.size)))

    def mean(t):
        return jnp.mean(each(t, jnp.asarray(inputs(net)), jnp.asarray(Y)))

    loss, slope = jax.value_and_grad(mean)(theta)
    return theta, float(loss), np.asarray(slope), np.asarray(jax.jit(jax.hessian(mean))(theta))


def linearised(name, size, precision):
    """(mean loss, gradient, v -> H v) of the engine."""
    net = NETWORKS[name]
    theta = jnp.asarray(dense_hessian(name)[0], precision)
    of_chunk, apply = jax.jit(linearise(example_losses(net, "cross-entropy"))), jax.jit(product)
    at = joined([of_chunk(theta, *chunk) for chunk in chunks(inputs(net).astype(precision), Y, size)])

    def whole(v):
        return np.asarray(summed(apply(push, jnp.asarray(v, precision)) for push in at.pushes), np.float64)

    return at.loss, at.gradient, whole


DOUBLE = [("softmax", EXAMPLES), ("relu", 7), ("relu", 1000), ("softplus", EXAMPLES), ("convolutions", EXAMPLES)]
SINGLE = [("softmax", EXAMPLES), ("relu", 7)]


@pytest.mark.parametrize(
    ("name", "size", "precision"), [(*case, "float64") for case in DOUBLE] + [(*case, "float32") for case in SINGLE]
)
def test_products_are_those_of_the_dense_hessian(name, size, precision, compare):
    """Chunks must not show."""
    _, mean, slope, dense = dense_hessian(name)
    loss, gradient, apply = linearised(name, size, precision)
    v = np.float64(np.float32(np.random.default_rng(2).standard_normal(len(dense))))
    bound = ROUNDINGS * UNIT[precision]
    compare.entries(f"mean loss, {precision}", "the plain mean", [loss], [mean], bound, REASON)
    compare.entries(f"gradient, {precision}", "jax.grad of the plain mean", gradient, slope, bound, REASON)
    compare.entries(f"Hessian product, {precision}", "jax.hessian, dense", apply(v), dense @ v, bound, REASON)


@pytest.mark.parametrize("columns", [3, 20])
def test_a_block_has_the_products_of_its_columns(columns, compare):
    """Few columns and many take different ways; the mean loss alone is that of the linearisation."""
    theta, mean, _, dense = dense_hessian("relu")
    each, parts = example_losses(NETWORKS["relu"], "cross-entropy"), chunks(inputs(NETWORKS["relu"]), Y, 7)
    of_chunk, apply = jax.jit(linearise(each)), jax.jit(products)
    block = np.random.default_rng(3).standard_normal((len(dense), columns))
    found = summed(apply(push, jnp.asarray(block)) for part in parts for push in of_chunk(theta, *part).pushes)
    alone = summed(mean_loss(each)(theta, *part) for part in parts)
    bound = ROUNDINGS * UNIT["float64"]
    compare.entries("Hessian products of a block", "jax.hessian, dense", found, dense @ block, bound, REASON)
    compare.entries("mean loss alone", "the plain mean", [alone], [mean], bound, REASON)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_top_eigenpairs_are_those_of_the_dense_hessian(precision, compare):
    """Lanczos on products against LAPACK on the whole matrix."""
    dense = dense_hessian("softplus")[3]
    apply, k = linearised("softplus", 7, precision)[2], 4
    tolerance = 1e-12 if precision == "float64" else 1e-6
    found = top_eigenpairs(apply, len(dense), k, start=np.ones(len(dense)), tolerance=tolerance, bound=1e-5)
    values, vectors = (part[..., ::-1] for part in np.linalg.eigh(dense))
    noise = 10 * (tolerance + ROUNDINGS * UNIT[precision])
    error = float(np.max(np.abs(found.values - values[:k])) / values[0])
    reason = "ten times: Lanczos' tolerance and the roundings of a product, relative to lambda_1 (Weyl)"
    compare.error(f"top Hessian eigenvalues, {precision}", "eigh of the dense jax.hessian", error, noise, reason)
    gap = float(values[k - 1] - values[k]) / float(values[0])
    sine = float(np.sin(subspace_angles(found.vectors, vectors[:, :k]).max()))
    reason = "the same over the gap to the next eigenvalue (Davis & Kahan)"
    compare.error(f"top Hessian eigenvectors, {precision}", "eigh of the dense jax.hessian", sine, noise / gap, reason)


def test_squared_error_of_one_output():
    net = classifier((1,), 1, ())
    each = example_losses(net, "squared-error")
    x, y = RNG.standard_normal((6, 1)), RNG.standard_normal(6)
    at = joined([linearise(each)(jnp.asarray([2.0, -1.0]), *chunk) for chunk in chunks(x, y, 4)])
    features = np.column_stack([x, np.ones(6)])
    # the Hessian of a mean square is 2 X^T X / n
    expected = 2 * features.T @ features @ [1, 0.5] / 6
    found = summed(product(push, jnp.asarray([1.0, 0.5])) for push in at.pushes)
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_convolutions_are_convolutions():
    """The shifted sums agree with JAX's own convolution, with and without padding."""
    net = classifier((5, 5, 2), 3, (), "relu", (Conv(3), Conv(2, "VALID")))
    theta, x = jnp.asarray(net.init(1)), jnp.asarray(RNG.standard_normal((4, 5, 5, 2)))
    h, parts = x, blocks(net, theta)
    for (kernel, bias), padding in zip([parts[0:2], parts[2:4]], ["SAME", "VALID"], strict=True):
        h = jax.lax.conv_general_dilated(h, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        h = jax.nn.relu(h + bias)
    expected = h.reshape(4, -1) @ parts[4] + parts[5]
    np.testing.assert_allclose(net.outputs(theta, x), expected, atol=1e-12)


def test_pooling_takes_the_largest_of_four():
    net = classifier((4, 4, 1), 2, (), "relu", (Conv(1, "SAME", pool=True),))
    identity = np.zeros(net.size)
    identity[4] = 1.0  # the middle of the 3 x 3 kernel
    identity[10:] = np.array([[1.0, 0], [0, 0], [0, 1.0], [0, 0], [0, 0]]).ravel()
    pooled = net.outputs(jnp.asarray(identity), jnp.asarray(X))
    largest = X[..., 0].reshape(EXAMPLES, 2, 2, 2, 2).max(axis=(2, 4)).reshape(EXAMPLES, 4)
    np.testing.assert_allclose(pooled, largest[:, [0, 2]], atol=1e-15)


def test_blocks_cover_theta_once():
    for net in NETWORKS.values():
        theta = np.arange(net.size)
        found = blocks(net, theta)
        assert [part.shape for part in found] == list(net.shapes.values())
        np.testing.assert_array_equal(np.concatenate([part.ravel() for part in found]), theta)
        edges = [(layer.start, layer.stop) for layer in net.layers.values()]
        assert [start for start, _ in edges] == [0, *(stop for _, stop in edges[:-1])]
        assert len(net.init(0)) == net.size == edges[-1][1]
        # a layer is a kernel with its bias
        sizes = [kernel.size + bias.size for kernel, bias in zip(found[::2], found[1::2], strict=True)]
        assert [stop - start for start, stop in edges] == sizes


def test_initial_kernels_are_glorot_uniform():
    net = classifier((784,), 10, (100,))
    kernel, bias = blocks(net, net.init(0))[:2]
    limit = np.sqrt(6 / 884)
    assert np.abs(kernel).max() <= limit
    # the standard deviation of 78,400 uniform draws is limit / sqrt(3) to within five standard errors, 1 %
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)
    assert not bias.any()
    assert not np.array_equal(net.init(0), net.init(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: classifier((16,), 3, (), "rectifier"), "activation 'rectifier' is unknown"),
        (lambda: classifier((2, 2, 1), 3, (), "relu", (Conv(2, "VALID"),)), "too few for Conv"),
        (lambda: example_losses(NETWORKS["softmax"], "hinge"), "loss 'hinge' is unknown; allowed: cross-entropy, squared-error"),
        (lambda: chunks(X[:0], Y[:0], 5), "0 examples in chunks of 5"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()
