"""Columns a device works on at once: set by the cache on a CPU, by the memory on an accelerator."""

from types import SimpleNamespace

import numpy as np
import pytest

from harness.engine import devices


def device(platform, **stats):
    return SimpleNamespace(platform=platform, memory_stats=lambda: stats)


@pytest.mark.parametrize(
    ("size", "dtype", "cache", "expected"),
    [
        (610, "float32", 2**20, 32),
        (4810, "float64", 2**20, 32),
        (10_210, "float64", 2**20, 16),
        (4810, "float32", 2**18, 16),
        (61_706, "float32", 2**20, 8),
    ],
)
def test_a_cpu_is_given_what_fits_twice_its_cache(monkeypatch, size, dtype, cache, expected):
    monkeypatch.setattr(devices.os, "sysconf", lambda name: cache)
    assert devices.columns([np.zeros(size, dtype)], device("cpu")) == expected


def test_a_cache_that_is_not_told_is_taken_as_one_mebibyte(monkeypatch):
    for answer in (0, -1):
        monkeypatch.setattr(devices.os, "sysconf", lambda name, answer=answer: answer)
        assert devices.second_level_cache() == 2**20

    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(devices.os, "sysconf", unknown)
    assert devices.second_level_cache() == 2**20


def test_an_accelerator_is_given_a_share_of_its_memory():
    theta = [np.zeros(4810, "float32")]
    assert devices.columns(theta, device("gpu", bytes_limit=2**37)) == 1024
    assert devices.columns(theta, device("gpu", bytes_limit=2**27)) == 64
    assert devices.columns([np.zeros(10**6, "float32")], device("gpu")) == 32
