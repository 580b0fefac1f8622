"""A Dask cluster computes what a run will need, into the store; the run itself then finds it there.

Workers compute blocks of Jacobians, prepare experiments, measure claims with their controls, and measure rows of an atlas.
Verdicts, report and terminal stay with the run. So a run is the same with and without a cluster, and what a worker does not
deliver is computed by the run. Needs the extra ``cluster``.
"""
