"""A paper: its name in claim ids, its title, and the package that has its experiments, claims and figures."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import InvalidInput


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes:
        id: its name in claim ids, such as ``training-jacobian``.
        title: authors, year and title, for reports.
        package: the package it is in; its figures are the package ``figures`` in there.
    """

    id: str
    title: str
    package: str


PAPERS: dict[str, Paper] = {}


def paper(id: str, title: str, package: str) -> Paper:
    """Make a paper known; called by its package when it is imported.

    Raises:
        InvalidInput: another package has a paper of that id.
    """
    made = Paper(id, title, package)
    if PAPERS.get(id, made).package != package:
        raise InvalidInput(f"paper {id!r} of {package} is known from {PAPERS[id].package} already: ids are unique")
    PAPERS[id] = made
    return made


def title(id: str) -> str:
    """The paper's title; its id if it gave none."""
    return PAPERS[id].title if id in PAPERS else id
