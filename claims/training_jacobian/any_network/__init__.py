"""What the paper says of networks without naming a number of its own, as claims on any network.

The paper's numbers stay with the paper's network. Where a sentence compares, the reading compares; where the suite's reading of the
paper's network has a region that is ours, the region is the same here. Directions that training carries exactly are left out.
"""

from . import spectrum, linearity, predictions, dependence, confined  # noqa: F401, I001 - claims are listed in this order
