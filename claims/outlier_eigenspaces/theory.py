"""Predictions of the fixed points of SGD with ridge, in closed form: d to infinity, then lambda to infinity.

**Softmax regression, k orthonormal means.** Without noise, beta x^c = E[(y_c - pi_c) X] = 1/k sum_a (1{a = c} - pi_c(a)) mu_a. By symmetry
pi_c(c) = p and pi_c(a) = q = (1 - p)/(k - 1) for a != c, so that x^c = A mu_c + B sum_{a != c} mu_a with beta A = (1 - p)/k and
beta B = -q/k = -beta A/(k - 1). Hence

    share of x^c along mu_c     A / sqrt(A^2 + (k - 1) B^2) = sqrt((k - 1)/k),   whatever beta,
    gap Delta = A - B           Delta (e^Delta + k - 1) = 1/beta,                since p = e^Delta / (e^Delta + k - 1),
    H_cc = 1/k sum_a pi_c(1 - pi_c)(a) mu_a mu_a^T     eigenvalues p (1 - p)/k along mu_c, q (1 - q)/k along the k - 1 others,
    G_cc = 1/k sum_a (y_c - pi_c)^2(a) mu_a mu_a^T     eigenvalues (1 - p)^2/k and q^2/k,
    H = 1/k sum_a (diag pi - pi pi^T)(a) x mu_a mu_a^T of rank k (k - 1),  G = 1/k sum_a (e_a - pi)(e_a - pi)^T x mu_a mu_a^T of rank k.

For k >= 3 the top eigenvector is mu_c (for k = 2 both eigenvalues are equal). To first order in 1/lambda, Stein's lemma puts
E_b[w z_a] = sum_j (dw/ds_j) x^j.mu_a / lambda into entry (c, a) of a block with weight w. With w = pi_c (1 - pi_c), or (y_c - pi_c)^2, this is

    Delta/(k lambda) ((2p - 1) p q + (1 - 2q) q (1 - q)),    or    Delta/(k lambda) (2 (1 - p) p q + 2 q^2 (1 - q)),

which over the gap of the eigenvalues turns the top eigenvector from mu_c towards the other means, away from x^c.

**XOR, two-layer ReLU network.** A neuron with v_i > 0 ends along +mu or -mu, a neuron with v_i < 0 along +nu or -nu. The signs
of v_i, W_i.mu and W_i.nu at the start decide: there are four types, each with probability 1/4. The classifier is optimal if
every type occurs (2206.04030, section 2: 4!/4^4 = 3/32 for K = 4). A cluster with its type has beta W_i = v_i (1 - p) mu / 4
and beta v_i = |W_i| (1 - p)/4, so

    |W_i| = |v_i|,   1 - p = 4 beta,   C = sum over the type of v_i^2 = log((1 - 4 beta)/(4 beta)),
    loss -log(1 - 4 beta) on it, and log 2 on a cluster without its type;
    last layer: on each such cluster g(Wx) = |W| over the type, eigenvalue beta (1 - 4 beta) C of H and 4 beta^2 C of G: rank = number of types.

Neurons of the other label fire on noise alone, which moves p and C by O(lambda^(-1/2)). At finite d a neuron that starts slowly
finds the clusters of the fast neurons fitted and goes to a cluster that is left. This helps: gradient flow without noise, from
starts at d = 100, ends optimal with probability 0.097, 0.399 and 0.641 (20,000 starts) for K = 4, 6 and 8. The limits are
0.094, 0.381 and 0.623.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq

TYPES = 4


def top_share(classes: int) -> float:
    """Share of a class's parameters along the top eigenvector of its block, lambda to infinity."""
    return math.sqrt((classes - 1) / classes)


def probabilities(classes: int, ridge: float) -> tuple[float, float]:
    """(p, q): probability that the fixed point gives to the right class and to each other class."""
    gap = _gap(classes, ridge)
    p = 1 / (1 + (classes - 1) * math.exp(-gap))
    return p, (1 - p) / (classes - 1)


def late_eigenvalues(classes: int, ridge: float, matrix: str) -> tuple[float, float]:
    """Outliers of a class's block at the fixed point: the top eigenvalue, and each of the k - 1 others."""
    p, q = probabilities(classes, ridge)
    pair = (p * (1 - p), q * (1 - q)) if matrix == "hessian" else ((1 - p) ** 2, q**2)
    return pair[0] / classes, pair[1] / classes


def noisy_top_share(classes: int, ridge: float, snr: float, matrix: str) -> float:
    """:func:`top_share` to first order in 1/lambda."""
    p, q = probabilities(classes, ridge)
    coupling = (
        (2 * p - 1) * p * q + (1 - 2 * q) * q * (1 - q) if matrix == "hessian" else 2 * (1 - p) * p * q + 2 * q**2 * (1 - q)
    )
    top, other = late_eigenvalues(classes, ridge, matrix)
    angle = math.sqrt(classes - 1) * _gap(classes, ridge) * coupling / (classes * snr) / (top - other)
    return top_share(classes) - angle / math.sqrt(classes)  # sqrt(1 - share^2) = 1/sqrt(k)


def _gap(classes: int, ridge: float) -> float:
    return float(brentq(lambda gap: gap * (math.exp(gap) + classes - 1) - 1 / ridge, 0, 1 + math.log1p(1 / ridge)))


def optimal_probability(neurons: int) -> float:
    """Probability that ``neurons`` independent uniform types are all four types: 3/32 for four neurons."""
    terms = [(-1) ** j * math.comb(TYPES, j) * (1 - j / TYPES) ** neurons for j in range(TYPES + 1)]
    return float(sum(terms))


def optimal_below(ridge: float) -> float:
    """The test loss halfway between four fitted clusters and three."""
    fitted = -math.log1p(-4 * ridge)
    return (7 * fitted + math.log(2)) / 8


def late_last_layer(ridge: float, matrix: str) -> float:
    """Each outlier of the last layer's block at the fixed point."""
    norm = math.log((1 - 4 * ridge) / (4 * ridge))
    return (ridge * (1 - 4 * ridge) if matrix == "hessian" else 4 * ridge**2) * norm
