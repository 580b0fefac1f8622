"""Arrays behind a claim's figures as npz bytes: no pickle, and a checksum that travels in report.json."""

from __future__ import annotations

import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import InvalidInput, Unreadable
from harness.suite.records import ClaimRecord, Evidence

Array = np.ndarray[Any, Any]


def pack(claim_id: str, arrays: Mapping[str, Array]) -> tuple[Evidence, bytes]:
    """The arrays as a compressed npz, and the reference to it that the claim's record holds.

    Raises:
        InvalidInput: an array of Python objects, which only pickle could store.
    """
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise InvalidInput(f"evidence {', '.join(objects)} holds Python objects: give arrays of numbers or text")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
    content = buffer.getvalue()
    return Evidence(f"evidence/{slug(claim_id)}.npz", hashlib.sha256(content).hexdigest()), content


def unpack(folder: Path, record: ClaimRecord) -> dict[str, Array]:
    """The arrays of a claim of the report in ``folder``, {} if it has none.

    Raises:
        Unreadable: the file is missing or is not the one that the report was written with.
    """
    return {} if record.evidence is None else arrays_of(folder, record.evidence)


def arrays_of(folder: Path, evidence: Evidence) -> dict[str, Array]:
    """The arrays of an evidence file of the report in ``folder``.

    Raises:
        Unreadable: the file is missing or is not the one that the report was written with.
    """
    content = verified(folder, evidence)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def by_run(arrays: Mapping[str, Array], values: int = 0) -> list[Mapping[str, Array]]:
    """``{"0/sigma": ..., "1/sigma": ...}`` as a list of mappings, one a run or pair of runs that has arrays.

    Args:
        values: number of the claim's values. If given, the list has one mapping a value, empty for a value without arrays.
    """
    runs: dict[int, dict[str, Array]] = defaultdict(dict)
    for key, array in arrays.items():
        index, _, name = key.partition("/")
        runs[int(index)][name] = array
    return [runs[index] for index in range(values) or sorted(runs)]


def verified(folder: Path, evidence: Evidence) -> bytes:
    """The file's bytes, after its checksum was compared.

    Raises:
        Unreadable: the file is missing or is not the one that the report was written with.
    """
    path = folder / evidence.file
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != evidence.sha256:
        raise Unreadable(f"{path} is missing or not what its report was written with: run the claim again")
    return content


def slug(claim_id: str) -> str:
    """The id as a file name: ``training-jacobian/bulk-count[strict]`` -> ``training-jacobian.bulk-count.strict``."""
    return re.sub(r"[^a-z0-9.,-]+", ".", claim_id).strip(".")
