"""Ben Arous, Gheissari, Huang & Jagannath 2024, *High-dimensional SGD Aligns with Emerging Outlier Eigenspaces* (ICLR 2024)."""

from harness.suite.paper import paper

from . import experiments  # noqa: F401 - names the experiments

paper(
    "outlier-eigenspaces",
    "Ben Arous, Gheissari, Huang & Jagannath 2024, High-dimensional SGD aligns with emerging outlier eigenspaces (ICLR 2024)",
    __name__,
)
