"""How long large work takes on 10, 100 and 1000 workers, by simulation with measured times; writes docs/scale.md.

python -m benchmarks.scale              # from the times that are tracked
python -m benchmarks.scale --measure    # measure first what no run times, two minutes on two cores
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.simulate import Cluster, Task, simulate
from benchmarks.workloads import (
    BATCH,
    DEPTH,
    PAIR,
    PROBES,
    RESNET,
    RESNET_BATCH,
    RESNET_STEPS,
    SIZE,
    SPACES,
    Times,
    lenet,
    networks,
    resnet,
)
from claims.training_jacobian.lenet.experiments import FULL, PARTS, named
from claims.training_jacobian.lenet.network import SIZE as LENET_SIZE
from harness.engine.jacobian import BLOCK
from harness.runs.differentiated import BYTES

ROOT = Path(__file__).resolve().parents[1]
PAGE, TIMES, RECORD = ROOT / "docs" / "scale.md", ROOT / "benchmarks" / "scale.json", ROOT / "docs" / "run" / "times.json"
NETWORKS = 1000
WORKERS = (1, 10, 100, 1000)
BANDWIDTH = 1.25e9  # bytes a second, an assumption
SHORTEST = min(PARTS["images"])
LENET_STEPS = {"the shortest horizon's": SHORTEST, "the paper's": FULL.images // FULL.batch * FULL.epochs}
HEAD = "| workers | time | useful | moved |\n| ---: | ---: | ---: | ---: |"
NEXT = "\n"  # Python 3.11 has no backslash inside an f-string
UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1.0))


def tracked() -> Times:
    """The recorded times of a run from an empty store, and those of ``--measure``."""
    report = json.loads(RECORD.read_text(encoding="utf-8"))
    seconds = [one["seconds"] for one in report["experiments"] if one["name"] == "digits"]
    run = {name: statistics.median(one[name] for one in seconds) for name in ("training", "jacobian", "spectrum")}
    return Times(**run, **json.loads(TIMES.read_text(encoding="utf-8")))


def written(times: Times) -> str:
    """The page."""
    divided, whole = networks(times, NETWORKS), networks(times, NETWORKS, divided=False)
    count = len(divided) // NETWORKS - 1
    block, spectrum = divided[0], divided[count]
    decomposition, counts = lenet(times, 0)[-1], resnet(times)
    measured = f"measured, {times.machine}, {times.date}"
    facts = {
        f"training, N = {SIZE:,}": (f"{times.training:.2g} s", "measured: median of the seeds of `digits` in the recorded run"),
        f"J, N = {SIZE:,}": (f"{times.jacobian:.3g} s", "measured, likewise"),
        f"spectrum of J, N = {SIZE:,}": (f"{times.spectrum:.3g} s", "measured, likewise"),
        "opening a run at a worker, before its first block": (f"{times.opening:.2g} s", measured),
        "a column of LeNet-5's J, a step": (f"{1000 * times.column:.3g} ms", f"measured, likewise; batches of {BATCH}"),
        f"LeNet-5's J or J^T times {PAIR} vectors, a step": (
            f"{1000 * times.product:.3g} ms",
            "measured, likewise; with JAX's derivatives, as any network has them",
        ),
        "Dask's own time, a task": (f"{1000 * times.dispatch:.2g} ms", "measured, likewise"),
        f"a block of J, N = {SIZE:,}": (volume(block.size), f"computed: {BLOCK} columns, float32"),
        f"spectrum with vectors, N = {SIZE:,}": (volume(spectrum.size), "computed: both sides, float64"),
        "network": (f"{8 * BANDWIDTH / 1e9:.0f} Gbit/s", "assumed, into each machine"),
    }
    return f"""# What large work takes

Written by `python -m benchmarks.scale`, numbers and all. Nothing in its tables of workers was run on so many machines: a program
simulates the graph of tasks that [a cluster](cluster.md) would get, event by event (`benchmarks/simulate.py` has the rules).
A worker has two cores. The scheduler starts one task after another, and results arrive at the run one after another.

| | value | |
| --- | ---: | --- |
{lines((name, *fact) for name, fact in facts.items())}

*Useful* is the share of all workers' time in which they compute for the result. *Moved* is what goes over the network, results
to the run included.

## {NETWORKS:,} small networks

N = {SIZE:,}, with J and its spectrum: {len(divided):,} tasks, which are {count} blocks and a spectrum for each network. The last
column has one task for each network.

| workers | time | useful | moved | one task each |
| ---: | ---: | ---: | ---: | ---: |
{table(times, divided, whole)}

A worker opens a network before its first block of it. So dividing costs time as long as there are more networks than workers,
and pays where there are fewer: one network alone takes {alone(times, 1)} on one worker, and {alone(times, 10)} on ten.
The spectra, {volume(NETWORKS * spectrum.size)}, take {duration(NETWORKS * spectrum.size / BANDWIDTH)} to arrive, however many
workers there are.

## The dense Jacobian of LeNet-5

N = {LENET_SIZE:,}. The spectrum is one task. Its time is computed from the small network's by the cube of N:
{duration(decomposition.seconds)}. It takes {volume(BYTES * LENET_SIZE**2)} of memory on one machine, and leaves
{volume(decomposition.size)}.

{NEXT.join(of_lenet(times, whose, steps) for whose, steps in LENET_STEPS.items())}
Blocks spread over any number of workers. The spectrum does not: it is what is left.

## Counts of a ResNet, without its Jacobian

ResNet-20 on CIFAR-10 has {RESNET.parameters:,} weights and takes {RESNET.multiply_adds / 1e6:.1f} million multiply-adds an
image, counted from its shapes. It trains for {RESNET_STEPS} steps of {RESNET_BATCH} images, an epoch. A product with {PAIR}
vectors takes {duration(counts[0].seconds / 2)}: LeNet-5's measured time, times the ratio of the multiply-adds.
{DEPTH} block steps with {PROBES} probes are taken in each of {SPACES} Krylov spaces; {PAIR} probes are a task.
Sums over a space's own basis are left out.
Products are not tasks of a cluster yet: this is what they would take.

{HEAD}
{table(times, counts)}

Block steps come one after another, so more than {SPACES * PROBES // PAIR} workers find nothing to do. More workers help if a
product itself is shared out, or with more probes, for a narrower interval.
"""


def alone(times: Times, workers: int) -> str:
    """The time of one small network."""
    return duration(simulate(networks(times, 1), Cluster(workers, BANDWIDTH, times.dispatch)).seconds)


def of_lenet(times: Times, whose: str, steps: int) -> str:
    """J for a number of steps."""
    graph = lenet(times, steps)
    block = graph[0]
    what = f"J for {whose} {steps:,} steps: {len(graph) - 1} blocks of {duration(block.seconds)} and {volume(block.size)}."
    return f"{what}\n\n{HEAD}\n{table(times, graph)}\n"


def lines(rows: Iterable[Sequence[str]]) -> str:
    """Lines of a table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def table(times: Times, graph: list[Task], *also: list[Task]) -> str:
    """A line for each number of workers; further graphs of the same work add their time."""

    def row(workers: int) -> Iterator[str]:
        cluster = Cluster(workers, BANDWIDTH, times.dispatch)
        found = simulate(graph, cluster)
        yield from (f"{workers:,}", duration(found.seconds), f"{found.useful:.0%}", volume(found.moved))
        yield from (duration(simulate(other, cluster).seconds) for other in also)

    return lines(list(row(workers)) for workers in WORKERS)


def duration(seconds: float) -> str:
    """With three digits, in a fitting unit."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def volume(size: float) -> str:
    """Bytes in decimal units."""
    unit, length = next((one for one in UNITS if size >= one[1]), UNITS[-1])
    return f"{size / length:.3g} {unit}"


def measured() -> dict[str, Any]:
    """What no run times."""
    import datetime
    import os
    import tempfile

    import jax
    import numpy as np

    from harness.engine.jacobian import Columns
    from harness.engine.precision import exact_dtypes
    from harness.engine.products import TrainingProducts
    from harness.runs.lab import Lab
    from harness.runs.provenance import processor
    from harness.runs.store import Store

    with tempfile.TemporaryDirectory() as folder, exact_dtypes():
        store = Store(Path(folder))
        Lab(store).run("digits").compute_block(0)  # trains, and compiles what the store keeps
        openings = []
        for number in (1, 3, 5):
            run = Lab(store).run("digits")
            first, second = (took(partial(run.compute_block, (number + more) * BLOCK)) for more in (0, 1))
            openings.append(first - second)
        large = Lab(store, scale="large").run(named("images", SHORTEST))
        steps, width = large.training.steps, 16 * jax.local_device_count()
        columns = Columns(large.training, large.theta_0, block=width)
        columns.block(0)
        column = took(lambda: columns.block(width)) / width / steps
        # as a ResNet would have them
        products = TrainingProducts(replace(large.training, hessian=None), large.theta_0)
        pair = np.random.default_rng(0).standard_normal((LENET_SIZE, PAIR))
        once = [products.forward, products.adjoint]
        product = [[took(partial(multiply, pair)) for multiply in once] for _ in range(3)][1:]
    return {
        "opening": statistics.median(openings),
        "column": column,
        "product": float(np.median(product)) / steps,
        "dispatch": dispatch(),
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def dispatch(tasks: int = 1000) -> float:
    """Dask's time for an empty task of two processes, handed in one by one."""
    dask: Any = importlib.import_module("distributed")
    local = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with dask.LocalCluster(**local) as cluster, dask.Client(cluster) as client:
        client.gather(client.map(abs, range(tasks), pure=False))
        return took(lambda: client.gather([client.submit(abs, n, pure=False) for n in range(tasks)])) / tasks


def took(what: Callable[[], Any]) -> float:
    """Seconds of a call."""
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="measure first what no run times")
    if parser.parse_args().measure:
        TIMES.write_text(json.dumps(measured(), indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(written(tracked()), encoding="utf-8")


if __name__ == "__main__":
    main()
