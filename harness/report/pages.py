"""HTML pages from templates. A report's text is escaped, an undefined name is an error, and nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# control characters and marks that turn text around: what a report holds may have them, and a page shows them written out
UNSEEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")


def render(template: Path, filters: Mapping[str, Callable[..., Any]] | None = None, /, **values: Any) -> str:
    """The page, without blank lines. Templates and style sheets in the template's folder can be included and extended."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= filters or {}
    page = environment.get_template(template.name).render(**values)
    return UNSEEN.sub(lambda char: char[0].encode("unicode_escape").decode(), re.sub(r"\n\s*\n+", "\n", page))
