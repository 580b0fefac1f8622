"""A Python of another architecture under QEMU, without root: a folder with Debian's packages and PyPI's wheels for it.

Debian's own tools resolve and fetch the packages into the folder, with a state of their own; nothing is installed on the machine.
An emulated process takes 20 to 50 times as long as one of the machine's own.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from mutants.museum.installing import PIP, NotThere, install, pins

# architecture -> (Debian's name for it, QEMU's program)
KNOWN = {"aarch64": ("arm64", "qemu-aarch64-static")}
PACKAGES = ("python3", "libstdc++6", "libgomp1")
MANYLINUX = ("2_28", "2_27", "2_26", "2_17")
SLOWER = 30.0
TOOLS = ("apt-get", "dpkg-deb")


def python(architecture: str, folder: Path) -> tuple[list[str], Path]:
    """The command that runs such a Python, and the folder of its libraries. Made once: some 30 seconds, 800 MB.

    Args:
        architecture: one of :data:`KNOWN`.

    Raises:
        NotThere: the machine is no Debian, or a package or wheel cannot be fetched.
    """
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        raise NotThere(f"no {' and '.join(absent)} on PATH: {architecture} is emulated with packages of Debian")
    debian, qemu = KNOWN[architecture]
    root, site, host, made = folder / "root", folder / "site-packages", folder / "host", folder / "made"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _packages(folder / "packages", root, PACKAGES, [f"APT::Architecture={debian}", f"APT::Architectures={debian}"])
        _packages(folder / "qemu", host, ("qemu-user-static",), [])
        _wheels(architecture, root, site)
        made.touch()
    return [str(host / "usr" / "bin" / qemu), "-L", str(root), str(root / "usr" / "bin" / "python3")], site


def _packages(state: Path, into: Path, names: Sequence[str], options: Sequence[str]) -> None:
    """Debian packages and all that they need, unpacked into a folder."""
    for place in ("state/lists/partial", "cache/archives/partial"):
        (state / place).mkdir(parents=True)
    (state / "status").touch()  # as if nothing were installed
    own = [f"Dir::State={state}/state", f"Dir::State::status={state}/status", f"Dir::Cache={state}/cache", "APT::Sandbox::User="]
    apt = ["apt-get", "-qq", *(part for option in [*own, *options] for part in ("-o", option))]
    install([*apt, "update"], "the package lists")
    install([*apt, "install", "-y", "--no-install-recommends", "--download-only", *names], ", ".join(names))
    into.mkdir(parents=True)
    for package in sorted((state / "cache" / "archives").glob("*.deb")):
        install(["dpkg-deb", "-x", str(package), str(into)], package.name)
    shutil.rmtree(state)


def _wheels(architecture: str, root: Path, into: Path) -> None:
    """The project's requirements for the claims, in the versions that are installed here, as wheels of the architecture."""
    platforms = [part for one in MANYLINUX for part in ("--platform", f"manylinux_{one}_{architecture}")]
    release = next(root.glob("usr/bin/python3.*")).name.removeprefix("python")
    install([*PIP, "--target", str(into), *platforms, "--python-version", release, *pins()], "the libraries")
