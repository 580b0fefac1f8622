"""Arrays of evidence: what is packed comes back, by the run it belongs to, and from no other file."""

import dataclasses
import hashlib

import numpy as np
import pytest

from harness.errors import InvalidInput, Unreadable
from harness.suite.evidence import arrays_of, by_run, pack, slug, unpack
from harness.suite.records import ClaimRecord, Evidence, RuleRecord

ARRAYS = {"0/sigma": np.arange(3.0), "0/names": np.array(["a", "b"]), "10/sigma": np.zeros((2, 2)), "2/of/x": np.arange(2)}
RECORD = ClaimRecord("p/x[a]", "p", "", "", "", "once", "", None, "", RuleRecord([0, 1], "planted"), "", None)


def written(folder, arrays=ARRAYS) -> ClaimRecord:
    evidence, content = pack("p/x[a]", arrays)
    (folder / "evidence").mkdir(exist_ok=True)
    (folder / evidence.file).write_bytes(content)
    return dataclasses.replace(RECORD, evidence=evidence)


def test_arrays_come_back_as_they_were(tmp_path):
    record = written(tmp_path)
    assert record.evidence.file == "evidence/p.x.a.npz"
    found = unpack(tmp_path, record)
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in ARRAYS.items())
    assert unpack(tmp_path, RECORD) == {}


def test_another_file_or_none_is_refused(tmp_path):
    record = written(tmp_path)
    other, content = pack("p/x[a]", {"0/sigma": np.arange(4.0)})
    (tmp_path / other.file).write_bytes(content)
    with pytest.raises(Unreadable, match=r"p\.x\.a\.npz is missing or not what its report was written with"):
        unpack(tmp_path, record)
    (tmp_path / other.file).unlink()
    with pytest.raises(Unreadable, match="run the claim again"):
        unpack(tmp_path, record)


def test_objects_are_neither_written_nor_read(tmp_path):
    with pytest.raises(InvalidInput, match="evidence 0/of, 0/them holds Python objects"):
        pack("p/x", {"0/of": np.array([None]), "0/sigma": np.arange(2), "0/them": np.array([{}])})
    np.savez(tmp_path / "objects.npz", of=np.array([None]))
    content = (tmp_path / "objects.npz").read_bytes()
    with pytest.raises(ValueError, match="allow_pickle=False"):
        arrays_of(tmp_path, Evidence("objects.npz", hashlib.sha256(content).hexdigest()))


def test_arrays_belong_to_runs_in_the_order_of_their_numbers():
    found = by_run(ARRAYS)
    assert [sorted(run) for run in found] == [["names", "sigma"], ["of/x"], ["sigma"]]
    assert found[0]["sigma"] is ARRAYS["0/sigma"]
    assert found[2]["sigma"] is ARRAYS["10/sigma"]
    assert by_run({}) == []


def test_a_run_without_arrays_keeps_its_place():
    assert [sorted(run) for run in by_run(ARRAYS, 4)] == [["names", "sigma"], [], ["of/x"], []]


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("training-jacobian/bulk[strict]", "training-jacobian.bulk.strict"),
        ("a/b[x.y,on-my-net]", "a.b.x.y,on-my-net"),
        ("a", "a"),
    ],
)
def test_an_id_is_a_file_name(id, name):
    assert slug(id) == name
