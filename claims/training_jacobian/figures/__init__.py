"""Figures 1 to 6 of the training-Jacobian paper (Belrose & Scherlis 2024)."""

from . import confined, influence, response, spectrum, subspaces

__all__ = ["confined", "influence", "response", "spectrum", "subspaces"]
