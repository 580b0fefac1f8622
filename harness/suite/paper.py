"""A paper: its name in claim ids, its title, and the package that has its experiments, claims and figures."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InvalidInput

INSTALLED = "training_jacobian_claims"  # the name of the folder claims where it is installed


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes:
        id: its name in claim ids, such as ``training-jacobian``.
        title: authors, year and title, for reports.
        package: name of its package; its figures are in the subpackage ``figures``.
        main: whether reports begin with it.
    """

    id: str
    title: str
    package: str
    main: bool = False


PAPERS: dict[str, Paper] = {}


def paper(id: str, title: str, package: str, *, main: bool = False) -> Paper:
    """Register a paper. Its package calls this when it is imported.

    Raises:
        InvalidInput: another package has a paper of that id.
    """
    made = Paper(id, title, package, main)
    if PAPERS.get(id, made).package != package:
        raise InvalidInput(f"paper {id!r} of {package} is known from {PAPERS[id].package} already: ids are unique")
    PAPERS[id] = made
    return made


def title(id: str) -> str:
    """The paper's title; its id if it gave none."""
    return PAPERS[id].title if id in PAPERS else id


def home() -> Path:
    """The folder of the papers that come with this package: in its checkout, or installed beside it."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():  # an editable installation also copies the papers, and the copy becomes stale
        return checkout / "claims"
    spec = importlib.util.find_spec(INSTALLED)
    return Path(spec.origin).parent if spec and spec.origin else checkout / "claims"


def fixtures() -> Path:
    """The folder of references that come with this package: in its checkout, or inside :func:`home` where it is installed."""
    inside = home() / "fixtures"
    return inside if inside.is_dir() else home().parent / "fixtures"
