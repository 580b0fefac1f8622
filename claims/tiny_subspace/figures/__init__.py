"""Figures and Table 1 of the second paper (Gur-Ari, Roberts & Dyer 2018), on MNIST where the run had it and on digits."""

from . import gradient, overlap, spectrum, subspace

__all__ = ["gradient", "overlap", "spectrum", "subspace"]
