"""The only cache I/O: arrays are computed once and kept on disk, under the hash of all their dependencies.

An entry is a folder of ``.npy`` files and a manifest with their checksums and the key. Writes go to a temporary folder that is
renamed into place, under a lock, so a killed process leaves no half-written entry that could be read. An entry that does not
match its manifest is reported, removed and computed again. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from harness.errors import InvalidInput, StoreWarning
from harness.runs import provenance
from harness.runs.compilations import keep_in
from harness.runs.provenance import Code

Arrays = dict[str, np.ndarray[Any, Any]]
FORMAT = 1
PATIENCE = 2.0  # seconds of waiting for another process before a message


class Corrupt(Exception):
    """An entry that does not match its manifest."""


class Entry(Arrays):
    """Arrays mapped from the store, with the checksums of their files."""

    checksums: dict[str, str]


def digest(arrays: Mapping[str, Any]) -> str:
    """SHA-256 over names, types, shapes and bits; arrays in the store are not read again for it."""
    checksums = arrays.checksums if isinstance(arrays, Entry) else {name: _npy_checksum(value) for name, value in arrays.items()}
    return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()


class Store:
    """Cache of arrays under a folder of its own.

    Args:
        root: the folder; created if it does not exist.
        fresh: ignore entries that were stored before this process; each is computed once more.

    Raises:
        InvalidInput: the folder cannot be created or written.
    """

    def __init__(self, root: Path | None = None, *, fresh: bool = False) -> None:
        self.root = Path(root) if root is not None else user_cache_path("training-jacobian-claims")
        self.fresh = fresh
        self._seen: set[str] = set()
        self._unkept: set[int] = set()  # error numbers of failed writes, each reported once
        try:
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise InvalidInput(
                f"store {self.root} cannot be written ({error.strerror or error}): give a writable folder with --claims-store"
            ) from error

    def arrays(
        self, kind: str, key: Mapping[str, Any], compute: Callable[[], Mapping[str, Any]], *, modules: Sequence[Code] = ()
    ) -> Arrays:
        """The arrays of ``kind`` for ``key``, from the store, or computed and stored.

        Args:
            kind: kind of the arrays, in one word.
            key: identifies the arrays among others of that kind, as JSON values; at least the experiment's fingerprint.
            compute: called without arguments when the store does not have them; returns named arrays.
            modules: the modules whose code decides the numbers, or functions or classes of them; by default the module of
                ``compute``.

        Returns:
            Read-only arrays, mapped from disk when they come from the store.
        """
        full = self._key(kind, key, modules or (compute,))
        folder = self.root / f"{kind}-{_digest(full)}"
        with self.locked(folder.name):
            held = self._read(folder, full)
            if held is None:
                held = {name: np.asarray(value, order="C") for name, value in compute().items()}
                if not self._write(folder, full, held):
                    return _read_only(held)  # an entry in its place would be another
                self._seen.add(folder.name)
                held = self._read(folder, full) or _read_only(held)  # mapped, so that the computed arrays leave the memory
            self._seen.add(folder.name)
        return held

    def blocks(self, kind: str, key: Mapping[str, Any], modules: Sequence[Code]) -> Blocks:
        """Finished blocks of a long computation, so that an interrupted computation continues where it stopped."""
        return Blocks(self, kind, dict(key), tuple(modules))

    def holds(self, kind: str, key: Mapping[str, Any], modules: Sequence[Code]) -> bool:
        """Whether :meth:`arrays` would find an entry; the entry is not checked yet."""
        folder = self.root / f"{kind}-{_digest(self._key(kind, key, modules))}"
        return folder.exists() and not (self.fresh and folder.name not in self._seen)

    @property
    def used(self) -> frozenset[str]:
        """Names of the entries that were read or written, those of blocks with their number: ``folder/number``."""
        return frozenset(self._seen)

    def keep_compilations(self) -> None:
        """Let JAX keep compiled programs in this store too: seeds differ only in their arguments and share every program."""
        # JAX compresses with zstandard if it is installed: JAX's default costs a tenth of the time of compiling
        processor = f"{provenance.processor()}: {provenance.instructions()}"
        facts = {"processor": processor, "versions": provenance.versions(), "compression": "zstandard"}
        machine = _digest(facts | ({"settings": changed} if (changed := provenance.settings()) else {}))
        keep_in(str(self.root / f"compiled-{machine}"))

    def _key(self, kind: str, key: Mapping[str, Any], modules: Sequence[Code]) -> dict[str, Any]:
        full = {
            "format": FORMAT,
            "kind": kind,
            "key": dict(key),
            "code": provenance.code_hash(modules),
            "versions": provenance.versions(modules),
            **provenance.machine(),
        }
        if changed := provenance.settings():
            full["settings"] = changed
        return json.loads(json.dumps(full))  # type: ignore[no-any-return]

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Let one process at a time compute an entry.

        Without a lock (no space, the folder is gone) each process computes the entry itself. Writes are atomic, so that costs
        time only.
        """
        path = self.root / "locks" / f"{name}.lock"
        with ExitStack() as held:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(_acquired(FileLock(path), name))
            except OSError as error:
                self.complain(path, error)
            yield

    def complain(self, path: Path, error: OSError) -> None:
        """Report once for each cause which arrays could not be kept and what to do."""
        if error.errno not in self._unkept:
            self._unkept.add(error.errno or 0)
            warnings.warn(
                f"store: {path} could not be kept ({error.strerror or error}); the run goes on, and what found no place is made "
                f"again next time. Free or repair {self.root}, or give another folder with --claims-store",
                StoreWarning,
                stacklevel=3,
            )

    def _read(self, folder: Path, key: Mapping[str, Any]) -> Arrays | None:
        if not folder.exists() or (self.fresh and folder.name not in self._seen):
            return None
        try:
            return read_entry(folder, key, verify=folder.name not in self._seen)
        except Corrupt as error:
            warnings.warn(f"store: {folder} is not trusted ({error}); it is computed again", StoreWarning, stacklevel=3)
            return None

    def _write(self, folder: Path, key: Mapping[str, Any], arrays: Arrays) -> bool:
        """Whether the arrays could be kept."""
        try:
            write_entry(folder, key, arrays)
        except OSError as error:
            self.complain(folder, error)
            return False
        return True


@contextmanager
def _acquired(lock: FileLock, name: str) -> Iterator[None]:
    """Hold the lock, with a message while another process holds it. The system frees the lock when its holder dies."""
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        warnings.warn(
            f"store: another run is computing {name}; this one waits for it and uses it "
            "(not to wait, end that run or give another folder with --claims-store)",
            StoreWarning,
            stacklevel=5,
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class Blocks(MutableMapping[int, Any]):
    """Finished blocks by number, each an entry of the store, for all processes that see it; ``clear`` removes them all."""

    def __init__(self, store: Store, kind: str, key: dict[str, Any], modules: tuple[Code, ...]) -> None:
        self.store, self.kind, self.modules, self.key = store, kind, modules, key
        self.folder = store.root / f"{kind}-{_digest(store._key(kind, key, modules))}.blocks"
        self._held: dict[int, Any] = {}
        if store.fresh and self.folder.name not in store._seen:
            shutil.rmtree(self.folder, ignore_errors=True)
        store._seen.add(self.folder.name)

    def _full(self, number: int) -> dict[str, Any]:
        return self.store._key(self.kind, {**self.key, "block": number}, self.modules)

    def __getitem__(self, number: int) -> Any:
        if number not in self._held:
            entry = self.store._read(self.folder / str(number), self._full(number)) if not self.store.fresh else None
            if entry is None:
                raise KeyError(number)
            self._hold(number, entry["block"])
        return self._held[number]

    def __setitem__(self, number: int, block: Any) -> None:
        self._hold(number, block)
        self.store._write(self.folder / str(number), self._full(number), {"block": block})

    def _hold(self, number: int, block: Any) -> None:
        self._held[number] = block
        self.store._seen.add(f"{self.folder.name}/{number}")

    def __delitem__(self, number: int) -> None:
        del self._held[number]
        shutil.rmtree(self.folder / str(number), ignore_errors=True)

    def __contains__(self, number: object) -> bool:
        try:
            self[number]  # type: ignore[index]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[int]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def clear(self) -> None:
        """Remove the blocks, but not from a store that failed to keep their result: then only the blocks are left."""
        self._held.clear()
        if not self.store._unkept:
            shutil.rmtree(self.folder, ignore_errors=True)


def _digest(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _npy_checksum(array: Any) -> str:
    """The checksum of the file in which the array would be kept."""
    found = hashlib.sha256()
    plain = np.asarray(array, order="C")
    np.lib.format.write_array(SimpleNamespace(write=found.update), plain, allow_pickle=False)  # type: ignore[arg-type]
    return found.hexdigest()


def _read_only(arrays: Arrays) -> Arrays:
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def read_entry(folder: Path, key: Mapping[str, Any], *, verify: bool = True) -> Arrays:
    """The arrays of an entry, mapped, after a check of its key and (``verify``) of every checksum.

    Raises:
        Corrupt: the message names the part that does not match.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest["key"] != key:
            raise Corrupt("it answers another key")
        arrays = Entry()
        arrays.checksums = dict(manifest["arrays"])
        for name, checksum in manifest["arrays"].items():
            path = folder / f"{name}.npy"
            if verify and _checksum(path) != checksum:
                raise Corrupt(f"checksum of {path.name} does not match")
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(f"{type(error).__name__}: {error}") from error
    return arrays


def write_entry(folder: Path, key: Mapping[str, Any], arrays: Arrays) -> None:
    """Write an entry beside ``folder`` and rename it into place.

    An entry at ``folder`` is replaced. The remains of a killed process are removed.

    Raises:
        OSError: no space, or no right to write there; no half-written entry is left.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.parent.glob(f".{folder.name}-*"):
        _remove(abandoned)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
        manifest = {"key": key, "arrays": {name: _checksum(temporary / f"{name}.npy") for name in arrays}}
        (temporary / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        _remove(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove(path: Path) -> None:
    """Remove a folder with its contents, or any other file in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
