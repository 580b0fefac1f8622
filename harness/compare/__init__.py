"""Two reports against each other: did a verdict change, did a number move, which stage moved first, is it chance?

There are two questions. Reproducibility: are the stages of each run the same bits, the same within a measured rounding error, or
neither (:mod:`.differences`, :mod:`.localise`)? Exchangeability: could a claim's value be one more draw from the distribution of
the baseline's seeds (:mod:`.exchange`)? Nothing here imports JAX.
"""

from harness.compare.comparison import ClaimChange, Comparison, Exit, compare

__all__ = ["ClaimChange", "Comparison", "Exit", "compare"]
