"""A user's network as an experiment with a name, so that claims ask for its runs as for a paper's runs."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from harness.errors import InvalidInput
from harness.runs import programs
from harness.runs.experiment import CATALOGUE, SCALES, register
from harness.runs.network_run import NetworkRun as Run

if TYPE_CHECKING:
    from harness.runs.network import Network

__all__ = ["NetworkExperiment", "Run", "known", "name_of"]


@dataclass(frozen=True, eq=False)
class NetworkExperiment:
    """A network with one seed.

    Attributes:
        source: the network, or a function that makes the network when it is first needed; the function's name names the
            experiment.
        seed: of its initial parameters, and of its random keys.
        precision: of training and J; "" is the network's own.
        scale: a network has one size, whatever the scale of a run.
    """

    source: Network | Callable[[], Network]
    seed: int = 0
    precision: str = ""
    scale: str = "own"
    fixed_seed: bool = False

    @property
    def name(self) -> str:
        return name_of(self.source)

    @property
    def network(self) -> Network:
        return _made(self.source, self.precision)

    def fingerprint(self) -> str:
        """Hash of theta_0 and of the traced programs; the name does not count."""
        return _digests(self.network, self.seed)[0]

    def identity(self) -> str:
        """The fingerprint up to rounding in double precision: other machines, which round differently, have the same."""
        return _digests(self.network, self.seed)[1]


def name_of(source: Network | Callable[[], Network]) -> str:
    """A network's name; ``my-net`` of a function ``my_net``."""
    return str(getattr(source, "__name__", "")).replace("_", "-") or source.name  # type: ignore[union-attr]


@lru_cache(maxsize=64)
def _made(source: Any, precision: str) -> Network:
    """The network, made once, under the source's name.

    Raises:
        InvalidInput: the function gives no network.
    """
    network = source() if hasattr(source, "__name__") else source
    if not hasattr(network, "on_white_noise"):
        raise InvalidInput(f"{name_of(source)} gives a {type(network).__name__}: return a harness.Network from it")
    changes = {"name": name_of(source)} | ({"precision": precision} if precision else {})
    same = all(getattr(network, field) == value for field, value in changes.items())
    return network if same else dataclasses.replace(network, **changes)


@lru_cache(maxsize=64)
def _digests(network: Network, seed: int) -> tuple[str, str]:
    """The fingerprint and the identity."""
    traced, start = network.programs(seed), network.initial(seed)
    contents = (traced.digest + programs.bits(start), traced.rounded + programs.bits(start, rounded=True))
    exact, rounded = (hashlib.sha256(content.encode()).hexdigest() for content in contents)
    return exact, rounded


def known(source: Network | Callable[[], Network]) -> str:
    """Register the network by its name at every scale, and return the name.

    Raises:
        InvalidInput: the source is not a network, or another experiment or network has that name.
    """
    if not (hasattr(source, "on_white_noise") or isinstance(source, FunctionType)):
        raise InvalidInput(f"on = {source!r}: give the name of an experiment, a harness.Network, or a function that makes one")
    made = NetworkExperiment(source)
    there = next(iter(CATALOGUE.get(made.name, {}).values()), None)
    if there is None:
        register(made.name, dict.fromkeys(SCALES, made))
    elif not isinstance(there, NetworkExperiment) or (there.source is not source and there.fingerprint() != made.fingerprint()):
        raise InvalidInput(f'the name {made.name!r} is taken by another experiment: give another, Network(name="...")')
    return made.name
