"""Sweep a table: each variant with each seed once, kept as it is done; what was kept for the same network and code is read."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.progress import Progress
from harness.report.atlas import measured, rows
from harness.report.atlas.rows import Row
from harness.report.atlas.table import Table, Variant
from harness.runs import provenance
from harness.runs.provenance import Code
from harness.suite import portable
from harness.suite.claim import Claim


@dataclass(frozen=True)
class Place:
    """Where a row is kept, and what it must have been measured with to be taken."""

    path: Path
    key: dict[str, Any]


class Sweep:
    """One sweep of a table.

    Args:
        table: what is swept.
        variants: those of the table that are.
        seeds: number of seeds, from 0 on.
        folder: where rows are kept, a file a variant and seed.
        say: told a line a row.
    """

    def __init__(
        self,
        table: Table,
        variants: Sequence[Variant],
        seeds: int,
        folder: Path,
        say: Callable[[str], None] = print,
        progress: Progress | None = None,
    ) -> None:
        self.table, self.variants, self.seeds, self.folder, self.say = table, variants, seeds, folder, say
        self.progress = progress or Progress()
        self.claims: list[Claim] = [claim for paper in table.papers for claim in portable.of_paper(paper)]
        self.rows: list[Row] = []
        self.faults: list[str] = []  # variants that broke, each with its reason; nothing is kept of them

    def go(self, *, read_only: bool = False) -> list[Row]:
        """Every row, seed by seed; ``rows`` has those that are there when it is interrupted.

        Args:
            read_only: take what was kept and measure nothing.
        """
        total = self.seeds * len(self.variants)
        for seed in range(self.seeds):
            base = cache(lambda seed=seed: self._run(self.table.base, seed))
            for number, variant in enumerate(self.variants, 1 + seed * len(self.variants)):
                try:
                    row, new = self._row(variant, seed, base, read_only)
                except Exception as error:  # one variant's fault is no reason to lose the others
                    row, new = None, True
                    self.faults.append(f"{variant.name}, seed {seed}: {type(error).__name__}: {' '.join(str(error).split())}")
                    self.say(f"{number} of {total}: BROKEN: {self.faults[-1]}")
                if row is not None:
                    self.rows.append(row)
                    self.say(f"{number} of {total}: {_line(row) if new else f'{variant.name}, seed {seed}: kept'}")
                if new:
                    _forget()
        return self.rows

    def _row(self, variant: Variant, seed: int, base: Callable[[], Any], read_only: bool) -> tuple[Row | None, bool]:
        """The row that was kept or is measured now, and whether it is new."""
        run = self._run(variant, seed)
        place = self._place(variant, run, base().experiment.fingerprint())
        kept = rows.read(place.path, place.key)
        if kept is not None:
            # what the table says of a variant decides no number
            return replace(kept, axis=variant.axis, value=variant.value, given=dict(variant.given)), False
        if read_only:
            return None, False
        row = measured.measure(variant, run, [self._run(variant, other) for other in range(seed)], base, self.claims)
        rows.write(place.path, place.key, row)
        return row, True

    def _run(self, variant: Variant, seed: int) -> Any:
        """A run in a lab of its own, so that nothing of it stays in memory when its row is done."""
        return _network(variant).run(seed, progress=self.progress)

    def _place(self, variant: Variant, run: Any, base: str) -> Place:
        key = {
            "format": rows.FORMAT,
            "network": run.experiment.fingerprint(),
            "base": base,
            "seed": run.seed,
            "claims": [claim.id for claim in self.claims],
            **self._code(),
        }
        return Place(self.folder / f"{variant.name}-{run.seed}.json", key)

    @cache  # noqa: B019 - a sweep lives as long as its process
    def _code(self) -> dict[str, Any]:
        code: list[Code] = [measured, *(claim.function for claim in self.claims)]
        versions = provenance.versions(code)
        return {"code": provenance.code_hash(code), "versions": versions, "backend": provenance.backend()}


def _forget() -> None:
    """Let go of a variant's programs and runs, which nothing else shares and which would fill the memory."""
    import jax

    jax.clear_caches()
    gc.collect()


@cache
def _network(variant: Variant) -> Any:
    return variant.build()


def _line(row: Row) -> str:
    if row.failure:
        return f"{row.variant}, seed {row.seed}: {row.failure}"
    near, noise = (row.facts[name] for name in ("near", "near_noise"))
    beside = "" if noise is None else f" ({noise:.1%} on white noise)"
    broken = f"; BROKEN: {'; '.join(row.broken)}" if row.broken else ""
    return f"{row.variant}, seed {row.seed}: N = {row.size:,}, bulk {near or 0:.1%}{beside}, {row.seconds:.0f} s{broken}"
