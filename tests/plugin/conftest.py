"""Projects with planted claims.

JAX is imported before these tests: pytester forgets the modules that a session inside this process imported, and JAX cannot be
imported twice.
"""

from collections.abc import Iterator

import jax  # noqa: F401
import pytest

from harness.runs import provenance
from harness.suite import code
from harness.suite.claim import REGISTRY
from tests.plugin.planted import LAB, PREAMBLE, Judge, Project


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Planted claims stay out of the registry, this process keeps its environment, and lines are as wide on every machine."""
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("COLUMNS", "120")
    before = dict(REGISTRY)
    REGISTRY.clear()
    for module in (provenance, code):  # planted modules have one name and many texts
        for cached in (value for value in vars(module).values() if hasattr(value, "cache_clear")):
            cached.cache_clear()
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


@pytest.fixture
def project(pytester: pytest.Pytester, alone: None) -> Project:
    """Writes a project whose claims are the given texts; further files by path."""

    def write(*claims: str, files: dict[str, str] | None = None, ini: str = "") -> None:
        asked = "" if "claims_paths" in ini else "claims_paths = claims\n"
        asked += "" if "claims_canaries" in ini else "claims_canaries = off\n"
        pytester.makeini(f"[pytest]\naddopts = --strict-markers --import-mode=importlib\n{asked}{ini}")
        pytester.makeconftest(LAB)
        for path, text in {"claims/test_planted.py": PREAMBLE + "".join(claims), **(files or {})}.items():
            (pytester.path / path).parent.mkdir(parents=True, exist_ok=True)
            (pytester.path / path).write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def judge(pytester: pytest.Pytester, alone: None) -> Judge:
    """Runs pytest in the project, inside this process."""
    return lambda *arguments: pytester.runpytest_inprocess("--claims-store", str(pytester.path / "store"), *arguments)
