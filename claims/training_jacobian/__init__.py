"""Belrose & Scherlis 2024, *Understanding Gradient Descent through the Training Jacobian* (arXiv 2412.07003)."""

from harness.suite.paper import paper

from . import experiments  # noqa: F401 - names the experiments

paper(
    "training-jacobian",
    "Belrose & Scherlis 2024, Understanding gradient descent through the training Jacobian (arXiv 2412.07003)",
    __name__,
    main=True,
)
