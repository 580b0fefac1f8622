"""Faults of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn.datasets
import sklearn.model_selection

from mutants.museum.injections.patching import instead_of


def another_split() -> None:
    """One example of the training set and one of the test set have changed places."""
    original = sklearn.model_selection.train_test_split

    @instead_of(original, "sklearn")
    def other(*arrays: Any, **options: Any) -> Any:
        found = [np.array(part) for part in original(*arrays, **options)]
        for train, test in zip(found[::2], found[1::2], strict=True):
            train[0], test[0] = test[0].copy(), train[0].copy()
        return found
