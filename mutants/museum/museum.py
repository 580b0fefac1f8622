"""Run entries against one reference of the unchanged libraries. What they left behind is kept, and judged anew each time."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.report import json_file
from harness.suite.records import Report
from mutants.museum import kept
from mutants.museum.entries import Entry
from mutants.museum.installing import NotThere
from mutants.museum.judgement import Outcome, Status, judge
from mutants.museum.run import OUTPUT, PLACE, Left, suite, with_entry

USED = ("store", "cache")  # folders of a run that nobody reads again


class NoReference(RuntimeError):
    """The suite fails with the libraries as they are."""


class Museum:
    """The entries of a list, the tree that is tested, and the folder in which runs are kept."""

    def __init__(self, folder: Path, root: Path, entries: Sequence[Entry]) -> None:
        self.folder, self.root = folder, root
        self.code = kept.code(root)
        self.claims = sorted({claim for entry in entries for claim in entry.claims})

    def outcome(self, entry: Entry, again: bool = False, kept_alone: bool = False) -> Outcome | None:
        """The outcome of the entry, from its kept run or from a new run.

        Args:
            again: make a new run in any case.
            kept_alone: make no run; the result is None where no run is kept.

        Raises:
            NoReference: the suite fails without any change.
        """
        run = self.left(entry, again, kept_alone)
        if run is None:
            return None
        return Outcome(entry.name, Status.NOT_RUN, run) if isinstance(run, str) else judge(entry, run, self.reference)

    def left(self, entry: Entry, again: bool = False, kept_alone: bool = False) -> Left | str | None:
        """What the entry's run left behind, or why there is none to be had; arguments as for :meth:`outcome`."""
        key, folder = kept.key(entry, self.code, self.root), self.place(entry.name)
        run = None if again else kept.load(folder, key)
        if not kept_alone and (run is None or isinstance(run, str)):  # a release or feature that was missing may be there now
            run = self._run(entry, folder, key)
        return run

    def place(self, name: str) -> Path:
        """The folder of an entry."""
        return self.folder / "".join(letter if letter.isalnum() else "-" for letter in name)

    @cached_property
    def reference(self) -> Report:
        """The report of all claims of the list with the libraries as they are; made once."""
        tag = hashlib.sha256(f"{self.code}{self.claims}".encode()).hexdigest()[:16]
        folder = self.folder / f"reference-{tag}"
        if not (folder / PLACE).exists():
            _emptied(folder)
            made = suite(folder, self.claims, False, {}, [], self.root)
            if made.report is None or made.ended.code != 0:
                shutil.rmtree(folder / PLACE.parent, ignore_errors=True)
                raise NoReference(f"the suite fails without any change: {made.ended.line}; see {folder / OUTPUT}")
            _lightened(folder)
        return json_file.read(folder / PLACE)

    def _run(self, entry: Entry, folder: Path, key: str) -> Left | str:
        _emptied(folder)
        try:
            run: Left | str = with_entry(entry, folder, self.folder / "releases", self.root)
        except NotThere as error:
            run = str(error)
        kept.save(folder, key, run)
        _lightened(folder)
        return run


def _lightened(folder: Path) -> None:
    for used in USED:
        shutil.rmtree(folder / used, ignore_errors=True)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
