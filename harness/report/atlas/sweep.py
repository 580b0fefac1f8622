"""Sweep a table: measure each variant with each seed once, and keep each row. Rows of the same network and code are read.

Processes that see one folder share a sweep: each variant and seed is measured by one of them, under a lock that the system frees
when its holder dies.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

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

    @contextmanager
    def claimed(self, wait: bool) -> Iterator[bool]:
        """Whether this process may measure the row; ``wait`` waits for another process that is measuring it."""
        lock = FileLock(self.path.parent.parent / "locks" / f"{self.path.name}.lock")
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=-1 if wait else 0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


SAME_NETWORK = ("format", "network", "base", "seed")  # the parts of a row's key that say what was measured


class BusyElsewhere(Exception):
    """Another process measures the row."""


class Sweep:
    """One sweep of a table.

    Args:
        table: what is swept.
        variants: the variants of the table that are swept.
        seeds: number of seeds, from 0 on.
        folder: where rows are kept, a file a variant and seed.
        say: called with a line for each row.
        claims_of: number of seeds, from 0 on, whose claims are measured; other seeds have facts alone. None is all seeds.
    """

    def __init__(
        self,
        table: Table,
        variants: Sequence[Variant],
        seeds: int,
        folder: Path,
        say: Callable[[str], None] = print,
        progress: Progress | None = None,
        claims_of: int | None = None,
    ) -> None:
        self.table, self.variants, self.seeds, self.folder, self.say = table, variants, seeds, folder, say
        self.progress = progress or Progress()
        self.claims_of = seeds if claims_of is None else claims_of
        self.claims: list[Claim] = [claim for paper in table.papers for claim in portable.of_paper(paper)]
        self.rows: list[Row] = []
        self.others = 0  # rows that were shown though other code measured them
        self._latest: Any = None
        self.faults: list[str] = []  # variants that broke, each with its reason; nothing is kept of them

    @property
    def asked(self) -> list[tuple[Variant, int]]:
        """The variants with their seeds, in the order in which rows are measured."""
        return [(variant, seed) for seed in range(self.seeds) for variant in self.variants]

    def missing(self) -> list[tuple[Variant, int]]:
        """What is asked for and was not kept. A variant that cannot be built is not named here: :meth:`go` reports it."""
        found = []
        for variant, seed in self.asked:
            with suppress(Exception):
                if self._kept(variant, self._wanted(variant, seed)) is None:
                    found.append((variant, seed))
        return found

    def path(self, variant: str, seed: int) -> Path:
        """Where a row is kept."""
        return self.folder / f"{variant}-{seed}.json"

    def go(self, *, read_only: bool = False) -> list[Row]:
        """Every row, seed by seed. After an interrupt, ``rows`` has the finished rows.

        Args:
            read_only: take what was kept and measure nothing.
        """
        asked = self.asked
        # a row that another process is measuring is left for the end, and waited for there
        for wait in (False, True):
            asked = [one for one in asked if not self.take(*one, wait, read_only)]
        order = [variant.name for variant in self.variants]
        self.rows.sort(key=lambda row: (row.seed, order.index(row.variant)))
        return self.rows

    def take(self, variant: Variant, seed: int, wait: bool = True, read_only: bool = False) -> bool:
        """Take or measure one row and report it; False if another process is measuring it."""
        try:
            row, new = self._row(variant, seed, wait, read_only)
        except BusyElsewhere:
            return False
        except Exception as error:  # one variant's fault is no reason to lose the others
            row, new = None, True
            self.faults.append(f"{variant.name}, seed {seed}: {type(error).__name__}: {' '.join(str(error).split())}")
            self._tell(f"BROKEN: {self.faults[-1]}")
        if row is not None:
            self.rows.append(row)
            self._tell(line(row) if new else f"{variant.name}, seed {seed}: kept")
        if new:
            forget()
        return True

    def _tell(self, what: str) -> None:
        self.say(f"{len(self.rows) + len(self.faults)} of {self.seeds * len(self.variants)}: {what}")

    def _row(self, variant: Variant, seed: int, wait: bool, read_only: bool) -> tuple[Row | None, bool]:
        """The row that was kept or is measured now, and whether it is new."""
        place = self._wanted(variant, seed)
        if kept := self._kept(variant, place):
            return kept, False
        if read_only:
            return self._of_other_code(variant, place), False
        with place.claimed(wait) as mine:
            if not mine:
                raise BusyElsewhere
            if kept := self._kept(variant, place):
                return kept, False
            row = self.measure(variant, seed)
            rows.write(place.path, place.key, row)
        return row, True

    def measure(self, variant: Variant, seed: int) -> Row:
        """The row, measured now and kept nowhere."""
        # pairs of seeds are for claims, and for what is asked of the base
        claims = self._claims_of(seed)
        earlier = [self._run(variant, other) for other in range(seed)] if claims or variant is self.table.base else []
        return measured.measure(variant, self._run(variant, seed), earlier, partial(self._base, seed), claims)

    def key(self, variant: Variant, seed: int) -> dict[str, Any]:
        """What a row must have been measured with to be taken."""
        return self._wanted(variant, seed).key

    def _kept(self, variant: Variant, place: Place) -> Row | None:
        """The kept row; a row that also has claims serves where facts alone are wanted."""
        whole = {**place.key, "claims": [claim.id for claim in self.claims]}
        return _placed(variant, rows.read(place.path, place.key) or rows.read(place.path, whole))

    def _of_other_code(self, variant: Variant, place: Place) -> Row | None:
        """The same network's row from other code, other libraries or another machine. Pages may show it, and then say so."""
        found = _placed(variant, rows.read(place.path, place.key, SAME_NETWORK))
        self.others += found is not None
        return found

    def _base(self, seed: int) -> Any:
        """The base network's run. Only the latest seed's run is kept, because its spectrum is large."""
        if self._latest is None or self._latest.seed != seed:
            self._latest = self._run(self.table.base, seed)
        return self._latest

    def _run(self, variant: Variant, seed: int) -> Any:
        """A run in a lab of its own: nothing of it stays in memory when its row is done."""
        return _network(variant).run(seed, progress=self.progress)

    def _claims_of(self, seed: int) -> list[Claim]:
        return self.claims if seed < self.claims_of else []

    def _wanted(self, variant: Variant, seed: int) -> Place:
        key = {
            "format": rows.FORMAT,
            "network": self._run(variant, seed).experiment.fingerprint(),
            "base": self._base(seed).experiment.fingerprint(),
            "seed": seed,
            "claims": [claim.id for claim in self._claims_of(seed)],
            "closely": variant.closely,
            **self._code,
        }
        return Place(self.path(variant.name, seed), key)

    @cached_property
    def _code(self) -> dict[str, Any]:
        code: list[Code] = [measured, *(claim.function for claim in self.claims)]
        versions = provenance.versions(code)
        return {"code": provenance.meaning_hash(code), "versions": versions, "backend": provenance.backend()}


def _placed(variant: Variant, row: Row | None) -> Row | None:
    """The row with the table's present description of the variant, which decides no number."""
    return row and replace(row, axis=variant.axis, value=variant.value, given=dict(variant.given))


def forget() -> None:
    """Release a variant's programs and runs: nothing else uses them, and they would fill the memory."""
    import jax

    jax.clear_caches()
    gc.collect()


@cache
def _network(variant: Variant) -> Any:
    return variant.build()


def line(row: Row) -> str:
    """The row in a line."""
    if row.failure:
        return f"{row.variant}, seed {row.seed}: {row.failure}"
    near, noise = (row.facts[name] for name in ("near", "near_noise"))
    beside = "" if noise is None else f" ({noise:.1%} on white noise)"
    broken = f"; BROKEN: {'; '.join(row.broken)}" if row.broken else ""
    return f"{row.variant}, seed {row.seed}: N = {row.size:,}, bulk {near or 0:.1%}{beside}, {row.seconds:.0f} s{broken}"
