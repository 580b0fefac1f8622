"""Deliberate faults in the harness, and the checks that must see them: who tests the tests.

Every fault of ``faults.toml`` is one replacement in one file. :mod:`mutants.trial` applies it to a copy of the tree,
runs there the checks that must kill it and a few that must stay green, and judges what they say. The tree itself is not touched.
"""
