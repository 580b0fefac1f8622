"""Figures of the third paper's claims (Ben Arous, Gheissari, Huang & Jagannath 2024), whose own figures are not at hand."""

from . import mixture, xor

__all__ = ["mixture", "xor"]
