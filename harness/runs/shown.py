"""Values that show themselves: as text in a terminal, as a table in a notebook, as a plot.

matplotlib is imported when a plot is asked for.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.engine.spectrum import Spectrum
from harness.errors import InvalidInput

NEAR = 0.1  # |sigma - 1| below this is the bulk
HIDING = 0.2  # of the bulk's half width; a larger rounding error of singular values hides which of them are in the bulk


def hidden_by_rounding(sigma: Any, precision: str) -> str:
    """Why the precision does not tell which singular values are near one, in a line; "" where it does.

    The unit roundoff times sigma_1 stands for the rounding of J. On variants of the atlas (N = 547 and 910) shares of the bulk in
    float32 and float64 differ by at most 0.006 where this product is up to 0.12, by 0.01 to 0.12 where it is 0.4 to 10,
    and by more beyond.

    Args:
        sigma: singular values, descending.
    """
    off = float(np.finfo(precision).eps) / 2 * float(sigma[0])
    if off <= HIDING * NEAR:
        return ""
    remedy = "take precision='float64'" if precision == "float32" else "take smaller steps, or fewer"
    return (
        f"sigma_1 is {sigma[0]:.2g} and J's rounding in {precision} about {off:.2g}, "
        f"so that the singular values within {NEAR} of one cannot be told: {remedy}"
    )


def table(rows: Mapping[str, str]) -> str:
    """Rows as an HTML table of two columns."""
    cells = (f"<tr><th style='text-align:left'>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows.items())
    return f"<table>{''.join(cells)}</table>"


def lines(title: str, rows: Mapping[str, str]) -> str:
    """A title, and one line a row."""
    width = max(map(len, rows), default=0)
    return "\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in rows.items())])


def share(number: Any, of: int) -> str:
    return f"{int(number):,} of {of:,} ({number / of:.1%})"


class Shown:
    """Base of objects that show themselves by their ``title`` and ``rows``."""

    @property
    def title(self) -> str:
        raise NotImplementedError

    def rows(self) -> dict[str, str]:
        raise NotImplementedError

    def __str__(self) -> str:
        return lines(self.title, self.rows())

    def __repr__(self) -> str:
        return f"<{type(self).__name__.removeprefix('Shown')}: {self.title}>"

    def _repr_html_(self) -> str:
        return f"<b>{html.escape(self.title)}</b>{table(self.rows())}"


class Plotted(Shown):
    """Base of objects that also show themselves as a plot."""

    def plot(self, axes: Any = None) -> Any:
        """Draw it.

        Args:
            axes: matplotlib axes to draw on; new ones by default.

        Returns:
            The axes.

        Raises:
            InvalidInput: matplotlib is not installed.
        """
        axes = axes if axes is not None else new_axes()
        self._draw(axes)
        return axes

    def _draw(self, axes: Any) -> None:
        raise NotImplementedError


class ShownSpectrum(Plotted, Spectrum):
    """A :class:`harness.engine.spectrum.Spectrum` that shows itself."""

    @property
    def title(self) -> str:
        bulk = int(np.count_nonzero(self.distance < NEAR))
        aligned = "none" if not bulk else f"median cosine {np.median(self.cosines[self.distance < NEAR]):.4f}"
        return f"training Jacobian: {share(bulk, self.size)} singular values within {NEAR} of one, {aligned}"

    def rows(self) -> dict[str, str]:
        above, below = np.count_nonzero(self.sigma >= 1 + NEAR), np.count_nonzero(self.sigma <= 1 - NEAR)
        structural = int(np.count_nonzero(self.structural))
        found = {
            f"within {NEAR / 10:g}": share(np.count_nonzero(self.distance < NEAR / 10), self.size),
            f"above {1 + NEAR:g}": f"{share(above, self.size)}, the largest {self.sigma[0]:.4g}",
            f"below {1 - NEAR:g}": f"{share(below, self.size)}, the smallest {self.sigma[-1]:.4g}",
            "checks": f"residual {self.residual:.1e}, orthogonality {self.orthogonality:.1e}",
        }
        return found | ({"structural": share(structural, self.size)} if structural else {})

    def _draw(self, axes: Any) -> None:
        """Singular values in descending order, on a logarithmic axis, the bulk shaded."""
        floor = max(float(self.sigma[0]) * 1e-12, np.finfo(float).tiny)
        axes.semilogy(np.arange(1, self.size + 1), np.maximum(self.sigma, floor), color="C0")
        axes.axhspan(1 - NEAR, 1 + NEAR, color="0.85", zorder=0)
        axes.set(xlabel="index i", ylabel="singular value of J", title="Spectrum of the training Jacobian")


@dataclass(frozen=True, repr=False)
class NearOne(Plotted):
    """How many singular values are near one, above and below, and by which method.

    Attributes:
        delta: |sigma - 1| below this is near.
        size: N.
        inside, above, below: shares of all singular values, each (estimate, low, high); the bounds are those of a 95 % interval,
            and equal the estimate where the whole spectrum is known.
        method: ``dense`` or ``matrix-free``.
        why: reason for that method.
    """

    delta: float
    size: int
    inside: tuple[float, float, float]
    above: tuple[float, float, float]
    below: tuple[float, float, float]
    method: str
    why: str

    @classmethod
    def known(cls, spectrum: Spectrum, delta: float, why: str) -> NearOne:
        """From the whole spectrum."""
        near, above = spectrum.distance < delta, spectrum.sigma >= 1 + delta
        inside, over, below = (float(flags.mean()) for flags in (near, above, ~near & ~above))
        return cls(delta, spectrum.size, (inside,) * 3, (over,) * 3, (below,) * 3, "dense", why)

    @property
    def title(self) -> str:
        return f"|sigma - 1| < {self.delta:g}: {_interval(self.inside)} of {self.size:,} singular values ({self.method})"

    def rows(self) -> dict[str, str]:
        return {"above": _interval(self.above), "below": _interval(self.below), "method": f"{self.method}: {self.why}"}

    def _draw(self, axes: Any) -> None:
        """The shares below, near and above one, with their intervals."""
        shares = np.array([self.below, self.inside, self.above])
        axes.bar(("below", "near one", "above"), shares[:, 0], color="0.8")
        axes.errorbar(range(3), shares[:, 0], np.abs(shares[:, 1:] - shares[:, :1]).T, fmt=".", color="C0", capsize=4)
        axes.set(ylabel="share of singular values", ylim=(0, 1), title=f"Singular values within {self.delta:g} of one")


def _interval(found: tuple[float, float, float]) -> str:
    estimate, low, high = found
    return f"{estimate:.1%}" if low == high else f"{estimate:.1%} [{low:.1%}, {high:.1%}]"


def new_axes() -> Any:
    """Axes of a new matplotlib figure.

    Raises:
        InvalidInput: matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise InvalidInput("plots need matplotlib, which is not installed: pip install matplotlib") from None
    return plt.subplots(layout="constrained")[1]
