"""The museum: real regressions of numerical libraries, which the suite must catch and name, and harmless changes.

``mutants/field.toml`` lists them, each with the public report that it stands for. :mod:`mutants.museum.run` runs the suite with
one of them in place, :mod:`mutants.museum.judgement` says whether it was caught, and by what name.
"""
