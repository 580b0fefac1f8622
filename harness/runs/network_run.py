"""One training of a network of one's own, and what is measured of it; everything is computed when it is first asked for."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any

import jax
import numpy as np

from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput
from harness.measure import function_jacobian, influence, outputs, overlap, response, restricted
from harness.measure.influence import Divergences
from harness.measure.overlap import OverlapCurve
from harness.measure.response import Responses
from harness.measure.restricted import Restricted
from harness.runs import examples
from harness.runs.differentiated import CODE, DifferentiatedRun
from harness.runs.shown import NEAR

MOST_EXAMPLES = 200  # test examples that predictions are compared on
FUNCTION_EXAMPLES = 600  # examples of the parameter-function Jacobian


class NetworkRun(DifferentiatedRun):
    """A run of a :class:`harness.Network` with all measurements of it."""

    @cached_property
    def responses(self) -> Responses:
        """Responses along directions drawn from the bulk, both signs: one in a hundred of all, and 24 at least."""
        bulk = self.spectrum.region(1 - NEAR, 1 + NEAR)
        if not len(bulk):
            raise InvalidInput(f"{self.label}: no singular value lies within {NEAR} of one; use run.responses_along([0, 1])")
        draw = numpy_stream(self.seed, "response-directions")
        return self.responses_along(np.sort(draw.choice(bulk, size=min(max(24, self.size // 100), len(bulk)), replace=False)))

    def responses_along(self, indices: Any, stimuli: Any = response.COARSE, signs: tuple[int, ...] = (1, -1)) -> Responses:
        """f(theta_0 + s lambda v_i) - f(theta_0) for singular directions i, stimuli lambda and signs s."""

        def compute() -> Responses:
            label = f"{self.label}: trainings along singular directions"
            precision, progress = self.network.precision, self.lab.progress
            return response.responses(
                self.training, self.theta_0, self.spectrum, indices, stimuli, signs, precision, progress, label
            )

        asked = {"directions": [int(i) for i in indices], "stimuli": [float(s) for s in stimuli], "signs": list(signs)}
        return self.result("network-response", Responses, compute, modules=(*CODE, response), carried=self._carried_key, **asked)

    @cached_property
    def probe_inputs(self) -> dict[str, Any]:
        """Inputs that predictions are compared on: ``test`` examples, and ``white`` noise of their mean and deviation."""
        test = jax.tree.map(lambda leaf: leaf[:MOST_EXAMPLES], self.network.data[2])
        return {"test": test, "white": examples.white_noise(test, self.seed)}

    @cached_property
    def influence(self) -> dict[str, Divergences]:
        """What a step along each u_i (``final``) and each v_i (``initial``) does to predictions, in nats.

        For classes it is the Kullback-Leibler divergence of the predicted distributions; else half the squared change of outputs.
        """
        along: Any = influence.divergences if self.network.classes else outputs.squared_changes
        sides, measures, apply = ("final", "initial"), ("mean", "max"), self._predict

        def compute() -> dict[str, Any]:
            found: dict[str, Any] = {}
            for side in sides:
                label = f"{self.label}: predictions along {side} directions"
                one = along(apply, self.theta_T, getattr(self.spectrum, side), self.probe_inputs, self.lab.progress, label)
                found |= {f"{side}_{n}_{how}": vars(one)[how][n] for n, how in itertools.product(self.probe_inputs, measures)}
            return found

        held = self.arrays("network-influence", compute, modules=(*CODE, influence, outputs), carried=self._carried_key)
        return {
            side: Divergences(*({n: held[f"{side}_{n}_{how}"] for n in self.probe_inputs} for how in measures)) for side in sides
        }

    def _predict(self, params: Any, x: Any) -> Any:
        return self.network.functions.apply(params, x, None)

    def overlap(self, other: NetworkRun) -> OverlapCurve:
        """Overlap of this run's bulk at k with that of another run of as many parameters, over a grid of k.

        Raises:
            InvalidInput: the other run has another number of parameters.
        """
        if other.size != self.size:
            raise InvalidInput(f"N = {self.size} and {other.size}: bulks can be compared where the parameters are as many")
        mine, theirs = (one.spectrum.initial[:, one.spectrum.by_distance] for one in (self, other))
        return overlap.overlap_curve(mine.T @ theirs, self._dimensions(overlap.SHARES))

    def _dimensions(self, shares: Any) -> Any:
        """Shares of N as distinct whole numbers from 1 to N."""
        return np.unique(np.clip(np.round(self.size * np.array(shares)), 1, self.size).astype(int))

    @cached_property
    def function_jacobian(self) -> Any:
        """Singular values of the parameter-function Jacobian at theta_0 on up to 600 examples, ascending, shape (N,).

        The functions are log-probabilities for classes, and the outputs elsewhere.
        """

        def compute() -> dict[str, Any]:
            x, _, x_test, _ = self.network.data
            pool = jax.tree.map(lambda test, train: np.concatenate([test, train])[:FUNCTION_EXAMPLES], x_test, x)
            label = f"{self.label}: parameter-function Jacobian"
            gram = outputs.squared_jacobian(self._functions, self.theta_0, pool, self.lab.progress, label)
            return {"sigma": function_jacobian.singular_values(gram)[::-1]}

        return self.arrays("network-function-jacobian", compute, modules=(function_jacobian, outputs))["sigma"]

    def _functions(self, params: Any, x: Any) -> Any:
        found = self._predict(params, x)
        return jax.nn.log_softmax(found) if self.network.classes else found

    @cached_property
    def restricted(self) -> Restricted:
        """Test losses of training confined to subspaces, in their coordinates: regions of the spectrum, and ``random``."""

        def confined(basis: Any, masks: Any) -> Any:
            return restricted.restricted_losses(self.training, self._start, self.network.test, basis, masks)

        def compute() -> dict[str, Any]:
            masks = restricted.masks(self.spectrum, dimensions := self._dimensions(restricted.SHARES))
            with self.lab.progress.stage(f"{self.label}: {5 * len(dimensions)} trainings in subspaces"):
                losses = confined(self.spectrum.initial, np.concatenate(list(masks.values())))
                basis = restricted.random_basis(self.size, numpy_stream(self.seed, "random-subspaces"))
                random = confined(basis, masks["chaotic"])
            found = {"dimensions": dimensions, "unrestricted": np.asarray(self.trained.test_loss), "random": random}
            return found | dict(zip(masks, np.split(losses, len(masks)), strict=True))

        held = dict(self.arrays("network-restricted", compute, modules=(*CODE, restricted), carried=self._carried_key))
        return Restricted(held.pop("dimensions"), float(held.pop("unrestricted")), held)
