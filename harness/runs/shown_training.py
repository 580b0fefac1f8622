"""The training map and its products as values that show themselves in a few lines in place of their arrays."""

from __future__ import annotations

import jax

from harness.engine.products import TrainingProducts
from harness.engine.training import Training, as_tree
from harness.runs.shown import Shown


@as_tree
class ShownTraining(Shown, Training):
    """A :class:`harness.engine.training.Training` that shows itself, and a JAX tree as well."""

    @property
    def title(self) -> str:
        return f"training: theta_0 -> theta_T in {self.steps:,} steps, {self.epochs} epochs of {self.steps_an_epoch}"

    def rows(self) -> dict[str, str]:
        shapes = [f"{leaf.shape} {leaf.dtype}" for leaf in jax.tree.leaves(self.batches)]
        shown = ", ".join(shapes[:4]) + (", ..." if len(shapes) > 4 else "")
        return {"batches": f"{shown}, steps of an epoch first"}


class ShownProducts(Shown, TrainingProducts):
    """:class:`harness.engine.products.TrainingProducts` that show themselves."""

    @property
    def title(self) -> str:
        return f"products J V and J^T W of {self.steps:,} steps: N = {self.size:,}, {self.dtype}"

    def rows(self) -> dict[str, str]:
        return {
            "trajectory": "kept" if self.kept else "computed again between checkpoints",
            "spent": f"{self.spent:,} Hessian-vector products",
        }
