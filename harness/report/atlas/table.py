"""What is swept and what is asked, declared before anything is measured: variants of a network, questions with regions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import InvalidInput, NotRun
from harness.report.atlas.rows import Measured, Row
from harness.suite.verdict import Region

if TYPE_CHECKING:
    from harness.runs.network import Network

_NAME = re.compile(r"[a-z0-9]+([-.][a-z0-9]+)*")


@dataclass(frozen=True, eq=False)
class Variant:
    """A network that differs from the base in one thing, or in two where it is a cross.

    Attributes:
        name: in lower case, digits, hyphens and points.
        axis: what is varied; a group of the page and of ``--only``.
        value: the variant's place on this axis, in words for people.
        build: makes the network; its name is the variant's.
        given: numbers that questions and figures read, such as a width.
        closely: whether to measure the path of Hessians, and the volume with shuffled labels even if no claim asks for them. Few
            questions need these quantities, and they cost another Jacobian or two.
    """

    name: str
    axis: str
    value: float | str
    build: Callable[[], Network]
    given: Mapping[str, float] = field(default_factory=dict)
    closely: bool = False


class NotSwept(NotRun):
    """A variant is not there yet, for this seed or at all."""


class Rows(Mapping[str, Row]):
    """The rows of one seed by variant, as a question asks for them.

    ``rows[name]`` and :meth:`fact` raise NotRun where nothing was measured, and NotSwept where the variant was not swept.
    """

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self._rows = dict(rows)

    def __getitem__(self, name: str) -> Row:
        if name not in self._rows:
            raise NotSwept(f"variant {name} was not swept")
        if (row := self._rows[name]).failure:
            raise NotRun(f"variant {name}: {row.failure}")
        return row

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def fact(self, name: str, fact: str) -> float:
        """A measured quantity of a variant."""
        value = self[name].facts.get(fact)
        if value is None:
            raise NotRun(f"variant {name} has no {fact}")
        return value

    def measured(self, names: Sequence[str], least: int = 1) -> list[str]:
        """Those of the variants that could be measured. A diverged variant is left out, so that the others still answer.

        Raises:
            NotSwept: one was not swept.
            NotRun: fewer than ``least`` could be measured.
        """
        found, why = [], ""
        for name in names:
            try:
                self[name]
                found.append(name)
            except NotSwept:
                raise
            except NotRun as error:
                why = str(error)
        if len(found) < least:
            raise NotRun(f"{len(found)} of {len(names)} variants could be measured: {why}")
        return found

    def claims(self, id: str) -> dict[str, Measured]:
        """A claim's values by variant, for variants that have a value.

        Raises:
            NotSwept: no variant has a value, for instance because the sweep measured facts alone.
        """
        held = {name: row.claims[id] for name, row in self._rows.items() if id in row.claims}
        if not (found := {name: one for name, one in held.items() if one.value is not None}):
            raise NotSwept(f"claim {id} was measured on no variant")
        return found

    def common(self, name: str, other: int, fact: str) -> float:
        """A quantity that compares a variant's run with its run of another seed."""
        if str(other) not in (held := self[name].common):
            raise NotSwept(f"variant {name} was not compared with seed {other}")
        if (value := held[str(other)].get(fact)) is None:
            raise NotRun(f"variant {name} has no {fact} with seed {other}")
        return value

    def swapped(self, names: Sequence[str], other: str) -> Rows:
        """The rows, with another variant's row in the place of each of these."""
        return Rows({**self._rows, **dict.fromkeys(names, self[other])})

    def reversed(self, names: Sequence[str]) -> Rows:
        """The rows, with those of these variants in the opposite order."""
        return Rows({**self._rows, **{name: self[other] for name, other in zip(names, names[::-1], strict=True)}})


@dataclass(frozen=True)
class World:
    """Rows in which a question must come out otherwise.

    Attributes:
        name: what the world is, in words.
        of: the rows of one seed -> those of the world, or another measurement of them as a number.
    """

    name: str
    of: Callable[..., Any]


@dataclass(frozen=True)
class Question:
    """What is asked of all variants.

    Attributes:
        id: in lower case and hyphens.
        asks: the question.
        says: the statement that the region accepts.
        reading: what is measured.
        accept: the region, fixed before any sweep.
        of: (rows of one seed) -> a number; over pairs (rows of one seed, the other seed) -> a number. It raises NotRun where a
            variant is missing.
        control: a world in which it must come out otherwise.
        over: ``seeds`` or ``pairs``.
        otherwise: the statement if the question is refuted; questions that the page begins with need it.
        alone: (rows of one seed) -> a 95 % interval that needs no other seed, such as that of a slope by its residuals or of a
            share of variants. It is shown for fewer than three seeds, and gives no verdict.
        against: (rows of one seed) -> variants that speak against the statement.
        bounds: values that the quantity can have.
    """

    id: str
    asks: str
    says: str
    reading: str
    accept: Region
    of: Callable[..., float]
    control: World
    over: str = "seeds"
    otherwise: str = ""
    alone: Callable[[Rows], tuple[float, float]] | None = None
    against: Callable[[Rows], Sequence[str]] | None = None
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Table:
    """What an atlas sweeps, asks and draws.

    Attributes:
        variants: the first one is the base, with which bulks are compared.
        questions: asked of all.
        papers: the papers whose claims for any network are judged.
        left_out: variants that cannot be swept here, with what they lack.
        spectra: the axis whose spectra are drawn together, with the base's.
        against: (name of a given number, axes): the bulk's share is drawn against that number for these axes.
        first: ids of the questions that the page begins with, a sentence each. These questions need ``otherwise``.

    Raises:
        InvalidInput: no variant, a name that is malformed or there twice, an axis that no variant has, or a first question that
            is not asked or does not say what holds otherwise.
    """

    variants: Sequence[Variant]
    questions: Sequence[Question]
    papers: Sequence[str]
    left_out: Mapping[str, str] = field(default_factory=dict)
    spectra: str = ""
    against: tuple[str, tuple[str, ...]] = ("", ())
    first: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.variants:
            raise InvalidInput("a table without variants: declare the base network at least")
        for kind, names in (("variant", [v.name for v in self.variants]), ("question", [q.id for q in self.questions])):
            for name in names:
                if not _NAME.fullmatch(name):
                    raise InvalidInput(f"{kind} {name!r}: write lower case, digits, hyphens and points between them")
                if names.count(name) > 1:
                    raise InvalidInput(f"{kind} {name} is declared {names.count(name)} times: names are unique")
        for axis in [*self.against[1], *([self.spectra] if self.spectra else [])]:
            if axis not in self.axes:
                raise InvalidInput(f"axis {axis} is drawn and no variant has it; there are: {', '.join(self.axes)}")
        able = [question.id for question in self.questions if question.otherwise]
        for id in self.first:
            if id not in able:
                raise InvalidInput(f"first {id}: no question of that id has otherwise=; there are: {', '.join(able) or 'none'}")

    @property
    def base(self) -> Variant:
        return self.variants[0]

    @property
    def axes(self) -> list[str]:
        """In the order of the table."""
        return list(dict.fromkeys(variant.axis for variant in self.variants))

    def chosen(self, only: Sequence[str]) -> list[Variant]:
        """The variants of these axes or names, the base first; all of them for an empty list.

        Raises:
            InvalidInput: a name that is neither, or a variant that cannot be swept here.
        """
        names = [variant.name for variant in self.variants]
        for one in only:
            if one in self.left_out:
                raise InvalidInput(f"variant {one} cannot be swept: {self.left_out[one]}")
            if one not in names and one not in self.axes:
                raise InvalidInput(
                    f"--only {one}: no axis or variant of that name; axes: {', '.join(self.axes)}; --list shows all"
                )
        return [v for v in self.variants if not only or v is self.base or v.name in only or v.axis in only]
