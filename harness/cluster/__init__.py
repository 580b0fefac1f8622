"""A Dask cluster computes what a run will need, into the store; the run itself then finds it there.

Workers prepare experiments and measure claims and their controls; verdicts, report and terminal stay with the run. So a run on a
cluster and one without it are the same run, and what a worker does not deliver is computed by the run. Needs the extra
``cluster``.
"""
