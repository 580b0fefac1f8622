"""LeNet-5's whole training Jacobian, formed on an accelerator, and its singular values counted with thousands of Lanczos steps.

    python -m benchmarks.form_lenet run MNIST DIR --world images --steps 240
    python -m benchmarks.form_lenet table benchmarks/records/lenet-5-240.npz

``run`` takes a folder with MNIST's test images. It leaves 15 GB of blocks of J in DIR, with which an interrupted run goes on, and
``krylov.npz``: the coefficients of block Lanczos on J^T J. ``table`` counts from such a file, which is all that has to be kept.

The tracked record's J was formed by ``form`` on an NVIDIA H200. Its Lanczos steps were taken there by the same recurrence, in
float64 throughout, in PyTorch; ``run`` was not run at that size.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from claims.training_jacobian.lenet.experiments import PARTS, named
from harness.engine.counting import near_one
from harness.engine.formed import WIDTH, Formed, form
from harness.engine.krylov import Basis, Krylov, gram, probes
from harness.engine.streams import numpy_stream
from harness.errors import DecompositionFailed, InvalidInput
from harness.runs.lab import Lab
from harness.suite.verdict import CONFIDENCE

CHECKED, AGREE = 16, 1e-4  # vectors along which J is compared with products through training, and their largest difference
DEPTHS = (100, 200, 400, 800, 1500)
SHOWN = (0.1, 0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run")
    run.add_argument("mnist", type=Path)
    run.add_argument("folder", type=Path)
    run.add_argument("--world", choices=PARTS, default="images")
    run.add_argument("--steps", type=int, default=240, help="of training")
    run.add_argument("--width", type=int, default=WIDTH, help="columns a block of J")
    run.add_argument("--depth", type=int, default=DEPTHS[-1], help="Lanczos steps with two probes")
    shown = actions.add_parser("table")
    shown.add_argument("record", type=Path)
    shown.add_argument("--depths", type=int, nargs="+", default=DEPTHS)
    given = parser.parse_args()
    if given.action == "table":
        table(load(given.record), given.depths)
        return
    started = time.perf_counter()

    def note(text: str) -> None:
        print(f"{time.perf_counter() - started:7.1f} s: {text}", flush=True)

    table(formed_and_counted(given, note), [depth for depth in DEPTHS if depth <= given.depth])


def formed_and_counted(given: argparse.Namespace, note: Callable[[str], None]) -> Krylov:
    """The Krylov space of J^T J, which is also saved."""
    run = Lab(scale="large", seeds=1, options={"mnist": given.mnist}).run(named(given.world, given.steps))
    products = run.products
    note(f"trained on {run.images.origin}, {run.steps} steps")
    key = {"experiment": run.experiment.fingerprint(), "data": run.images.digest}
    form(products, run.size, given.folder, key, width=given.width, report=lambda columns: note(f"{columns} columns of J"))
    formed = Formed(given.folder, run.size)
    w = numpy_stream(0, "form-lenet").standard_normal((run.size, CHECKED))
    whole, through = formed.adjoint(w), products.adjoint(w)
    off = float(np.linalg.norm(whole - through) / np.linalg.norm(whole))
    if not off <= AGREE:
        raise DecompositionFailed(f"J^T w by J and through training differ by {off:.2g} of its length, allowed {AGREE:.2g}")
    note(f"J^T w by J and through training differ by {off:.2g} of its length")
    krylov = Krylov.start(probes(run.size, 2, numpy_stream(0, "form-lenet-probes")))
    while krylov.depth < given.depth:
        krylov.extend(gram(formed))
    about = json.dumps({"world": given.world, "steps": run.steps, "images": run.images.origin, "size": run.size})
    np.savez_compressed(given.folder / "krylov.npz", diagonal=krylov.diagonal, below=krylov.below, about=about)
    note(f"{krylov.depth} Lanczos steps")
    return krylov


def load(record: Path) -> Krylov:
    """The Krylov space of a record, without its vectors."""
    with np.load(record) as held:
        size = json.loads(str(held["about"]))["size"]
        return Krylov(Basis(size, held["below"].shape[1]), list(held["diagonal"]), list(held["below"]))


def first_steps(krylov: Krylov, depth: int) -> Krylov:
    """The space after its first ``depth`` block steps.

    Raises:
        InvalidInput: it has fewer.
    """
    if depth > krylov.depth:
        raise InvalidInput(f"--depths {depth}: the record has {krylov.depth} block steps")
    return Krylov(krylov.blocks, krylov.diagonal[:depth], krylov.below[:depth])


def table(krylov: Krylov, depths: list[int]) -> None:
    """Shares of singular values of J by the number of Lanczos steps, in per cent."""
    print("| block steps | " + " | ".join(f"within {delta} | above | below" for delta in SHOWN) + " |")
    print("|---|" + "---|" * 3 * len(SHOWN))
    for depth in depths:
        found = near_one(first_steps(krylov, depth), SHOWN, confidence=CONFIDENCE)
        cells = [
            f"{100 * s.estimate:.1f} [{100 * s.low:.1f}, {100 * s.high:.1f}]" for c in found for s in (c.inside, c.above, c.below)
        ]
        print(f"| {depth} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
