"""The report folder of an atlas: atlas.md to read, atlas.json and atlas.csv to compute with, figures, and a page a variant."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from harness.report.atlas import figures, judged
from harness.report.atlas.judged import Judged
from harness.report.atlas.rows import FACTS, PAIR_FACTS, Row
from harness.report.atlas.table import Question, Table
from harness.suite.claim import Claim
from harness.suite.records import Json, plain

SCHEMA = 1
PAGE = "atlas.md"
# columns of the table of variants: title, fact, format
COLUMNS = (
    ("bulk", "near", ".1%"),
    ("on noise", "near_noise", ".1%"),
    ("above", "above", ".1%"),
    ("below", "below", ".1%"),
    ("structural", "structural", ".1%"),
    ("rank .001", "rank_0.001", ".1%"),
    ("rank .01", "rank_0.01", ".1%"),
    ("rank .1", "rank_0.1", ".1%"),
    ("sigma_1", "sigma_1", ".4g"),
    ("cosine", "bulk_cosine", ".4f"),
    ("overlap", "base_overlap", ".3f"),
    ("test loss", "test_loss", ".4g"),
    ("accuracy", "test_accuracy", ".1%"),
)


# what a figure shows, for those who do not see it
DRAWN = {
    "map": "Claims by variants: the verdict by shape and colour",
    "atlas": "The bulk's share by variant, and that of the same network on white noise",
    "spectra": "Singular values along training",
}


@dataclass(frozen=True)
class Atlas:
    """Everything that the pages show.

    Attributes:
        table, claims: what was asked for.
        seeds: how many.
        rows: what was measured.
        complete: whether every variant of the table has every seed.
        faults: variants that broke, each with its reason.
        others: number of rows that other code than the present code measured.
    """

    table: Table
    claims: Sequence[Claim]
    seeds: int
    rows: Sequence[Row]
    complete: bool
    faults: Sequence[str] = ()
    others: int = 0

    @property
    def swept(self) -> dict[str, list[Row]]:
        """The rows of each variant that has any, in the order of the table."""
        held = {variant.name: [row for row in self.rows if row.variant == variant.name] for variant in self.table.variants}
        return {name: rows for name, rows in held.items() if rows}

    @property
    def axes_of(self) -> dict[str, str]:
        return {variant.name: variant.axis for variant in self.table.variants}

    def verdicts(self) -> dict[str, dict[str, Judged]]:
        """Every claim on every variant that was swept."""
        return {name: {c.id: judged.of_claim(c, rows) for c in self.claims} for name, rows in self.swept.items()}

    def answers(self) -> dict[str, Judged]:
        """Every question."""
        seeds: dict[int, dict[str, Row]] = {}
        for row in self.rows:
            seeds.setdefault(row.seed, {})[row.variant] = row
        if not seeds:
            return {question.id: Judged("NOT_RUN", why="nothing was swept") for question in self.table.questions}
        return {question.id: judged.of_question(question, seeds) for question in self.table.questions}


def write(atlas: Atlas, folder: Path) -> list[Path]:
    """Write all pages; each file is replaced as a whole."""
    verdicts, answers, swept, axes_of = atlas.verdicts(), atlas.answers(), atlas.swept, atlas.axes_of
    files = {
        "atlas.json": json.dumps(_json(atlas, verdicts, answers), indent=1, allow_nan=False) + "\n",
        "atlas.csv": _csv(swept),
        "claims.csv": _claims_csv(verdicts),
    }
    drawings = {}
    if swept:
        drawings = {
            "map": figures.verdicts(verdicts, axes_of, _hovers(atlas.claims, verdicts)),
            "atlas": figures.shares(swept, axes_of),
        }
    if time := _of_axes(swept, axes_of, (atlas.table.spectra,)):
        base = atlas.table.base.name
        drawings["spectra"] = figures.spectra(time | {base: swept[base]} if base in swept else time)
    number, axes = atlas.table.against
    if ranked := _of_axes(swept, axes_of, axes):
        drawings[f"share-against-{number}"] = figures.against(ranked, number, axes_of)
    files |= {f"{name}.svg": text for name, text in drawings.items()}
    files[PAGE] = "\n".join(_page(atlas, verdicts, answers, list(drawings)))
    files |= {f"variants/{name}.md": "\n".join(_variant(atlas, name, rows, verdicts[name])) for name, rows in swept.items()}
    for name, text in files.items():
        _replace(folder / name, text)
    return [folder / name for name in files]


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def _of_axes(swept: Mapping[str, list[Row]], axes_of: Mapping[str, str], axes: Sequence[str]) -> dict[str, list[Row]]:
    return {name: rows for name, rows in swept.items() if axes_of[name] in axes}


def _json(atlas: Atlas, verdicts: Mapping[str, Mapping[str, Judged]], answers: Mapping[str, Judged]) -> Json:
    variants = [
        {
            "name": name,
            "axis": rows[0].axis,
            "value": rows[0].value,
            "given": rows[0].given,
            "rows": [{key: value for key, value in row.to_json().items() if key not in ("claims", "pairs")} for row in rows],
            "claims": {id: dataclasses.asdict(one) for id, one in verdicts[name].items()},
        }
        for name, rows in atlas.swept.items()
    ]
    questions = [_question(question) | dataclasses.asdict(answers[question.id]) for question in atlas.table.questions]
    head = {
        "schema_version": SCHEMA,
        "complete": atlas.complete,
        "seeds": atlas.seeds,
        "left_out": dict(atlas.table.left_out),
        "faults": [*atlas.faults],
    }
    return dict(plain({**head, "facts": FACTS | PAIR_FACTS, "questions": questions, "variants": variants}))


def _question(question: Question) -> dict[str, Any]:
    kept = ("id", "asks", "says", "reading", "over")
    region = {"low": question.accept.low, "high": question.accept.high, "reason": question.accept.reason}
    return {name: getattr(question, name) for name in kept} | {"accept": region, "control": question.control.name}


def _csv(swept: Mapping[str, Sequence[Row]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    plan = ("variant", "axis", "value", "seed", "size", "examples", "batch", "epochs", "steps", "precision")
    writer.writerow([*plan, *FACTS, "failure"])  # claims and their intervals are in atlas.json and claims.csv
    for rows in swept.values():
        for row in rows:
            facts = ["" if row.facts.get(name) is None else row.facts[name] for name in FACTS]
            writer.writerow([*(getattr(row, name) for name in plan), *facts, row.failure])
    return buffer.getvalue()


def _claims_csv(verdicts: Mapping[str, Mapping[str, Judged]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["variant", "claim", "verdict", "mean", "low", "high", "values", "why"])
    for name, held in verdicts.items():
        for id, one in held.items():
            mean, (low, high) = fmean(one.values) if one.values else "", one.interval or ("", "")
            writer.writerow([name, id, one.mark, mean, low, high, len(one.values), one.why])
    return buffer.getvalue()


def _page(
    atlas: Atlas, verdicts: Mapping[str, Mapping[str, Judged]], answers: Mapping[str, Judged], drawings: Sequence[str]
) -> Iterator[str]:
    swept, total = atlas.swept, len(atlas.table.variants) * atlas.seeds
    yield "# Atlas\n"
    state = "" if atlas.complete else f" **Incomplete**: {len(atlas.rows)} of {total} rows are there."
    yield f"{len(swept)} of {len(atlas.table.variants)} variants, {atlas.seeds} seed(s).{state}\n"
    if atlas.others:
        yield f"{atlas.others} rows were measured with other code, libraries or devices than there are now.\n"
    for name, why in atlas.table.left_out.items():
        yield f"Left out: {name}, {why}.\n"
    yield from _first(atlas, answers)
    for name in drawings:
        yield f"![{DRAWN.get(name, name)}]({name}.svg)\n"
        if name == "map":
            yield "[The map by itself](map.svg) shows verdict, value, interval and region of the mark under the pointer.\n"
    yield from _answers(atlas.table.questions, answers)
    yield "\n## Variants\n\nMeans over seeds; shares of free directions, `structural` and ranks of all N.\n"
    yield f"| variant | N | steps | {' | '.join(title for title, _, _ in COLUMNS)} |"
    yield f"|---|{'--:|' * (len(COLUMNS) + 2)}"
    for name, rows in swept.items():
        cells = [f"[{name}](variants/{name}.md)", f"{rows[0].size:,}", f"{rows[0].steps:,}", *_cells(rows)]
        yield f"| {' | '.join(cells)} |"
    failed = [f"- {row.variant}, seed {row.seed}: {row.failure}" for row in atlas.rows if row.failure]
    if failed:
        yield from ["\n## Variants that could not be measured\n", *failed]
    broken = [f"- {row.variant}, seed {row.seed}: {why}" for row in atlas.rows for why in row.broken]
    if broken or atlas.faults:
        yield from ["\n## What broke\n", *(f"- {fault}" for fault in atlas.faults), *broken]
    yield "\n## Claims\n\nOn how many variants each claim has each verdict; for fewer than three seeds, where the values lie.\n"
    yield from _claims(atlas.claims, verdicts)
    yield "\n## Columns\n"
    yield from (f"- `{name}`: {text}" for name, text in (FACTS | PAIR_FACTS).items())
    yield ""


def _first(atlas: Atlas, answers: Mapping[str, Judged]) -> Iterator[str]:
    """What was found, a sentence for each of the table's first questions."""
    questions = {question.id: question for question in atlas.table.questions}
    if atlas.table.first:
        yield "## What was found\n"
        yield from (f"{i}. {sentence(questions[id], answers[id])}" for i, id in enumerate(atlas.table.first, 1))
        yield ""


def sentence(question: Question, found: Judged) -> str:
    """What was found, in words, with its number and a link to the question."""
    if not found.values or found.mark == "NOT_RUN":
        said, ends = f"Not judged: {question.asks}", ""
    elif found.mark in ("SUPPORTED", "inside"):
        said, ends = _capital(question.says), "."
    elif found.mark in ("REFUTED", "outside"):
        said, ends = _capital(question.otherwise), "."
    else:
        said, ends = f"Open: {question.asks}", ""
    seeds = "one seed" if len(found.values) == 1 else f"{len(found.values)} seeds"
    state = found.mark if found.mark.isupper() else f"{found.mark} the region on {seeds}"
    return f"{said}{ends} ([{question.id}](#{question.id}): {_measured(found)}, asked {question.accept}, {state})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _answers(questions: Sequence[Question], answers: Mapping[str, Judged]) -> Iterator[str]:
    yield "## Questions\n\n| question | statement | verdict | measured | region | in the control |\n|---|---|---|---|---|---|"
    for question in questions:
        found = answers[question.id]
        why = f": {found.why}" if found.why and not found.why.startswith("fewer than") else ""
        against = f"; against it: {', '.join(found.against)}" if found.against else ""
        control = "-" if found.control is None else f"{found.control:.4g}: {question.control.name}"
        asks = f'<a id="{question.id}"></a>{question.asks}'
        cells = (asks, question.says, f"{found.mark}{why}{against}", _measured(found), str(question.accept), control)
        yield f"| {' | '.join(cells)} |"
    yield (
        "\nIn brackets: the 95 % interval over seeds. For fewer than three seeds it is that of the first seed by itself, if "
        "there is one (of a slope from its residuals, of a share of variants from their number)."
    )


def _measured(found: Judged) -> str:
    if found.interval is not None:
        low, high = found.interval
        return f"{fmean(found.values):.4g} [{low:.4g}, {high:.4g}]"
    values = ", ".join(f"{value:.4g}" for value in found.values) or "-"
    return values if found.alone is None else f"{values} [{found.alone[0]:.4g}, {found.alone[1]:.4g}]"


def _hovers(claims: Sequence[Claim], verdicts: Mapping[str, Mapping[str, Judged]]) -> dict[tuple[str, str], str]:
    """The text that each mark of the map shows when a pointer rests on it, by variant and claim."""
    by_id = {claim.id: claim for claim in claims}
    return {
        (name, id): f"{name}, {id}: {one.mark}, {_measured(one)}, accepted {by_id[id].accept}"
        for name, held in verdicts.items()
        for id, one in held.items()
    }


def _cells(rows: Sequence[Row]) -> list[str]:
    found = []
    for _, fact, form in COLUMNS:
        values = [row.facts[fact] for row in rows if row.facts.get(fact) is not None]
        found.append(f"{fmean(value for value in values if value is not None):{form}}" if values else "-")
    return found


def _claims(claims: Sequence[Claim], verdicts: Mapping[str, Mapping[str, Judged]]) -> Iterator[str]:
    marks = list(figures.MARKS)
    yield f"| claim | {' | '.join(marks)} | REFUTED or outside on |\n|---|{'--:|' * len(marks)}---|"
    for claim in claims:
        held = {name: found[claim.id].mark for name, found in verdicts.items()}
        counted = Counter(held.values())
        against = ", ".join(name for name, mark in held.items() if mark in ("REFUTED", "outside"))
        yield f"| `{claim.id}` | {' | '.join(str(counted[mark]) for mark in marks)} | {against or '-'} |"


def _variant(atlas: Atlas, name: str, rows: Sequence[Row], found: Mapping[str, Judged]) -> Iterator[str]:
    row = rows[0]
    yield f"# {name}\n"
    yield (
        f"{row.axis}: {row.value}. N = {row.size:,}; {row.examples:,} examples in batches of {row.batch}, {row.epochs} epochs, "
        f"{row.steps:,} steps, in {row.precision}; seeds {', '.join(str(one.seed) for one in rows)}.\n"
    )
    yield from (f"Seed {one.seed}: {one.failure}.\n" for one in rows if one.failure)
    yield f"| quantity | {' | '.join(f'seed {one.seed}' for one in rows)} |\n|---|{'--:|' * len(rows)}"
    for fact in FACTS:
        values = [one.facts.get(fact) for one in rows]
        yield f"| `{fact}` | {' | '.join('-' if value is None else f'{value:.4g}' for value in values)} |"
    yield "\n| claim | verdict | measured | region | |\n|---|---|---|---|---|"
    for claim in atlas.claims:
        one = found[claim.id]
        why = "" if one.why.startswith("fewer than") else one.why.replace("|", "/")
        yield f"| `{claim.id}` | {one.mark} | {_measured(one)} | {claim.accept} | {why} |"
    yield ""
