"""Check quotations without the text, by hashes of runs of its words.

A quotation holds where every run of eight of its words occurs in the text; a fragment of fewer words is one run.

The hashes are short. They reveal an honest slip, not a forgery, and the text cannot be read back from them.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import InvalidInput

SHORTEST, LONGEST = 3, 8  # words in a run
DIGEST = 4  # bytes kept of each hash: a changed word passes for the text's in some 3 of 10^6 cases
JOINT = " ... "
Windows = Mapping[int, frozenset[bytes]]

TAG = re.compile(r"</?[A-Za-z][^>]*>")
LINK = re.compile(r"\[((?:\\.|[^\]\\])*)\]\([^)\s]*\)")
SILENT = re.compile(r"\\(?:math(?:bb|bf|cal|rm)|text(?:bf|it)?|operatorname|left|right|approx|sim)\b")
COMMAND = re.compile(r"\\([A-Za-z]+)")
GREEK = re.compile(r"[\u0370-\u03ff]")
MINUS = re.compile(r"(?<!\w)-(?=\d)")
HYPHEN = re.compile(r"(?<=[a-z])-\s*(?=[a-z])")
JOINED = re.compile(r"[_^{}'\u2019]")
WORD = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without markup, LaTeX, punctuation, hyphens and white space.

    Greek letters and LaTeX commands become their names. Indices and exponents are joined to the word that they stand at. So
    ``$\\theta_0$``, a Greek theta with a subscript and ``theta_0`` are the same word.
    """
    plain = LINK.sub(r"\1", TAG.sub("", html.unescape(text)))
    plain = COMMAND.sub(r" \1", SILENT.sub("", plain))
    plain = GREEK.sub(_name, unicodedata.normalize("NFKC", plain)).lower()
    plain = HYPHEN.sub("", JOINED.sub("", MINUS.sub("minus", plain)))
    return WORD.findall(plain)


def fragments(quotes: str) -> list[list[str]]:
    """The words of each fragment of a quotation.

    Raises:
        InvalidInput: a fragment of fewer than three words, which any text may have.
    """
    found = [words(part) for part in quotes.split(JOINT)] if quotes else []
    short = [fragment for fragment in found if len(fragment) < SHORTEST]
    if short:
        raise InvalidInput(f"quoted fragment {' '.join(short[0])!r} has {len(short[0])} words: quote {SHORTEST} or more in a row")
    return found


def windows(text: str) -> dict[int, frozenset[bytes]]:
    """Hashes of all runs of 3 to 8 words, by their number of words."""
    said = words(text)
    return {size: frozenset(map(_digest, _runs(said, size))) for size in range(SHORTEST, LONGEST + 1)}


def unquoted(quotes: str, known: Windows) -> list[str]:
    """The runs of words of a quotation that the text does not have; [] for a verbatim quotation.

    Raises:
        InvalidInput: a fragment of fewer than three words.
    """
    sized = [(fragment, min(len(fragment), LONGEST)) for fragment in fragments(quotes)]
    runs = [(run, known[size]) for fragment, size in sized for run in _runs(fragment, size)]
    return [" ".join(run) for run, there in runs if _digest(run) not in there]


def save(papers: Mapping[str, Windows], path: Path) -> None:
    """Write the hashes of each paper, by its id; the same papers give the same bytes."""
    content = {
        paper: {str(size): base64.b64encode(b"".join(sorted(hashes))).decode() for size, hashes in known.items()}
        for paper, known in sorted(papers.items())
    }
    path.write_bytes(gzip.compress(json.dumps(content, indent=1).encode(), mtime=0))


def load(path: Path) -> dict[str, Windows]:
    """What :func:`save` wrote."""
    content = json.loads(gzip.decompress(path.read_bytes()))
    return {
        paper: {int(size): _split(base64.b64decode(joined)) for size, joined in known.items()} for paper, known in content.items()
    }


def _runs(said: Sequence[str], size: int) -> list[Sequence[str]]:
    return [said[start : start + size] for start in range(len(said) - size + 1)]


def _digest(run: Sequence[str]) -> bytes:
    return hashlib.sha256(" ".join(run).encode()).digest()[:DIGEST]


def _split(joined: bytes) -> frozenset[bytes]:
    return frozenset(joined[start : start + DIGEST] for start in range(0, len(joined), DIGEST))


def _name(letter: re.Match[str]) -> str:
    """The letter's name, such as ``theta``, for either case; among letters the name is a word of its own."""
    around = letter.string[max(letter.start() - 1, 0) : letter.start()], letter.string[letter.end() : letter.end() + 1]
    before, after = (" " if neighbour.isalpha() else "" for neighbour in around)
    name = unicodedata.name(letter.group(), letter.group()).rpartition(" ")[2].lower()
    return f"{before}{name.replace('lamda', 'lambda')}{after}"  # Unicode's spelling
