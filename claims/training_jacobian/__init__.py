"""Belrose & Scherlis 2024, *Understanding Gradient Descent through the Training Jacobian* (arXiv 2412.07003)."""

import claims.experiments  # noqa: F401 - the experiments that these claims name
