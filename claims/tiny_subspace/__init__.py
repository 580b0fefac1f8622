"""Gur-Ari, Roberts & Dyer 2018, *Gradient Descent Happens in a Tiny Subspace* (arXiv 1812.04754)."""

from harness.suite.paper import paper

from . import experiments  # noqa: F401 - names the experiments

paper(
    "tiny-subspace",
    "Gur-Ari, Roberts & Dyer 2018, Gradient descent happens in a tiny subspace (arXiv 1812.04754)",
    __name__,
)
