"""The paper's statements on networks that name no number, as claims on any network.

The paper's numbers are claims on the paper's network only. If a sentence compares, the reading compares. If the region for the
paper's network is ours, the region here is the same. Directions that training carries exactly are left out.
"""

from . import spectrum, linearity, predictions, dependence, confined  # noqa: F401, I001 - claims are listed in this order
