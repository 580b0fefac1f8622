"""Bind a paper's claims for any network to one network. These claims name no number of the paper's own.

A paper declares them in its module ``any_network``, on ``ANY_NETWORK``. Their controls take the worlds of the network itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import InvalidInput
from harness.runs.experiment import SCALES
from harness.suite.catalogue import declare_papers
from harness.suite.claim import PORTABLE, REGISTRY, Claim, known_name
from harness.suite.paper import PAPERS, home

MODULE = "any_network"


def paper_claims(paper: str, *, on: Any, scales: Sequence[str] = SCALES) -> Callable[[], None]:
    """The paper's claims on a network, as tests: ``test_mine = paper_claims("training-jacobian", on=net)``.

    Args:
        paper: id of a paper that has claims for any network.
        on: a :class:`harness.Network`, a function that makes a network when it is first needed, or a registered network's name.
        scales: scales at which the claims are judged.

    Returns:
        A function that pytest collects as one test a claim. The claims' ids end in the network's name.

    Raises:
        InvalidInput: unknown paper, or a name that another network has.
    """
    caller = inspect.stack()[1].filename

    def claims() -> None:
        """Collected as claims, never called."""

    claims.__claims__ = tuple(replace(claim, scales=tuple(scales)) for claim in bound(paper, on, file=caller))  # type: ignore[attr-defined]
    REGISTRY.update({claim.id: claim for claim in claims.__claims__})  # type: ignore[attr-defined]
    return claims


def bound(paper: str, network: Any, *, file: str = "") -> list[Claim]:
    """The paper's claims for any network on this one, at every scale.

    Raises:
        InvalidInput: unknown paper, or a name that another network has.
    """
    name = known_name(network)
    tag = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-")
    if not tag:
        raise InvalidInput(f'a network called {name!r} gives no claim a name: use letters or digits, Network(name="mine")')
    return [
        replace(claim, id=_on(claim.id, tag), on=(name,), scales=SCALES, file=file or claim.place) for claim in of_paper(paper)
    ]


def _on(id: str, tag: str) -> str:
    return f"{id[:-1]},on-{tag}]" if id.endswith("]") else f"{id}[on-{tag}]"


def of_paper(paper: str) -> list[Claim]:
    """The paper's claims for any network, as declared.

    Raises:
        InvalidInput: there is no such paper, or it has no such claims.
    """
    if paper not in PAPERS:
        declare_papers(home())
    if paper in PAPERS and _has_module(paper):
        importlib.import_module(_module(paper))
    found = [claim for claim in PORTABLE.values() if claim.paper == paper]
    if not found:
        allowed = sorted({claim.paper for claim in PORTABLE.values()} | {id for id in PAPERS if _has_module(id)})
        raise InvalidInput(f"{paper!r} has no claims for any network; allowed: {', '.join(allowed) or 'none is installed'}")
    return found


def _module(paper: str) -> str:
    return f"{PAPERS[paper].package}.{MODULE}"


def _has_module(paper: str) -> bool:
    return importlib.util.find_spec(_module(paper)) is not None
