"""Figures 1 to 6 of the training-Jacobian paper (Belrose & Scherlis 2024), its appendix's figures, and four of our own."""

from . import confined, identity, influence, lenet, response, spectrum, subspaces

__all__ = ["confined", "identity", "influence", "lenet", "response", "spectrum", "subspaces"]
