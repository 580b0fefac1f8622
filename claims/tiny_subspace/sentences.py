"""Sentences of the paper, word for word, that claims of several modules judge."""

STARTS_SMALL = "The fraction starts out small, but then quickly grows to a value close to 1"
PRESERVED = (
    "we see that after about t1 = 100 steps the overlap remains significant ... implying that the top subspace does not evolve much after a "
    "short period of training"
)
DECAYS = (
    "By contrast, the subspace spanned by the next k eigenvectors does not have this property: Even for large t1 the subspace overlap "
    "decays quickly in t2"
)
