"""Write fixtures/quotes.json.gz, by which tests check that what a claim quotes is word for word in its paper.

    python docs/make_quotes.py training-jacobian=text.md tiny-subspace=text.txt ...

Each argument is a paper's id and a file with its text, Markdown or plain, as a converter made it from the PDF. The text itself
is not kept: the fixture holds truncated hashes of all runs of three to eight words. Papers that are not named keep theirs.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from harness.suite.quotations import load, save, windows

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "quotes.json.gz"
# What conversion puts into sentences: page numbers and running heads, the line numbers of a draft, marks of footnotes.
ARTEFACTS = (
    re.compile(r"\n\d+\nUnder review as a conference paper at [^\n]*(?=\n)"),
    re.compile(r"\*\*(?:\s|\d|</?sup>)+\*\*"),
    re.compile(r"<sup>\[\d+\]\([^)]*\)</sup>|<sup>\d+</sup>(?=[A-Z])"),
    re.compile(r"(?<=[A-Za-z)][.,;:])\d{1,2}(?=\s)"),
)


def cleaned(text: str) -> str:
    """The text without what the conversion put into its sentences."""
    for artefact in ARTEFACTS:
        text = artefact.sub("", text)
    return text


def main() -> None:
    texts = dict(argument.split("=", 1) for argument in sys.argv[1:])
    papers = load(FIXTURE) if FIXTURE.is_file() else {}
    papers |= {paper: windows(cleaned(Path(path).read_text(encoding="utf-8"))) for paper, path in texts.items()}
    save(papers, FIXTURE)
    print(f"{FIXTURE}: {', '.join(sorted(papers))}, {FIXTURE.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
