"""The wheel, installed outside the checkout, judges a paper's claim and another project's claim.

Its dependencies come from the environment of this test. With WHEEL_DEPENDENCIES=registry (``nox -s wheel``) they come from the
package registry, into an empty environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FROM_REGISTRY = os.environ.get("WHEEL_DEPENDENCIES") == "registry"
OUTSIDE = """
from harness import Control, Measurement, NotRun, at_least, claim

doubled = Control("half of it", lambda: {"share": 0.25})

@claim("mine/share", where="my notes", says="half of it", reading="the share", accept=at_least(0.5, reason="half"),
       controls=[doubled], over="once", scales=["smoke", "paper"])
def test_share(share=0.5):
    return Measurement(share)
"""


def run(*command: object, cwd: Path, **environment: str) -> str:
    """What the command prints; it must succeed, and sees nothing of the checkout."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_ADDOPTS", "XLA_FLAGS")}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=clean | environment, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation", "--quiet", "-w", folder, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel and what it needs, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    found = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if FROM_REGISTRY:
        run(found, "-m", "pip", "install", "--quiet", f"{wheel}[claims]", cwd=folder)
        return found
    run(found, "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=folder)
    own = run(found, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    # after the wheel's own folder on the path; an editable install in there is not followed
    Path(own, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return found


def test_the_wheel_holds_engine_papers_and_fixtures(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "harness/py.typed",
        "harness/report/template.html",
        "harness/report/schema.json",
        "training_jacobian_claims/pytest.ini",
        "training_jacobian_claims/deviations.toml",
        "training_jacobian_claims/ledger.toml",
        "training_jacobian_claims/training_jacobian/test_spectrum.py",
        "training_jacobian_claims/tiny_subspace/figures/overlap.py",
        "training_jacobian_claims/fixtures/published_init.npz",
        "training_jacobian_claims/fixtures/ensembles/smoke-float32.json",
    ):
        assert needed in names, needed
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names} == {
        "harness",
        "training_jacobian_claims",
        *(name.partition("/")[0] for name in names if ".dist-info" in name),
    }
    assert not [name for name in names if "__pycache__" in name]


def test_the_source_distribution_holds_what_readme_and_tests_need(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path, cwd=ROOT)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in (
        "README.md",
        "LICENSE",
        "noxfile.py",
        "docs/figures/training-jacobian-1a.svg",
        "docs/large.md",
        "fixtures/published_init.npz",
        "claims/deviations.toml",
        "claims/training_jacobian/figures/spectrum.py",
        "tests/conftest.py",
        "packaging/pytest.ini",
    ):
        assert needed in names, needed


def test_an_installed_paper_is_judged(python: Path, tmp_path: Path) -> None:
    folder = run(python, "-m", "harness", "papers", cwd=tmp_path).strip()
    assert Path(folder).name == "training_jacobian_claims"
    assert not Path(folder).is_relative_to(ROOT)
    options = ("--claims-scale", "smoke", "--claims-seeds", "1", "--claims-store", tmp_path / "store")
    said = run(python, "-m", "pytest", folder, "--claims-id=training-jacobian/alignment-bulk[median]", *options, cwd=tmp_path)
    assert "1 of 1 claims judged: 1 SUPPORTED" in said, said
    assert (tmp_path / "reports" / "partial" / "report.html").exists()


def test_a_claim_of_somebody_else_is_judged(python: Path, tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "test_mine.py").write_text(OUTSIDE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nclaims_paths = claims\n")
    said = run(python, "-m", "pytest", "--claims-scale", "smoke", "--claims-store", tmp_path / "store", cwd=tmp_path)
    assert "1 of 1 claims judged: 1 SUPPORTED" in said, said


def test_the_engine_works_without_the_extras(python: Path, tmp_path: Path) -> None:
    """What ``pip install`` without extras brings is enough to differentiate training and to take its spectrum."""
    hidden = "filelock hypothesis jinja2 matplotlib platformdirs pytest xdist sklearn zstandard"
    script = f"""
import sys
for name in {hidden.split()!r}:
    sys.modules[name] = None
import numpy as np, optax
import harness
from harness import Training, TrainingProducts, decompose, dense_jacobian
training = Training(lambda w, batch: ((batch @ w) ** 2).mean(), optax.sgd(0.1), np.ones((5, 2, 3)), 2)
start = np.array([1.0, 2.0, 3.0])
J = dense_jacobian(training, start)
assert J.dtype == np.float64, J.dtype
assert abs(TrainingProducts(training, start).forward(np.eye(3)) - J).max() < 1e-12
print(harness.__version__, decompose(J).sigma)
"""
    assert run(python, "-c", script, cwd=tmp_path)
