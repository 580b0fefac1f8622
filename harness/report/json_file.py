"""report.json: everything that is needed to judge again, and its schema."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import Unreadable
from harness.suite.audit import VALUES, measured_arrays
from harness.suite.evidence import pack
from harness.suite.records import DIGEST, SCHEMA_VERSION, Json, Report, sealed

NAME = "report.json"
HINT = "give a run's folder or report.json"
LAST = ("latest", "partial")  # the folders of the last runs


def write(report: Report, folder: Path) -> None:
    """Write report.json and the evidence files beside it."""
    values, packed = pack(VALUES, measured_arrays(report))
    report = replace(report, values=values, evidence={**report.evidence, values.file: packed})
    for file, content in report.evidence.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    (folder / NAME).write_text(json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read(path: Path) -> Report:
    """A report from its folder or its report.json (which may be compressed, ``.gz``).

    Raises:
        Unreadable: the file is missing, cut short, no report, or of another schema version.
    """
    file = path / NAME if path.is_dir() else path
    if path.name in LAST and not path.exists():
        raise Unreadable(f"{path} is not a report: no run yet; `nox -s claims`, or pytest, writes it")
    return _checked(_content(file), file)


def unheld(path: Path, report: Report) -> list[str]:
    """A line for each safeguard that the report at ``path`` lacks: its digest, or its file of values."""
    file = path / NAME if path.is_dir() else path
    digest = [] if DIGEST in _content(file) else [f"{file} carries no digest: whether it was changed cannot be told from it"]
    values = [] if report.values is not None else [f"{file} names no file of values: they were not held against anything"]
    return digest + values


def _content(file: Path) -> Any:
    try:
        content = file.read_bytes()
        return json.loads(gzip.decompress(content) if file.suffix == ".gz" else content)
    except OSError as error:
        raise Unreadable(f"{file} is not a report ({error.strerror or error}); {HINT}") from None
    except (ValueError, EOFError, zlib.error) as error:
        raise Unreadable(f"{file} is not a report: it is cut short or no JSON ({error}); {HINT}") from None


def _checked(data: Any, file: Path) -> Report:
    found = data.get("schema_version") if isinstance(data, dict) else None
    if found is None:
        raise Unreadable(f"{file} is not a report: it has no schema_version; {HINT}")
    if found != SCHEMA_VERSION:
        newer = isinstance(found, int) and found > SCHEMA_VERSION
        remedy = "read it with the version of this project that made it, or a newer one" if newer else "make the report again"
        raise Unreadable(f"{file} has schema version {found}, this harness reads {SCHEMA_VERSION}: {remedy}")
    if DIGEST in data and sealed(data)[DIGEST] != data[DIGEST]:
        raise Unreadable(f"{file} is not what was written: its digest is of another content; make the report again")
    try:
        return Report.from_json(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(f"{file} is not a report ({type(error).__name__}: {error}); {HINT}") from None


def schema() -> Json:
    """The JSON Schema of report.json."""
    content: Json = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))
    return content
