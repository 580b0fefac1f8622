"""An atlas: a declared table of variants of a network, every claim for any network judged on each, and questions asked of all.

A paper brings the table; :func:`harness.report.atlas.command.main` sweeps it.
"""
