"""Sessions: claims (the main job), tests, lint, typecheck, probe, mutants."""

from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["tests", "lint", "typecheck"]
nox.options.reuse_venv = "yes"


def paths(session: nox.Session, default: str) -> list[str]:
    """Arguments after ``--`` go to pytest unchanged; the default folder is added only when none of them lies in it."""
    folder = Path(default).resolve()
    named = [Path(argument.partition("::")[0]).resolve() for argument in session.posargs if not argument.startswith("-")]
    inside = any(path.exists() and (path == folder or folder in path.parents) for path in named)
    return [*session.posargs] if inside else [default, *session.posargs]


@nox.session
def claims(session: nox.Session) -> None:
    """Train, differentiate through training, judge every claim, report."""
    session.install("-e", ".")
    session.run("pytest", *paths(session, "claims"))


@nox.session
def tests(session: nox.Session) -> None:
    """The tests of the harness itself."""
    session.install("-e", ".[dev]")
    session.run("pytest", "-n", "2", *paths(session, "tests"))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common errors."""
    session.install("ruff>=0.8")
    session.run("ruff", "check", ".")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Types, strict on the harness."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def probe(session: nox.Session) -> None:
    """Property-based probing of the quadratic lab for as long as it is told: nox -s probe -- --minutes 5."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "harness.probe", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Put deliberate faults into copies of the harness; fails if one survives the checks that must find it."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "mutants", *session.posargs)
