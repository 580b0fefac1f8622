"""The worlds beside a run of a user's network: the same seed on noise, with other labels, another loss, or no training.

They are the controls of claims: a claim that holds on the network's own data must come out otherwise in one of these.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import InvalidInput, NotFinite, NotRun
from harness.runs.differentiated import DifferentiatedRun

if TYPE_CHECKING:
    from harness.runs.network import Network
    from harness.runs.network_run import NetworkRun

DRAWS = 1000  # distance between the seeds of two draws of a world, so that no two seeds of a run share a draw


class NetworkWorlds(DifferentiatedRun):
    """A run of a :class:`harness.Network` with its counterparts in other worlds; each is trained when it is first asked for."""

    def beside(self, network: Network) -> NetworkRun:
        """The run of a changed network with this run's seed, in the same lab."""
        found: NetworkRun = self.lab.open(dataclasses.replace(self.experiment, source=network, precision=""))
        return found

    @cached_property
    def white_noise(self) -> NetworkRun:
        """On white noise in place of the training inputs; each seed has its own."""
        return self.beside(self.network.on_white_noise(self.seed))

    @cached_property
    def more_white_noise(self) -> NetworkRun:
        """On another draw of white noise."""
        return self.beside(self.network.on_white_noise(self.seed + DRAWS))

    @cached_property
    def gaussian_inputs(self) -> NetworkRun:
        """On Gaussian inputs with the training inputs' mean and covariance.

        Raises:
            NotRun: the inputs are whole numbers.
        """
        return self.beside(_changed(self.network.with_gaussian_inputs, self.seed))

    @cached_property
    def shuffled_labels(self) -> NetworkRun:
        """With the training labels in another order; each seed has its own."""
        return self.beside(self.network.with_shuffled_labels(self.seed))

    @cached_property
    def another_order(self) -> NetworkRun:
        """With its examples in another order."""
        return self.beside(self.network.with_another_order(self.seed + DRAWS))

    @cached_property
    def squared_error(self) -> NetworkRun:
        """With half the squared distance of the outputs from the one-hot label as its loss.

        Raises:
            NotRun: the outputs are no scores of classes, or the training diverges with it.
        """
        found = self.beside(_changed(self.network.with_squared_error))
        try:
            found.trained  # noqa: B018
        except NotFinite as error:
            raise NotRun(str(error)) from error
        return found

    @cached_property
    def untrained(self) -> NetworkRun:
        """Without training: J = I."""
        return self.beside(self.network.untrained())


def _changed(change: Any, *arguments: Any) -> Any:
    """The changed network.

    Raises:
        NotRun: the network has no such counterpart.
    """
    try:
        return change(*arguments)
    except InvalidInput as error:
        raise NotRun(str(error)) from error
