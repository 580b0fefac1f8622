"""Large work as graphs of tasks: many small networks, LeNet-5's dense Jacobian, counts of a ResNet from products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.simulate import Task, work
from claims.training_jacobian.lenet.experiments import LeNetExperiment
from claims.training_jacobian.lenet.network import SHAPES
from claims.training_jacobian.lenet.network import SIZE as LENET_SIZE
from harness.engine.jacobian import BLOCK

SIZE = 4810  # parameters of the paper's small network
BATCH, RESNET_BATCH = LeNetExperiment("").batch, 128
RESNET_STEPS = 50_000 // RESNET_BATCH  # an epoch of CIFAR-10
PROBES, SPACES, DEPTH = 4, 2, 160  # vectors of each Krylov space, J^T J's and (J - I)^T (J - I)'s; block steps
PAIR = 2  # vectors of a task: one for each core of a worker


@dataclass(frozen=True)
class Net:
    """A convolutional network: positions, inputs and outputs of each layer."""

    layers: tuple[tuple[int, int, int], ...]

    @property
    def parameters(self) -> int:
        """Weights, without biases."""
        return sum(inputs * outputs for _, inputs, outputs in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of one image forward."""
        return sum(positions * inputs * outputs for positions, inputs, outputs in self.layers)


LENET = Net(((28**2, 25, 6), (10**2, 150, 16), *((1, inputs, outputs) for inputs, outputs in SHAPES[2:])))
# ResNet-20 of He et al. 2016: three stages of six convolutions of 3 x 3, of 16, 32 and 64 channels on 32, 16 and 8 pixels a side
_STAGES = ((32**2, 16, 16), (16**2, 16, 32), (8**2, 32, 64))
RESNET = Net(
    (
        (32**2, 27, 16),
        *((place, 9 * (before if first else after), after) for place, before, after in _STAGES for first in (1, 0, 0, 0, 0, 0)),
        (1, 64, 10),
    )
)


@dataclass(frozen=True)
class Times:
    """Measured seconds on two cores.

    Attributes:
        training, jacobian, spectrum: of the small network, medians over the seeds of the tracked run.
        opening: a worker's for the first block of a run, beyond the block's own.
        column: of LeNet-5 for a column of J and step.
        product: of LeNet-5 for a product with J or J^T of two vectors, and step.
        dispatch: Dask's for an empty task.
        machine, date: of the last four.
    """

    training: float
    jacobian: float
    spectrum: float
    opening: float
    column: float
    product: float
    dispatch: float
    machine: str
    date: str


def blocks(size: int, seconds: float, run: str, opening: float, kept: bool = True) -> Iterator[Task]:
    """The blocks of a dense J that takes ``seconds`` in all, float32."""
    for first in range(0, size, BLOCK):
        columns = min(BLOCK, size - first)
        yield Task(seconds * columns / size, 4 * size * columns, run=run, opening=opening, kept=kept)


def dense(size: int, jacobian: float, spectrum: float, run: str, opening: float, at: int = 0) -> list[Task]:
    """J by blocks, then its spectrum with both sides' vectors, float64; the first task has position ``at``."""
    columns = list(blocks(size, jacobian, run, opening))
    needs = tuple(range(at, at + len(columns)))
    return [*columns, Task(spectrum, 8 * (2 * size**2 + size), needs, kept=True)]


def networks(times: Times, count: int, *, divided: bool = True) -> list[Task]:
    """Small networks; a network is one task unless its Jacobian is ``divided``."""
    tasks: list[Task] = []
    for number in range(count):
        one = dense(SIZE, times.training + times.jacobian, times.spectrum, str(number), times.opening, len(tasks))
        tasks += one if divided else [Task(work(one), one[-1].size, run=str(number), opening=times.opening, kept=True)]
    return tasks


def lenet(times: Times, steps: int) -> list[Task]:
    """The dense J of LeNet-5; the time of its spectrum grows with the cube of N."""
    spectrum = times.spectrum * (LENET_SIZE / SIZE) ** 3
    return dense(LENET_SIZE, times.column * steps * LENET_SIZE, spectrum, "LeNet-5", times.opening)


def resnet(times: Times) -> list[Task]:
    """Block steps of both Krylov spaces: each needs the vectors of all tasks of the step before."""
    product = RESNET_STEPS * times.product * RESNET.multiply_adds * RESNET_BATCH / (LENET.multiply_adds * BATCH)
    one = Task(2 * product, 8 * PAIR * RESNET.parameters, run="ResNet-20", opening=times.opening)
    tasks: list[Task] = []
    last: list[tuple[int, ...]] = [()] * SPACES
    for _ in range(DEPTH):
        for space, needs in enumerate(last):
            first = len(tasks)
            tasks += [replace(one, needs=needs)] * (PROBES // PAIR)
            last[space] = tuple(range(first, len(tasks)))
    return tasks
