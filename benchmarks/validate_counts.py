"""Counts without J against the dense answer, at N = 4810: truth, interval, coverage and cost of every method.

    python -m benchmarks.validate_counts [--store DIR] [--seeds 8] [--first-seed 0] [--sets 1] [--small-lenet MNIST]

The same is done for cosines of the bulk, and for the contrast of two seeds' bulks. With a folder of MNIST's test images the
network is a small LeNet (``benchmarks/small_lenet.py``), with J in both precisions.
Singular vectors and values of the digits runs come from the store, which computes missing ones. They give J, so a product costs
nothing here. On seed 0 a product through training is timed, and compared with J.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import linalg, stats

import claims.training_jacobian.experiments  # noqa: F401 - names the experiments
from benchmarks import small_lenet
from harness.engine.counting import counts, near_one, tail, unmoved
from harness.engine.directions import bulk_and_complement, bulk_sample
from harness.engine.krylov import Dense, Krylov, displacement, gram, probes
from harness.engine.matrix_free import Compared
from harness.engine.precision import with_exact_dtypes
from harness.engine.products import TrainingProducts
from harness.engine.range_finder import RangeFinder
from harness.engine.streams import numpy_stream
from harness.engine.trees import cast
from harness.runs.lab import Lab
from harness.runs.store import Store
from harness.suite.verdict import CONFIDENCE

Matrix = np.ndarray[Any, Any]
# truth, estimate and interval by method, probes, products and delta
Rows = dict[tuple[str, int, int, float], list[tuple[float, float, float, float]]]
WIDTHS, DELTAS = (1, 2, 4), (0.01, 0.03, 0.1, 0.3)
PRODUCTS = (320, 640, 1280)  # with J and with J^T: a block step is one with each for every probe
DELTA = 0.1  # of the bulk that is sampled
SAMPLES = """| seed | mean cosine | from the sample | block steps | contrast with the next seed | estimate | interval | held |
|---|---|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--store", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sets", type=int, default=1, help="independent sets of probes a seed")
    parser.add_argument("--small-lenet", type=Path, metavar="MNIST", help="folder of MNIST's test images")
    given = parser.parse_args()
    if given.small_lenet:
        of_small_lenet(given)
        return
    lab = Lab(Store(given.store), scale="paper", seeds=given.seeds, first_seed=given.first_seed, every_seed=True)
    runs = lab.runs("digits")
    rows: Rows = {}
    for run in runs:
        # float32 gives squares to 1e-7 of sigma_1^2 = 400 or so: 4e-5, against delta^2 of 9e-4 or more
        spectrum, matrix = run.spectrum, dense(run.spectrum)
        moved = departures(matrix)
        for number, width in itertools.product(range(given.sets), WIDTHS):
            add(rows, width, matrix, spectrum.sigma, moved, run.experiment.seed, number)
        print(f"after seed {run.experiment.seed}:", flush=True)
        table(rows)
    print(SAMPLES)
    for run, other in itertools.pairwise(runs):
        sampled(run.spectrum, other.spectrum, run.experiment.seed)
    if given.seeds:
        through_training(runs[0])


def of_small_lenet(given: argparse.Namespace) -> None:
    """The table of the small LeNet, by the precision of products. Its largest singular value makes those in float32 rough.

    The Krylov basis is kept in float32 in both.
    """
    net = small_lenet.network(given.small_lenet)
    rows: Rows = {}
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        spectrum = net.run(seed, store=Store(given.store)).spectrum
        print(f"seed {seed}: sigma_1 = {spectrum.sigma[0]:.4g}", flush=True)
        matrix = dense(spectrum, np.float64)
        moved = departures(matrix)
        for precision in (np.float32, np.float64):
            rounded, what = matrix.astype(precision), f" of J in {precision.__name__}"
            for number, width in itertools.product(range(given.sets), WIDTHS):
                add(rows, width, rounded, spectrum.sigma, moved, seed, number, what)
        table(rows)


def departures(matrix: Matrix) -> Matrix:
    """Singular values of J - I, ascending."""
    shifted = matrix - np.eye(len(matrix), dtype=matrix.dtype)
    return np.asarray(np.sqrt(np.maximum(linalg.eigvalsh(shifted.T @ shifted, overwrite_a=True), 0)))


def dense(spectrum: Any, precision: type = np.float32) -> Matrix:
    """J."""
    return (np.asarray(spectrum.final) * spectrum.sigma @ np.asarray(spectrum.initial).T).astype(precision)


def sampled(spectrum: Any, other: Any, seed: int) -> None:
    """Cosines of a sample of the bulk, and its contrast with another seed's bulk, beside the answers of the dense vectors."""
    bulk, other_bulk = (np.abs(one.sigma - 1) < DELTA for one in (spectrum, other))
    cosine = float(np.average(spectrum.cosines[bulk], weights=spectrum.sigma[bulk]))
    squares = (np.asarray(spectrum.initial).T @ np.asarray(other.initial)[:, other_bulk]) ** 2
    shares = np.sum(squares, axis=1)
    truth = float(shares[bulk].mean() - shares[~bulk].mean())
    products, operator = Dense(dense(spectrum)), gram(Dense(dense(other)))
    width = max(WIDTHS)
    depths = [number // (2 * width) for number in PRODUCTS]
    krylov = Krylov.start(probes(len(bulk), width, numpy_stream(seed, "validate-sample")))
    for _ in range(depths[-1]):  # half as many do not resolve this bulk
        krylov.extend(gram(products))
    cosines, (inside, outside) = bulk_sample(krylov, products, DELTA).cosines, bulk_and_complement(krylov, DELTA)
    found = Compared(DELTA, float(bulk.mean()), CONFIDENCE, Krylov.start(inside), Krylov.start(outside))
    for depth in range(1, depths[-1] + 1):
        for space in (found.inside, found.outside):
            space.extend(operator)
        if depth in depths:
            contrast = found.contrast
            held = "yes" if contrast.low <= truth <= contrast.high else "no"
            print(f"| {seed} | {cosine:.4f} | {cosines.mean():.4f} +- {cosines.std(ddof=1) / 2:.4f} | {depth} ", end="")
            print(f"| {truth:.3f} | {contrast.estimate:.3f} | [{contrast.low:.3f}, {contrast.high:.3f}] | {held} |", flush=True)


def add(rows: Rows, width: int, matrix: Matrix, sigma: Matrix, moved: Matrix, seed: int, number: int, what: str = "") -> None:
    """Counts of every method on one matrix with one set of probes, beside the truth. The range finder takes two or more."""
    size, products = len(sigma), Dense(matrix)
    for name, operator in (("gram", gram(products)), ("displacement", displacement(products))):
        krylov = Krylov.start(probes(size, width, numpy_stream(seed, f"validate-{name}-{number}")))
        for spent in range(2 * width, max(PRODUCTS) + 1, 2 * width):
            krylov.extend(operator)
            if spent not in PRODUCTS:
                continue
            if name == "gram":
                got = {found.delta: found.inside for found in near_one(krylov, DELTAS, confidence=CONFIDENCE)}
                truth = {delta: float(np.mean(np.abs(sigma - 1) < delta)) for delta in DELTAS}
            else:
                got = dict(zip(DELTAS, unmoved(krylov, DELTAS, confidence=CONFIDENCE), strict=True))
                truth = {delta: float(np.mean(moved < delta)) for delta in DELTAS}
            for delta in DELTAS:
                found = got[delta]
                rows.setdefault((name + what, width, spent, delta), []).append(
                    (truth[delta], found.estimate, found.low, found.high)
                )
    if width < 2:
        return
    finder = RangeFinder(size, width)
    for spent in range(2 * width, max(PRODUCTS) + 1, 2 * width):
        finder.advance(products, numpy_stream(seed, f"validate-range-{number}-{spent // (2 * width)}"), {})
        if spent in PRODUCTS:
            values, missed = finder.decomposition()[0], tail(finder.missed, confidence=CONFIDENCE)
            for delta in DELTAS:
                estimate, least, most = (count / size for count in counts(values, size, missed, delta).inside)
                truth_inside = float(np.mean(np.abs(sigma - 1) < delta))
                rows.setdefault((f"range{what}", width, spent, delta), []).append((truth_inside, estimate, least, most))


def table(rows: Rows) -> None:
    """Truth, estimate, interval and coverage, a line a method, number of probes, number of products and delta."""
    print("| method | probes | products | delta | truth | estimate | interval, mean ends | covered | coverage at least |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, width, spent, delta), found in rows.items():
        truth, estimate, low, high = np.array(found).T
        hits, n = int(np.count_nonzero((low <= truth) & (truth <= high))), len(found)
        bound = stats.binomtest(hits, n).proportion_ci(0.95, method="exact").low
        middle = f"{truth.mean():.3f} | {estimate.mean():.3f} | [{low.mean():.3f}, {high.mean():.3f}]"
        print(f"| {name} | {width} | {spent} | {delta} | {middle} | {hits} of {n} | {bound:.2f} |")


@with_exact_dtypes
def through_training(run: Any) -> None:
    """Products through the trajectory: their error against the dense J, and their cost."""
    products = TrainingProducts(run.training, cast(run.theta_0, run.experiment.precision))
    spectrum = run.spectrum
    for width in (4, 32):
        block = numpy_stream(0, "validate-price").standard_normal((products.size, width))
        pushed, pulled = products.forward(block), products.adjoint(block)
        started = time.perf_counter()
        products.forward(block)
        products.adjoint(block)
        seconds = time.perf_counter() - started
        dense = np.asarray(spectrum.final) @ (spectrum.sigma[:, None] * (np.asarray(spectrum.initial).T @ block))
        back = np.asarray(spectrum.initial) @ (spectrum.sigma[:, None] * (np.asarray(spectrum.final).T @ block))
        errors = (np.linalg.norm(pushed - dense) / np.linalg.norm(dense), np.linalg.norm(pulled - back) / np.linalg.norm(back))
        dots = np.abs(np.sum(block * pushed, axis=0) - np.sum(pulled * block, axis=0)) / np.linalg.norm(pushed, axis=0)
        dot = float(np.max(dots / np.linalg.norm(block, axis=0)))
        price = f"{1000 * seconds / 2 / width:.1f} ms a product of {products.steps} steps"
        shown = f"error of J v {errors[0]:.1e}, of J^T w {errors[1]:.1e}, of dot products {dot:.1e}"
        print(f"{width} columns: {price}; {shown}", flush=True)


if __name__ == "__main__":
    main()
