"""Text in Markdown: markup in a report's names and messages is escaped."""

from __future__ import annotations

import re

from harness.report.text import visible

# marks that begin markup within a line; a star or underscore between blanks, and an underscore inside a word, begin none
MARKUP = re.compile(r"<(?=[A-Za-z/!?])|&(?=#|\w+;)|[`\\]|(?<!\s)\*|\*(?!\s)|(?<!\w)_|_(?!\w)|~~|!(?=\[)|(?<=\])\(")


def text(words: str) -> str:
    """The words with their markup escaped, on one line and without a full stop."""
    flat = visible(" ".join(words.split()).rstrip("."))
    return MARKUP.sub(lambda found: f"\\{found[0]}", flat)


def code(words: str) -> str:
    """A code span around the words, whatever backticks they have."""
    flat = visible(" ".join(words.split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", flat)), default=0))
    return f"{fence} {flat} {fence}" if "`" in flat else f"`{flat}`"


def cell(words: str) -> str:
    """The words in a cell of a table."""
    return text(words).replace("|", "\\|")
