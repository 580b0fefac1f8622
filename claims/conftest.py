"""Hypothesis profiles for this folder's properties."""

from harness.strategies import register_profiles

register_profiles()
