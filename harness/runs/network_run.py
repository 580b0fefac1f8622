"""One training of a user's network with its measurements; each is computed when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import jax
import numpy as np

from harness.engine.streams import numpy_stream
from harness.engine.trees import unflatten
from harness.errors import InvalidInput, NotRun
from harness.measure import departure, function_jacobian, influence, outputs, overlap, response, restricted
from harness.measure.influence import Influence
from harness.runs import examples, network_hessian
from harness.runs.differentiated import CODE
from harness.runs.network_worlds import NetworkWorlds
from harness.runs.shown import NEAR, ShownSpectrum, hidden_by_rounding
from harness.runs.shown_measurements import (
    ShownFunctionOverlaps,
    ShownHistory,
    ShownInfluence,
    ShownOverlap,
    ShownResponses,
    ShownRestricted,
)

MOST_EXAMPLES = 200  # test examples that predictions are compared on
LEAST_BULK = 10  # directions; a median over fewer says nothing
FUNCTION_EXAMPLES = 600  # examples of the parameter-function Jacobian


class NetworkRun(NetworkWorlds):
    """A run of a :class:`harness.Network` with all measurements of it."""

    @cached_property
    def moved(self) -> Any:
        """|J v_i - v_i| of each initial-space direction, shape (N,)."""
        return departure.along_directions(self.spectrum)

    @cached_property
    def initial_test_loss(self) -> float:
        """Test loss before the first step."""
        return float(self.network.mean_loss(self._start, self.network.test))

    def tree(self, theta: Any) -> Any:
        """A parameter vector (N,) as the network's tree, in float64."""
        return unflatten(np.asarray(theta, np.float64), self.theta_0)

    @property
    def resolved_spectrum(self) -> ShownSpectrum:
        """The spectrum, if the run's precision tells which singular values are near one.

        Raises:
            NotRun: rounding hides them.
        """
        if hidden := hidden_by_rounding(self.spectrum.sigma, self.network.precision):
            raise NotRun(hidden)
        return self.spectrum

    @property
    def bulk(self) -> Any:
        """Indices of the singular directions within 0.1 of one, structural ones left out.

        Raises:
            NotRun: fewer than ten, too few for a statement; or rounding hides which they are.
        """
        found = self.resolved_spectrum.region(1 - NEAR, 1 + NEAR, structural=False)
        if len(found) < LEAST_BULK:
            raise NotRun(f"{len(found)} singular values of {self.size} are within {NEAR} of one: no bulk to measure on")
        return found

    @cached_property
    def bulk_responses(self) -> ShownResponses:
        """Responses along directions drawn from the bulk, both signs: 1 % of the number of all directions, but at least 24.

        Raises:
            NotRun: there is no bulk; :meth:`responses_along` takes any directions.
        """
        bulk, draw = self.bulk, numpy_stream(self.seed, "response-directions")
        return self.responses_along(np.sort(draw.choice(bulk, size=min(max(24, self.size // 100), len(bulk)), replace=False)))

    @cached_property
    def top_responses(self) -> ShownResponses:
        """Responses along v_1, both signs."""
        return self.responses_along([0])

    def responses_along(self, indices: Any, stimuli: Any = response.COARSE, signs: tuple[int, ...] = (1, -1)) -> ShownResponses:
        """f(theta_0 + s lambda v_i) - f(theta_0) for singular directions i, stimuli lambda and signs s."""

        def compute() -> Any:
            label = f"{self.label}: trainings along singular directions"
            precision, progress = self.network.precision, self.lab.progress
            return response.responses(
                self.training, self.theta_0, self.spectrum, indices, stimuli, signs, precision, progress, label
            )

        asked = {"directions": [int(i) for i in indices], "stimuli": [float(s) for s in stimuli], "signs": list(signs)}
        modules = (*CODE, response)
        return self.result("network-response", ShownResponses, compute, modules=modules, carried=self._carried_key, **asked)

    @cached_property
    def probe_inputs(self) -> dict[str, Any]:
        """Inputs on which predictions are compared: ``train`` and ``test`` examples, and ``white`` noise like the latter."""
        train, test = (jax.tree.map(lambda leaf: leaf[:MOST_EXAMPLES], self.network.data[part]) for part in (0, 2))
        return {"train": train, "test": test, "white": examples.white_noise(test, self.seed)}

    @cached_property
    def influence(self) -> ShownInfluence:
        """Effects, in nats, of a step along each u_i (``final``) and v_i (``initial``) on predictions on :attr:`probe_inputs`.

        The effect is the Kullback-Leibler divergence of the predicted distributions for classes, else half the squared change
        of outputs.
        """
        along: Any = influence.divergences if self.network.classes else outputs.squared_changes
        names, apply = tuple(self.probe_inputs), self._predict

        def compute() -> dict[str, Any]:
            found = []
            for side in influence.SIDES:
                label = f"{self.label}: predictions along {side} directions"
                directions = getattr(self.spectrum, side)
                found.append(along(apply, self.theta_T, directions, self.probe_inputs, self.lab.progress, label))
            return Influence(*found).arrays()

        held = self.arrays("network-influence", compute, modules=(*CODE, influence, outputs), carried=self._carried_key)
        return ShownInfluence(**vars(Influence.of_arrays(held, names)))

    def _predict(self, params: Any, x: Any) -> Any:
        return self.network.functions.apply(params, x, None)

    def overlap(self, other: NetworkRun, *, structural: bool = True) -> ShownOverlap:
        """Overlap of this run's bulk at k with the bulk of another run with as many parameters, over a grid of k.

        Args:
            structural: False leaves out the directions that training carries exactly, and their dimensions.

        Raises:
            InvalidInput: the other run has another number of parameters.
        """
        if other.size != self.size:
            raise InvalidInput(f"N = {self.size} and {other.size}: bulks can be compared where the parameters are as many")
        rest = None if structural else self._free_of_both(other)
        mine, theirs = (one._bulk_basis(rest) for one in (self, other))
        cross = mine.T @ theirs
        return ShownOverlap(**vars(overlap.overlap_curve(cross, _dimensions(len(cross), overlap.SHARES))))

    def _free_of_both(self, other: NetworkRun) -> Any:
        """The complement of the structural directions of the run that has more of them; white noise, for example, has none."""
        rests = [one._split[1] for one in (self, other) if one._split[1] is not None]
        return min(rests, key=lambda rest: rest.shape[1], default=None)

    def _bulk_basis(self, rest: Any) -> Any:
        """Singular directions by distance from one: all, or their parts in ``rest`` (N, n), orthonormal in that order."""
        order = self.spectrum.by_distance
        if rest is None:
            return self.spectrum.initial[:, order]
        return np.linalg.qr(rest.T @ self.spectrum.initial[:, order[~self.spectrum.structural[order]]])[0]

    @cached_property
    def function_jacobian(self) -> Any:
        """Singular values of the parameter-function Jacobian at theta_0 on up to 600 examples, ascending, shape (N,).

        The functions are log-probabilities for classes, else the outputs.
        """
        return self.function_overlaps.sigma["data"]

    @cached_property
    def function_overlaps(self) -> ShownFunctionOverlaps:
        """The parameter-function Jacobian at theta_0 beside the bulk, on up to 600 examples (``data``) and on ``noise``."""

        def compute() -> dict[str, Any]:
            x, _, x_test, _ = self.network.data
            pool = jax.tree.map(lambda test, train: np.concatenate([test, train])[:FUNCTION_EXAMPLES], x_test, x)
            found: dict[str, Any] = {}
            for name, inputs in {"data": pool, "noise": examples.white_noise(pool, self.seed)}.items():
                label = f"{self.label}: parameter-function Jacobian on {name}"
                gram = outputs.squared_jacobian(self._functions, self.theta_0, inputs, self.lab.progress, label)
                one = function_jacobian.beside(self.spectrum, gram, NEAR)
                found |= {f"{name}_{part}": value for part, value in one.items()}
            return found

        modules = (*CODE, function_jacobian, outputs)
        held = self.arrays("network-function-jacobian", compute, modules=modules, carried=self._carried_key)
        parts = ({name: held[f"{name}_{part}"] for name in ("data", "noise")} for part in ("sigma", "strength", "closeness"))
        return ShownFunctionOverlaps(*parts)

    def _functions(self, params: Any, x: Any) -> Any:
        found = self._predict(params, x)
        return jax.nn.log_softmax(found) if self.network.classes else found

    @cached_property
    def history(self) -> ShownHistory:
        """Top Hessian eigenpairs along training, twice as many as classes, at five times from the first step to the last.

        Raises:
            NotRun: labels are not classes.
        """

        def compute() -> Any:
            return network_hessian.history(self)

        return self.result("network-hessian", ShownHistory, compute, modules=(network_hessian,))

    @cached_property
    def restricted(self) -> ShownRestricted:
        """Test losses of training confined to subspaces, in their coordinates: regions of the spectrum, and ``random``."""

        def confined(basis: Any, masks: Any) -> Any:
            return restricted.restricted_losses(self.training, self._start, self.network.test, basis, masks)

        def compute() -> dict[str, Any]:
            masks = restricted.masks(self.spectrum, dimensions := _dimensions(self.size, restricted.SHARES))
            with self.lab.progress.stage(f"{self.label}: {5 * len(dimensions)} trainings in subspaces"):
                losses = confined(self.spectrum.initial, np.concatenate(list(masks.values())))
                basis = restricted.random_basis(self.size, numpy_stream(self.seed, "random-subspaces"))
                random = confined(basis, masks["chaotic"])
            found = {"dimensions": dimensions, "unrestricted": np.asarray(self.trained.test_loss), "random": random}
            return found | dict(zip(masks, np.split(losses, len(masks)), strict=True))

        held = dict(self.arrays("network-restricted", compute, modules=(*CODE, restricted), carried=self._carried_key))
        return ShownRestricted(held.pop("dimensions"), float(held.pop("unrestricted")), held)


def _dimensions(size: int, shares: Any) -> Any:
    """Shares of a dimension as distinct whole numbers from 1 on."""
    return np.unique(np.clip(np.round(size * np.array(shares)), 1, size).astype(int))
