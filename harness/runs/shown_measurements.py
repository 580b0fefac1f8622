"""Measurements of a network's run as values that show themselves: as text, as a table, as a plot."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.measure.carried import Carried
from harness.measure.function_jacobian import FunctionOverlaps
from harness.measure.hessian_subspace import History
from harness.measure.influence import SIDES, Influence
from harness.measure.overlap import OverlapCurve, random_baseline
from harness.measure.response import Responses
from harness.measure.restricted import Restricted
from harness.runs.bench import Trained
from harness.runs.shown import Plotted, Shown


class ShownTrained(Plotted, Trained):
    """:class:`harness.runs.bench.Trained` that shows itself."""

    @property
    def title(self) -> str:
        return f"training of {len(self.theta_0):,} parameters in {len(self.losses):,} steps"

    def rows(self) -> dict[str, str]:
        moved = float(np.linalg.norm(np.asarray(self.theta_T, np.float64) - self.theta_0))
        found = {"moved": f"{moved:.4g}, from a norm of {np.linalg.norm(self.theta_0):.4g}"}
        for name, loss, accuracy in (
            ("training", self.train_loss, self.train_accuracy),
            ("test", self.test_loss, self.test_accuracy),
        ):
            found[name] = f"loss {loss:.4g}" + ("" if np.isnan(accuracy) else f", accuracy {accuracy:.1%}")
        return found

    def _draw(self, axes: Any) -> None:
        """The loss of each step's batch before the step."""
        axes.plot(np.arange(len(self.losses)), self.losses)
        axes.set(xlabel="step", ylabel="loss of the batch", title="Training")


class ShownResponses(Plotted, Responses):
    """:class:`harness.measure.response.Responses` that show themselves."""

    @property
    def title(self) -> str:
        count, signs, _ = self.along.shape
        return f"responses of training to steps along {count} singular directions, {signs} sign{'s' * (signs > 1)}"

    def rows(self) -> dict[str, str]:
        return {
            f"lambda = {stimulus:g}": f"median response / (lambda sigma) {along:.4g}, orthogonal {orthogonal:.2g}"
            for stimulus, along, orthogonal in zip(self.stimulus, *self._medians, strict=True)
        }

    @property
    def _medians(self) -> tuple[Any, Any]:
        """Medians of the response along u_i and of the rest over lambda sigma_i, (stimuli,); diverged ones are infinite."""
        linear = np.multiply.outer(self.sigma, self.stimulus)[:, None]
        along, orthogonal = (np.where(np.isfinite(part), part, np.inf) / linear for part in (self.along, self.orthogonal))
        return np.median(along, axis=(0, 1)), np.median(orthogonal, axis=(0, 1))

    def _draw(self, axes: Any) -> None:
        """Median response along u_i and orthogonal to it against lambda, both over lambda sigma_i."""
        for name, values in zip(("along u", "orthogonal to u"), self._medians, strict=True):
            axes.loglog(self.stimulus, np.abs(values), label=name)
        axes.set(xlabel="lambda", ylabel="response / (lambda sigma)", title="Responses of training")
        axes.legend()


class ShownInfluence(Plotted, Influence):
    """:class:`harness.measure.influence.Influence` that shows itself."""

    title = "median effect on predictions of a unit step along the singular directions"

    def rows(self) -> dict[str, str]:
        names = {"final": "u", "initial": "v"}
        return {
            inputs: ", ".join(f"along {names[side]} {np.median(self.of(side, inputs, 'mean')):.3g}" for side in SIDES)
            for inputs in self.final.mean
        }

    def _draw(self, axes: Any) -> None:
        """Mean effect of a step along each u_i, by the inputs."""
        for inputs, values in self.final.mean.items():
            axes.semilogy(
                np.arange(1, len(values) + 1), np.maximum(values, np.finfo(float).tiny), ".", markersize=2, label=inputs
            )
        axes.set(xlabel="index i", ylabel="mean effect of a step along u", title="Influence on predictions")
        axes.legend()


class ShownOverlap(Plotted, OverlapCurve):
    """:class:`harness.measure.overlap.OverlapCurve` that shows itself."""

    @property
    def title(self) -> str:
        return f"overlap of two bulks in {self.size:,} dimensions: mean cosine of the principal angles"

    @property
    def chance(self) -> Any:
        """The mean cosine of random subspaces of these dimensions, (dimensions,)."""
        return random_baseline(self.dimensions / self.size)

    def rows(self) -> dict[str, str]:
        curve = zip(self.dimensions, self.cosine, self.chance, strict=True)
        return {f"k = {k:,}": f"{cosine:.4f} (chance {chance:.4f})" for k, cosine, chance in curve}

    def _draw(self, axes: Any) -> None:
        """Mean cosine against k, beside chance."""
        axes.plot(self.dimensions, self.cosine, marker=".", label="bulks")
        axes.plot(self.dimensions, self.chance, linestyle="--", color="0.5", label="chance")
        axes.set(xlabel="k", ylabel="mean cosine", title="Overlap of bulks")
        axes.legend()


class ShownRestricted(Plotted, Restricted):
    """:class:`harness.measure.restricted.Restricted` that shows itself."""

    @property
    def title(self) -> str:
        return f"test loss of training confined to k directions; {self.unrestricted:.4g} without"

    def rows(self) -> dict[str, str]:
        some = sorted({0, len(self.dimensions) // 2, len(self.dimensions) - 1})
        return {
            name: ", ".join(f"{each[i]:.4g} at k = {self.dimensions[i]:,}" for i in some) for name, each in self.losses.items()
        }

    def _draw(self, axes: Any) -> None:
        """Test loss against k by region."""
        for name, losses in self.losses.items():
            axes.semilogx(self.dimensions, losses, marker=".", label=name)
        axes.axhline(self.unrestricted, color="0.5", linestyle="--", label="without confinement")
        axes.set(xlabel="k", ylabel="test loss", title="Training confined to k directions")
        axes.legend()


class ShownFunctionOverlaps(Plotted, FunctionOverlaps):
    """:class:`harness.measure.function_jacobian.FunctionOverlaps` that shows itself."""

    title = "the directions that move predictions least at initialisation, beside the bulk: 0 is chance, 1 the same space"

    def rows(self) -> dict[str, str]:
        return {name: f"{float(found):.4f}" for name, found in self.closeness.items()}

    def _draw(self, axes: Any) -> None:
        """Singular values of the parameter-function Jacobian by the inputs."""
        for name, sigma in self.sigma.items():
            axes.semilogy(np.arange(1, len(sigma) + 1), np.maximum(sigma[::-1], sigma[-1] * 1e-12), label=name)
        axes.set(xlabel="index i", ylabel="singular value", title="Parameter-function Jacobian")
        axes.legend()


class ShownHistory(Plotted, History):
    """:class:`harness.measure.hessian_subspace.History` that shows itself."""

    @property
    def _in_top(self) -> Any:
        return self.shares[:, : self.shares.shape[1] // 2].sum(axis=1)

    @property
    def title(self) -> str:
        return f"top Hessian eigenpairs along training, k = {self.shares.shape[1] // 2} of {self.parameters:,} directions"

    def rows(self) -> dict[str, str]:
        each = zip(self.steps, self.values[:, 0], self._in_top, strict=True)
        return {f"step {step:,}": f"largest {value:.4g}, {part:.1%} of |g|^2 in the top k" for step, value, part in each}

    def _draw(self, axes: Any) -> None:
        """Share of the gradient in the top k eigenvectors against steps."""
        axes.plot(self.steps, self._in_top, marker=".")
        axes.set(
            xlabel="step", ylabel="share of |g|^2 in the top k", ylim=(0, 1.02), title="Gradient in the top Hessian eigenvectors"
        )


class ShownCarried(Shown, Carried):
    """:class:`harness.measure.carried.Carried` that shows itself; a list of coordinates has no plot."""

    @property
    def title(self) -> str:
        return f"{len(self.coordinates):,} parameters that training carries exactly"

    def rows(self) -> dict[str, str]:
        found = {"idle": f"{self.idle:,} parameters without a gradient", "moved": f"by {self.moved:.2g} at most"}
        first = ", ".join(map(str, self.coordinates[:8])) + (", ..." if len(self.coordinates) > 8 else "")
        return found | ({"coordinates": first} if len(self.coordinates) else {})
