"""Two reports against each other: did a verdict change, did a number move, which stage moved first, is it chance?

Two questions, two answers. Reproducibility: are the stages of each run the same bits, the same within a rounding error that was
measured, or neither (:mod:`.differences`, :mod:`.localise`)? Exchangeability: could what a claim measured here be one
more draw from what the baseline's seeds give (:mod:`.exchange`)? Nothing here imports JAX.
"""

from harness.compare.comparison import ClaimChange, Comparison, Exit, compare

__all__ = ["ClaimChange", "Comparison", "Exit", "compare"]
