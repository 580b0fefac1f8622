"""A run with a dense Jacobian, whose blocks of columns can be computed by any process that has the run's recipe and a store."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypedDict

import jax

from harness.engine.jacobian import Columns, layout
from harness.runs.run import Run


class Layout(TypedDict):
    """Columns that a device works on at once, None for as many as fit, and columns of a block."""

    chunk: int | None
    block: int


class DenseRun(Run):
    """A run with a dense Jacobian. The derived class makes J of the blocks that are kept, and computes the others."""

    @property
    def _differentiated(self) -> tuple[Any, Any]:
        """The map that J is the derivative of, and the point."""
        raise NotImplementedError

    @property
    def _blocks(self) -> Any:
        """The finished blocks by their first column, in the store."""
        raise NotImplementedError

    @property
    def _spectrum_kept(self) -> bool:
        """Whether the store has the spectrum, for which alone J is needed."""
        raise NotImplementedError

    @property
    def trained(self) -> Any:
        """The result of training, in the store."""
        raise NotImplementedError

    def columns_of(self, devices: int) -> int:
        return layout(self._differentiated[1], self.lab.chunk, count=devices)[1]

    @property
    def _layout(self) -> Layout:
        own = layout(self._differentiated[1], self.lab.chunk)[1]
        return Layout(chunk=self.lab.chunk, block=own if self.width is None else self.width)

    def blocks_left(self) -> Sequence[int]:
        if self._spectrum_kept:
            return ()
        kept, size = self._blocks, sum(leaf.size for leaf in jax.tree.leaves(self._differentiated[1]))
        return [first for first in range(0, size, self._layout["block"]) if first not in kept]

    def compute_block(self, first: int) -> None:
        kept = self._blocks  # not held by this run: the block leaves the memory
        if self._spectrum_kept or first in kept:
            return
        self.trained  # noqa: B018 - a diverging run says so before its derivative is taken
        kept[first] = self._columns.block(first, f"{self.label}: Jacobian")

    @cached_property
    def _columns(self) -> Columns:
        return Columns(*self._differentiated, **self._layout)
