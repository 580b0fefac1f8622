"""Sessions: claims (the main job), tests, lint, typecheck, browser, docs, wheel, probe, mutants, museum, matrix, ensembles,
bench, atlas, multihost."""

import argparse
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["tests", "lint", "typecheck"]
nox.options.reuse_venv = "yes"
AXE = "axe-core@4"  # finds faults that keep people from reading a page


def paths(arguments: list[str], default: str) -> list[str]:
    """Arguments after ``--`` go to pytest unchanged; the default folder is added only when none of them lies in it."""
    folder = Path(default).resolve()
    named = [Path(argument.partition("::")[0]).resolve() for argument in arguments if not argument.startswith("-")]
    inside = any(path.exists() and (path == folder or folder in path.parents) for path in named)
    return arguments if inside else [default, *arguments]


def extras(arguments: list[str]) -> str:
    """The extras that a command with these arguments needs: a scheduler's address needs Dask."""
    return "claims,cluster" if any("-scheduler" in argument for argument in arguments) else "claims"


@nox.session
def claims(session: nox.Session) -> None:
    """Train, differentiate through training, judge every claim, report."""
    session.install("-e", f".[{extras(session.posargs)}]")
    session.run("pytest", *paths(session.posargs, "claims"))


def beside_each_other(session: nox.Session) -> dict[str, str]:
    """The environment of test workers: BLAS has a thread in each, and XLA compiles thousands of small programs in less time.

    XLA's former code generator is as exact and compiles faster. So does code that LLVM does not optimise, which tests run for
    milliseconds only. The session ``claims`` runs what XLA makes by default. A flag that XLA does not have is left out.
    """
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    start = [str(Path(session.bin) / "python"), "-c", "import jax; jax.devices()"]
    flags = os.environ.get("XLA_FLAGS", "")
    for flag in ("cpu_use_fusion_emitters=false", "backend_optimization_level=0", "llvm_disable_expensive_passes=true"):
        wanted = f"{flags} --xla_{flag}".strip()
        if not subprocess.run(start, env=os.environ | {"XLA_FLAGS": wanted}, capture_output=True, check=False).returncode:
            flags = wanted
    return threads | {"XLA_FLAGS": flags}


@nox.session
def tests(session: nox.Session) -> None:
    """The tests of the harness itself."""
    session.install("-e", ".[dev]")
    elsewhere = [f"--ignore=tests/{name}" for name in ("multihost", "browser", "site")]
    # each worker takes files that lie together, whose tests share what they prepare
    workers = ("-n", "2", "--dist", "worksteal")
    session.run("pytest", *workers, *elsewhere, *paths(session.posargs, "tests"), env=beside_each_other(session))


@nox.session
def browser(session: nox.Session) -> None:
    """The report in a headless Chromium, three widths, light and dark; without one skipped, or failed if BROWSER_REQUIRED=1."""
    session.install("-e", ".[browser]")
    folder = Path(session.create_tmp())
    axe = folder / "package" / "axe.min.js"
    if shutil.which("npm") and not axe.is_file():  # its licence is its own: it is fetched, checked by npm and never kept here
        # without a registry the tests that need it are skipped
        session.run("npm", "pack", "--silent", "--pack-destination", str(folder), AXE, external=True, success_codes=[0, 1])
        for packed in folder.glob("axe-core-*.tgz"):
            with tarfile.open(packed) as files:
                files.extractall(folder, filter="data")
    found = {"AXE_CORE": str(axe.resolve())} if axe.is_file() else {}
    session.run("pytest", *paths(session.posargs, "tests/browser"), env=found)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site in build/site; a broken link, or a page that would fetch something, fails."""
    session.install("-e", ".[docs]")
    session.run("mkdocs", "build", "--strict")
    session.run("pytest", *paths(session.posargs, "tests/site"))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format and common errors, and whether the GitHub action and the workflows are well formed."""
    session.install("ruff>=0.8", "check-jsonschema>=0.30")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    for schema, files in (("github-actions", ["action.yml"]), ("github-workflows", sorted(Path(".github").rglob("*.yml")))):
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files))


@nox.session
def typecheck(session: nox.Session) -> None:
    """Types, strict on the harness."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def probe(session: nox.Session) -> None:
    """Thousands of fresh random examples for each property of training maps; each counterexample is printed, shrunk."""
    session.install("-e", ".[dev]")
    properties = ("claims/training_jacobian/test_quadratic_properties.py", "tests/engine/test_engine_properties.py")
    session.run("pytest", "--hypothesis-profile=deep", *properties, *session.posargs)


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it in an empty environment outside the checkout, and judge claims there."""
    session.install("pip>=24", "pytest>=8.3", "hatchling>=1.26")
    session.run("pytest", "-s", "--noconftest", "tests/tools/test_wheel.py", env={"WHEEL_DEPENDENCIES": "registry"})


@nox.session
def mutants(session: nox.Session) -> None:
    """Put deliberate faults into copies of the harness; fails if one survives the checks that must find it."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "mutants", *session.posargs)


@nox.session
def museum(session: nox.Session) -> None:
    """Run the suite with regressions of libraries that were reported in public; fails if one is not caught and named.

    --quarter takes those that CI runs. An entry that was run with the same code is not run again.
    """
    session.install("-e", ".[claims]")
    session.run("python", "-m", "mutants.museum", *session.posargs)


@nox.session
def ensembles(session: nox.Session) -> None:
    """Measure the reference ensembles: 32 seeds at smoke scale, in both precisions; 16 at paper scale with ``-- paper``.

    Three seeds come first. An ensemble that they confirm is kept as it is, whatever its size; the other claims are measured on
    all seeds. It goes on where it was stopped, and shows what would change; ``-- --accept`` writes it. Other arguments go to
    pytest.
    """
    session.install("-e", ".[claims]")
    wanted = [argument for argument in session.posargs if argument not in ("paper", "--accept")]
    accept = ["--accept"] if "--accept" in session.posargs else []
    runs = [("paper", "float32", 16)] if "paper" in session.posargs else [("smoke", "float32", 32), ("smoke", "float64", 32)]
    for scale, precision, seeds in runs:
        folder = Path(f"reports/ensembles/{scale}-{precision}")
        how = [f"--claims-scale={scale}", f"--claims-precision={precision}", "--claims-ensemble", f"--claims-report={folder}"]
        # a claim may fail here: the difference shows it
        session.run("pytest", "claims", *how, "--claims-seeds=3", *wanted, success_codes=[0, 1])
        left = Path(session.create_tmp()) / f"{scale}-{precision}.txt"
        session.run("python", "-m", "harness", "ensemble", str(newest(folder)), "--confirm", f"--left={left}", *accept)
        anew = [f"--claims-id={id}" for id in left.read_text(encoding="utf-8").splitlines()]
        if anew:
            session.run("pytest", "claims", *how, f"--claims-seeds={seeds}", *wanted, *anew, success_codes=[0, 1])
            session.run("python", "-m", "harness", "ensemble", str(newest(folder)), *accept)


def newest(folder: Path) -> Path:
    """The report that was written last into a folder: of all claims, or of some of them."""
    made = [folder / name for name in ("latest", "partial") if (folder / name / "report.json").is_file()]
    return max(made, key=lambda report: (report / "report.json").stat().st_mtime)


@nox.session
def bench(session: nox.Session) -> None:
    """The harness against the notebook's loops; writes docs/benchmarks.md, or with --compare looks for ratios that fell.

    --sessions N measures everything N times, one pytest session after another.
    """
    session.install("-e", ".[dev]")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--compare", action="store_const", const=["--compare"], default=[])
    parser.add_argument("--sessions", type=int, default=1)
    given, chosen = parser.parse_known_args(session.posargs)
    if given.sessions < 1:
        session.error(f"--sessions {given.sessions}: give 1 or more")
    if given.compare and not Path("benchmarks/reference.json").exists():
        session.error("nothing to compare with: no benchmarks/reference.json; run nox -s bench first")
    results = [str(Path(session.create_tmp()) / f"benchmarks-{number}.json") for number in range(given.sessions)]
    for result in results:
        session.run("pytest", f"--benchmark-json={result}", *paths(chosen, "benchmarks"))
    session.run("python", "-m", "benchmarks.table", *results, *given.compare)


@nox.session
def atlas(session: nox.Session) -> None:
    """Sweep variants of the paper's network and judge every claim for any network on each; docs/atlas.md has the options."""
    session.install("-e", f".[{extras(session.posargs)}]")
    session.run("python", "-m", "claims.training_jacobian.atlas", *session.posargs)


@nox.session
def multihost(session: nox.Session) -> None:
    """Claims and blocks of Jacobians on a Dask cluster, and one Jacobian sharded over processes by jax.distributed."""
    session.install("-e", ".[dev]")
    session.run("pytest", *paths(session.posargs, "tests/multihost"))


@nox.session
def matrix(session: nox.Session) -> None:
    """Claims of each paper under one change at a time (releases, instruction sets, threads, Pythons); writes docs/matrix.md.

    What was run with the same code is not run again; other arguments go to ``python -m mutants.matrix``.
    """
    session.install("-e", ".[claims]")
    session.run("python", "-m", "mutants.matrix", "--table", "docs/matrix.md", *session.posargs)
