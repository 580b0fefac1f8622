"""report.json: everything that is needed to judge again, and its schema."""

from __future__ import annotations

import json
from pathlib import Path

from harness.errors import InvalidInput
from harness.report.records import SCHEMA_VERSION, Json, Report

NAME = "report.json"


def write(report: Report, folder: Path) -> None:
    """Write report.json and the evidence files beside it."""
    for file, content in report.evidence.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    (folder / NAME).write_text(json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read(path: Path) -> Report:
    """A report from its folder or its report.json.

    Raises:
        InvalidInput: there is none, it is not a report, or it has another schema version.
    """
    file = path / NAME if path.is_dir() else path
    try:
        data: Json = json.loads(file.read_text(encoding="utf-8"))
        found = data["schema_version"]
        if found == SCHEMA_VERSION:
            return Report.from_json(data)
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = f"{type(error).__name__}: {error}"
        raise InvalidInput(f"{file} is not a report ({cause}); give a run's folder or report.json") from None
    raise InvalidInput(f"{file} has schema version {found}, this harness reads {SCHEMA_VERSION}: make the report again")


def schema() -> Json:
    """The JSON Schema of report.json."""
    content: Json = json.loads((Path(__file__).parent / "schema.json").read_text(encoding="utf-8"))
    return content
