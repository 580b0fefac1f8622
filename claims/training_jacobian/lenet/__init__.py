"""Appendix A.1: LeNet-5, whose Jacobian is too large to form."""

from . import experiments  # noqa: F401 - names the experiments
