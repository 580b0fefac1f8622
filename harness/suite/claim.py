"""What a claim is: the paper's sentence, our reading of it, the accepted region, the worlds that must refute it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import InvalidInput
from harness.runs.experiment import SCALES
from harness.suite.quotations import fragments
from harness.suite.verdict import Region, Verdict

Over = Literal["seeds", "pairs", "trials", "share", "once", "interval"]
ANY_NETWORK = "any network"  # the ``on`` of a claim that can be judged on every user's network
_ID = re.compile(r"[a-z0-9-]+/[a-z0-9-]+(\[[a-z0-9.,-]+\])?")


@dataclass(frozen=True)
class Control:
    """A world in which the claim must come out otherwise.

    Attributes:
        name: what the world is, in words ("white-noise inputs").
        world: ``world(run)`` returns the run of the control, which takes the place of the claim's run. Over pairs,
            ``world(a, b)`` returns a pair. For a claim without runs, ``world()`` returns a mapping of keyword arguments.
        expect: REFUTED; or SUPPORTED for a claim that fails as published.
    """

    name: str
    world: Callable[..., Any]
    expect: Verdict = Verdict.REFUTED


class World:
    """A run with some of its attributes replaced."""

    def __init__(self, run: Any, **replaced: Any) -> None:
        self._run = run
        vars(self).update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)


@dataclass(frozen=True)
class Claim:
    """One executable sentence of a paper. See :func:`claim` for the fields."""

    id: str
    where: str
    says: str
    reading: str
    accept: Region
    function: Callable[..., Any]
    controls: tuple[Control, ...]
    on: tuple[str, ...] = ()
    over: Over = "seeds"
    given: Mapping[str, Any] = field(default_factory=dict)
    scales: tuple[str, ...] = ("paper",)
    unit: str = ""
    published: float | None = None
    bounds: tuple[float, float] | None = None
    file: str = ""
    portable: bool = False
    quotes: str = ""
    derived: bool = False
    calibrated: bool = False

    @property
    def place(self) -> str:
        """The file that the claim belongs to: the file that declares it, or that asks for it on a network."""
        return self.file or self.function.__code__.co_filename

    @property
    def paper(self) -> str:
        return self.id.split("/")[0]

    @property
    def variant(self) -> str:
        """The reading's tag, e.g. ``strict`` in ``training-jacobian/bulk-count[strict]``; "" without one."""
        return self.id.partition("[")[2].rstrip("]")

    def arguments(self, run: Any) -> dict[str, Any]:
        """The function's arguments, taken from attributes of the run by name (``run`` is the run itself)."""
        names = [name for name in inspect.signature(self.function).parameters if name not in self.given]
        return {name: run if name == "run" else getattr(run, name) for name in names}

    def measure(self, *runs: Any) -> Any:
        """Call the function on one run, on no run, or over pairs on two runs, which are its first two parameters."""
        if self.over == "pairs":
            return self.function(*runs, **self.given)
        if not runs:
            return self.function(**self.given)
        return self.function(**self.arguments(runs[0]), **self.given)


REGISTRY: dict[str, Claim] = {}
PORTABLE: dict[str, Claim] = {}  # claims on ANY_NETWORK, which harness.suite.portable binds to a network


def claim(
    id: str,
    *,
    where: str,
    says: str,
    reading: str,
    accept: Region,
    controls: Sequence[Control] = (),
    on: Any = (),
    over: Over = "seeds",
    given: Mapping[str, Any] | None = None,
    scales: Sequence[str] = ("paper",),
    unit: str = "",
    published: float | None = None,
    quotes: str = "",
    derived: bool = False,
    calibrated: bool = False,
    bounds: tuple[float, float] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a claim; stack several on one function for several readings.

    Args:
        id: ``paper/statement`` or ``paper/statement[reading]``.
        where: section, figure or equation of the paper.
        says: what the paper states, in one line of our own words.
        reading: one sentence: what is measured and when it counts as support.
        accept: the accepted region with its reason.
        controls: at least one world in which the claim must come out otherwise.
        on: what the function is called on: name(s) of experiment(s), a :class:`harness.Network` or several, or ANY_NETWORK;
            () for a claim without runs.
        over: how values are sampled, and the method of their interval.
            ``seeds``: one call a seed; Student t over seeds.
            ``pairs``: one call an unordered pair of runs; jackknife over seeds.
            ``trials``: the measurement is a proportion of ``Measurement.trials``; Clopper-Pearson on the pooled trials.
            ``share``: the function returns True or False for each seed, and the region judges the share of True;
            Clopper-Pearson. It suits counts with few plausible values.
            ``once``: a deterministic value, judged against its bound.
            ``interval``: one run, whose measurement is an estimate with its own ``Measurement.interval``.
        given: static arguments that distinguish this reading from the others.
        scales: scales at which the claim can be judged, by default ``paper``; at other scales it is declared NOT_RUN.
        unit: unit of the measured value.
        published: the paper's own number, if it has one, for the report's figures.
        quotes: the paper's own words, verbatim; fragments are joined with " ... ". "" without a quotation.
        derived: the statement is our own theorem or derivation, not the paper's.
        calibrated: the region, or the threshold it is measured with, was chosen so that the paper's number comes out.
        bounds: the lowest and highest value that the quantity can have, (0, 1) for a share, (0, math.inf) for a
            ratio; intervals end there. A value outside is an error of the measurement. By default those of :func:`bounded`.

    Raises:
        InvalidInput: malformed or duplicate id, unknown scale, bounds that are no interval, no control, or a quotation that is
            derived or too short.
    """
    if not _ID.fullmatch(id):
        raise InvalidInput(
            f"claim id {id!r}: write paper/statement or paper/statement[reading] in lower case, digits and hyphens"
        )
    unknown = [scale for scale in scales if scale not in SCALES]
    if unknown or not scales:
        raise InvalidInput(f"claim {id}: scale {unknown} is unknown; allowed: {', '.join(SCALES)}")
    if bounds is not None:
        _check_bounds(f"claim {id}", *bounds)
    if not controls:
        raise InvalidInput(f"claim {id}: name at least one control, a world in which it must come out otherwise")
    if derived and quotes:
        raise InvalidInput(f"claim {id}: a derived statement is not the paper's: leave out quotes, or derived")
    fragments(quotes)

    names = tuple(known_name(one) for one in (on if isinstance(on, list | tuple) else (on,)))

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        ends = bounds if bounds is not None else getattr(function, "__bounds__", None)
        made = Claim(
            id,
            where,
            says,
            reading,
            accept,
            function,
            tuple(controls),
            names,
            over,
            dict(given or {}),
            tuple(scales),
            unit,
            published,
            ends,
            portable=names == (ANY_NETWORK,),
            quotes=quotes,
            derived=derived,
            calibrated=calibrated,
        )
        registry = PORTABLE if made.portable else REGISTRY
        before = registry.get(id)
        if before is not None and _place(before.function) != _place(function):
            raise InvalidInput(
                f"claim id {id} is declared twice, in {_place(before.function)} and {_place(function)}: ids are unique"
            )
        registry[id] = made
        if not made.portable:
            function.__claims__ = (made, *getattr(function, "__claims__", ()))  # type: ignore[attr-defined]
        return function

    return declare


def bounded(low: float, high: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give the bounds of what a function measures to all claims on it: the decorator stands below theirs.

    Raises:
        InvalidInput: they are no interval, or a claim on the function was declared before.
    """
    _check_bounds("bounded", low, high)

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        late = [one.id for registry in (REGISTRY, PORTABLE) for one in registry.values() if one.function is function]
        if late:
            raise InvalidInput(f"claim {late[0]}: bounded{(low, high)} stands above @claim, where it has no effect: put it below")
        function.__bounds__ = (low, high)  # type: ignore[attr-defined]
        return function

    return mark


def _check_bounds(owner: str, low: float, high: float) -> None:
    if not low < high:
        raise InvalidInput(f"{owner}: bounds {(low, high)} are empty: give (lowest, highest) value that the quantity can have")


def known_name(on: Any) -> str:
    """The name of an experiment; a network is registered under its own name."""
    if isinstance(on, str):
        return on
    from harness.runs.network_experiment import known

    return known(on)


def _place(function: Callable[..., Any]) -> tuple[str, str]:
    return function.__code__.co_filename, function.__qualname__
