"""Ways to count the singular values near one of LeNet-5's J, compared on the spectrum that a record has measured.

    python -m benchmarks.estimators benchmarks/records/lenet-5-240.npz

A diagonal operator has this spectrum, so that a product costs nothing and the truth is known. Block Lanczos is compared by its
number of probes; with the leading eigenvectors known beforehand, which is more than any deflation can know; and with a Chebyshev
filter of the same number of products.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.form_lenet import first_steps, load
from harness.engine.counting import within
from harness.engine.krylov import Krylov, probes
from harness.engine.streams import numpy_stream
from harness.suite.verdict import CONFIDENCE

DELTA = 0.1
DEPTH = 1500  # of the record's Lanczos steps that are used
CONVERGED = 1e-6  # residual over value of a Ritz value that counts as an eigenvalue
PRODUCTS = (400, 800, 1600, 3200)
WIDTHS, DEFLATED = (1, 2, 4), (64, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("record", type=Path)
    given = parser.parse_args()
    squares = spectrum(load(given.record))
    near = float(np.mean(np.abs(np.sqrt(squares) - 1) < DELTA))
    print(f"{len(squares)} singular values, largest {np.sqrt(squares[0]):.5g}; within {DELTA} of one: {100 * near:.2f} %\n")
    print("| method | " + " | ".join(f"{number} products" for number in PRODUCTS) + " |")
    print("|---|" + "---|" * len(PRODUCTS))
    for width in WIDTHS:
        row(f"block Lanczos, probes: {width}", lanczos(squares, width, 0))
    for count in DEFLATED:
        row(f"2 probes, {count} leading vectors known", lanczos(squares, 2, count))
    row("Chebyshev filter, Jackson's damping", [f"{100 * chebyshev(squares, number // 2):.1f}" for number in PRODUCTS])


def row(name: str, cells: list[str]) -> None:
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def spectrum(krylov: Krylov) -> Any:
    """Eigenvalues of J^T J, descending: the record's converged Ritz values, and quantiles of the quadrature for all others."""
    first = first_steps(krylov, DEPTH)
    values, vectors, residuals = first.ritz()
    leading = int(np.argmax(np.append(residuals > CONVERGED * values, True)))
    weights = np.mean(vectors[: first.width, leading:] ** 2, axis=0)
    rest = krylov.blocks.size - leading
    at = (np.cumsum(weights) - weights / 2) / weights.sum()
    found = np.interp((np.arange(rest) + 0.5) / rest, at, np.maximum(values[leading:], 0))
    return np.concatenate([values[:leading], found])


def lanczos(squares: Any, width: int, known: int) -> list[str]:
    """Intervals by the number of products. The ``known`` leading vectors are left out of the operator, and counted."""
    left = squares[known:]
    share = len(left) / len(squares)
    krylov = Krylov.start(probes(len(left), width, numpy_stream(0, f"estimators-{width}")))

    def operator(block: Any) -> Any:
        return left[:, None] * block

    cells = []
    for number in PRODUCTS:
        while krylov.depth < number // (2 * width):
            krylov.extend(operator)
        found = within(krylov, DELTA, confidence=CONFIDENCE)
        cells.append("{:.1f} [{:.1f}, {:.1f}]".format(*(100 * share * end for end in (found.estimate, found.low, found.high))))
    return cells


def chebyshev(squares: Any, degree: int) -> float:
    """The share of eigenvalues that a Chebyshev expansion of the bulk's indicator counts, without the noise of probes."""
    highest = squares[0]
    edges = np.arccos(np.clip(2 * np.array([(1 - DELTA) ** 2, (1 + DELTA) ** 2]) / highest - 1, -1, 1))
    orders = np.arange(1, degree + 1)
    coefficients = 2 / np.pi * (np.sin(orders * edges[0]) - np.sin(orders * edges[1])) / orders
    step = np.pi / (degree + 2)
    damping = (
        (1 - orders / (degree + 2)) * np.sin(step) * np.cos(orders * step) + np.cos(step) * np.sin(orders * step) / (degree + 2)
    ) / np.sin(step)
    angles = np.arccos(np.clip(2 * squares / highest - 1, -1, 1))
    total = np.full(len(squares), (edges[0] - edges[1]) / np.pi)
    for order, coefficient in zip(orders, coefficients * damping, strict=True):
        total += coefficient * np.cos(order * angles)
    return float(total.mean())


if __name__ == "__main__":
    main()
