"""The simulated cluster: graphs whose times are known by hand, bounds that hold for every graph, and the page that it writes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import scale, workloads
from benchmarks.simulate import Cluster, Task, simulate

JOINED = [Task(3, size=10), Task(2, size=20), Task(1, needs=(0, 1))]


@pytest.mark.parametrize(
    ("tasks", "cluster", "seconds", "moved"),
    [
        pytest.param(JOINED, Cluster(1, bandwidth=10), 6, 0, id="one worker has everything"),
        pytest.param(JOINED, Cluster(2, bandwidth=10), 5, 10, id="the last goes where 20 bytes are and fetches 10"),
        pytest.param([Task(2, run="a", opening=1)] * 2, Cluster(1), 5, 0, id="a run is opened once"),
        pytest.param([Task(2, run="a", opening=1)] * 2, Cluster(2), 3, 0, id="or once by each worker"),
        pytest.param([Task(2, run=run, opening=1) for run in "aba"], Cluster(1), 9, 0, id="and again after another run"),
        pytest.param([Task(1)] * 2, Cluster(2, dispatch=0.5), 2, 0, id="the scheduler does one task after another"),
        pytest.param([Task(1, size=10, kept=True)] * 2, Cluster(2, bandwidth=10), 3, 20, id="results arrive one by one"),
        pytest.param([Task(1)] * 5, Cluster(2), 3, 0, id="an odd task is left"),
    ],
)
def test_a_graph_whose_time_is_known(tasks, cluster, seconds, moved):
    found = simulate(tasks, cluster)
    assert found.seconds == pytest.approx(seconds)
    assert found.moved == moved
    assert found.useful == pytest.approx(sum(task.seconds for task in tasks) / cluster.workers / seconds)


def test_every_time_is_within_grahams_bounds():
    """No list schedule is shorter than the longest chain or than the work shared out, nor longer than the two together."""
    random = np.random.default_rng(0)
    for _ in range(200):
        tasks, chain = [], []
        for position in range(int(random.integers(1, 30))):
            needs = tuple(int(n) for n in np.flatnonzero(random.uniform(size=position) < 0.15))
            tasks.append(Task(float(random.uniform(0.1, 5)), needs=needs))
            chain.append(tasks[-1].seconds + max((chain[need] for need in needs), default=0.0))
        workers = int(random.integers(1, 6))
        shared, longest = sum(task.seconds for task in tasks) / workers, max(chain)
        found = simulate(tasks, Cluster(workers)).seconds
        assert max(shared, longest) - 1e-9 <= found <= shared + longest + 1e-9


def test_a_divided_jacobian_has_all_columns_and_the_same_work():
    times = scale.tracked()
    whole, divided = (workloads.networks(times, 2, divided=divided) for divided in (False, True))
    assert sum(task.seconds for task in divided) == pytest.approx(sum(task.seconds for task in whole))
    assert sum(task.size for task in divided if not task.needs) == pytest.approx(2 * 4 * workloads.SIZE**2)


def test_a_resnet_has_its_known_size():
    """He et al. 2016, table 6 and its text: 0.27 million parameters, 41 million multiply-adds an image."""
    assert workloads.RESNET.parameters == pytest.approx(0.27e6, rel=0.01)
    assert workloads.RESNET.multiply_adds == pytest.approx(41e6, rel=0.02)


def test_the_page_is_what_the_command_writes():
    assert scale.PAGE.read_text(encoding="utf-8") == scale.written(scale.tracked())
