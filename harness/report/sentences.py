"""What a report found of each sentence of its papers: the claims that read it one way or another, in the paper's order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.text import accepted, measured, outcome, reason
from harness.suite.paper import PAPERS
from harness.suite.records import ClaimRecord
from harness.suite.verdict import Verdict

STATES = ("every", "some", "none", "open", "broken", "not run")
# title, abstract, sections by number, figures that no section goes with, appendices by letter, all that names none of these
AT_START = re.compile(r"(?:derived: )?(title|abstract)\b", re.IGNORECASE)
SECTION = re.compile(r"\bsections? (\d+(?:\.\d+)*)", re.IGNORECASE)
APPENDIX = re.compile(r"\bappendi(?:x|ces) ([A-Z])(?:\.(\d+))?", re.IGNORECASE)
FIGURE = re.compile(r"\b(?:figure|table)s? (\d+)", re.IGNORECASE)
Place = tuple[int, tuple[int, ...]]


@dataclass(frozen=True)
class Sentence:
    """One sentence of a paper, or one statement of our own, with the claims that read it.

    ``plain`` is the reading without a name, else the one that was declared first; ``variants`` are the others.
    """

    plain: ClaimRecord
    variants: tuple[ClaimRecord, ...] = ()

    @property
    def readings(self) -> tuple[ClaimRecord, ...]:
        return (self.plain, *self.variants)

    @property
    def state(self) -> str:
        """Whether it holds in ``every``, ``some`` or ``none`` of its judged readings; ``open``: no verdict either way;
        ``broken``: no reading could be judged and one failed; ``not run``: none was to be judged."""
        verdicts = {record.verdict for record in self.readings if record.judged}
        if not verdicts:
            return "broken" if any(outcome(record) == "failed" for record in self.readings) else "not run"
        if "SUPPORTED" in verdicts:
            return "every" if len(verdicts) == 1 else "some"
        return "none" if "REFUTED" in verdicts else "open"

    @property
    def place(self) -> Place:
        """The sentence's first place, for sorting: title, abstract, section, figure, appendix, elsewhere."""
        return min(place(record.where) for record in self.readings)

    @property
    def deviant(self) -> ClaimRecord | None:
        """The reading that says what was measured instead: the plain one if it does, else the first that does."""
        found = (r for r in self.readings if r.expected_reason and outcome(r) in ("deviates", "failed"))
        return next(found, None)

    @property
    def failed(self) -> list[ClaimRecord]:
        return [record for record in self.readings if outcome(record) == "failed"]


def variant(record: ClaimRecord) -> str:
    """The reading's name, that is what stands in brackets; "" for a reading without one."""
    return record.id.partition("[")[2].removesuffix("]")


def network(record: ClaimRecord) -> str:
    """The network's name, if a claim for any network was judged on it (``[...,on-wine]``); else ""."""
    last = variant(record).rpartition(",")[2]
    return last.removeprefix("on-") if last.startswith("on-") else ""


def unbound(record: ClaimRecord) -> str:
    """The id of a claim for any network, without the network: ``paper/claim[reading]`` of ``paper/claim[reading,on-wine]``."""
    return record.id.replace(f"[on-{network(record)}]", "").replace(f",on-{network(record)}]", "]")


def place(where: str) -> Place:
    """The place that words such as ``Section 3.1, Figure 1a`` name; of several sections the first in the paper."""
    if start := AT_START.match(where):
        return (0 if start[1].lower() == "title" else 1), ()
    if sections := SECTION.findall(where):
        return 2, min(tuple(map(int, section.split("."))) for section in sections)
    if appendix := APPENDIX.search(where):
        return 4, (ord(appendix[1].upper()), int(appendix[2] or 0))
    if figure := FIGURE.search(where):
        return 3, (int(figure[1]),)
    return 5, ()


def order(papers: Iterable[str]) -> list[str]:
    """Papers, each once: those that are declared as main first, then by name."""
    return sorted(set(papers), key=lambda id: (id not in PAPERS or not PAPERS[id].main, id))


def papers(records: Iterable[ClaimRecord]) -> list[str]:
    """Ids of the papers that the claims are of, in order."""
    return order(record.paper for record in records)


def sentences(records: Sequence[ClaimRecord], paper: str, *, derived: bool = False) -> list[Sentence]:
    """The paper's sentences in its own order; sentences of one place in the order of declaration.

    Claims belong to one sentence if their ids differ only in the reading, and they quote (or say) the same.

    Args:
        derived: give statements of our own in place of the paper's sentences.
    """
    found: dict[tuple[str, str], list[ClaimRecord]] = {}
    for record in records:
        if record.paper == paper and record.derived == derived and not network(record):
            found.setdefault((record.id.partition("[")[0], record.quotes or record.says), []).append(record)
    return sorted((_sentence(members) for members in found.values()), key=lambda sentence: sentence.place)


def _sentence(members: Sequence[ClaimRecord]) -> Sentence:
    first = next((record for record in members if not variant(record)), members[0])
    return Sentence(first, tuple(record for record in members if record is not first))


def networks(records: Sequence[ClaimRecord]) -> list[tuple[str, list[ClaimRecord]]]:
    """The claims of any network under the name of each, by paper and place."""
    names = dict.fromkeys(name for name in map(network, records) if name)
    known = papers(records)
    ranked = sorted(records, key=lambda record: (known.index(record.paper), place(record.where)))
    return [(name, [record for record in ranked if network(record) == name]) for name in names]


def count(found: Sequence[Sentence]) -> dict[str, int]:
    """How many sentences are in each state that occurs, the best first."""
    numbers = {state: sum(sentence.state == state for sentence in found) for state in STATES}
    return {state: number for state, number in numbers.items() if number}


def tally(found: Sequence[Sentence], what: str = "sentences") -> str:
    """``28 of 53 sentences hold in every reading, 12 in some, 10 in none; 3 are open; 9 were not run``."""
    of = dict.fromkeys(STATES, 0) | count(found)
    judged = sum(of[state] for state in ("every", "some", "none", "open"))
    parts = [
        f"{of['every']} of {judged} {what} hold in every reading, {of['some']} in some, {of['none']} in none" if judged else "",
        f"{of['open']} left open" if of["open"] else "",
        f"{of['broken']} could not be judged" if of["broken"] else "",
        f"{of['not run']} not run" if of["not run"] else "",
    ]
    return "; ".join(filter(None, parts)) or f"no {what}"


def tallies(records: Sequence[ClaimRecord]) -> list[str]:
    """A line for each paper with the tally of its sentences, and a line for each network that claims were judged on."""
    lines = []
    for paper in papers(record for record in records if not network(record)):
        own = sentences(records, paper, derived=True)
        judged = [sentence for sentence in own if sentence.state not in ("broken", "not run")]
        more = f"; of {len(judged)} statements of our own, {count(own).get('every', 0)}" if judged else ""
        lines.append(f"{paper}: {tally(sentences(records, paper))}{more}")
    return lines + [f"On {name}: {of_verdicts(members)}" for name, members in networks(records)]


def of_verdicts(records: Sequence[ClaimRecord]) -> str:
    """``7 SUPPORTED, 3 REFUTED, 4 INCONCLUSIVE, 8 NOT_RUN``: the number of claims of each verdict that occurs."""
    found = [record.verdict for record in records]
    return ", ".join(f"{found.count(verdict.name)} {verdict.name}" for verdict in Verdict if verdict.name in found)


def finding(record: ClaimRecord) -> str:
    """What was measured, in one line, or why nothing was."""
    if not record.judged:
        return reason(record)
    unit = record.measurements[0].unit if record.measurements else ""
    return f"{' '.join(filter(None, [measured(record), unit]))}; accepted: {accepted(record)}"
