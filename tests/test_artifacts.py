from mmap import mmap

import numpy as np
import pytest
from scipy import sparse

from recsys import artifacts
from recsys.artifacts import read_array, read_json, read_sparse, unlocked, write_array, write_json, write_sparse
from recsys.errors import ArtifactDamaged, ArtifactMissing


def test_json_there_and_back(tmp_path):
    value = {"b": [1, 2.5, None, "ä"], "a": {"x": True}}
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == value
    assert list(read_json(tmp_path / "v.json")) == ["b", "a"]
    assert "ä" in (tmp_path / "v.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_holds_no_nan(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "v.json", {"x": value})


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ArtifactMissing, match=r"v\.json"):
        read_json(tmp_path / "v.json")
    with pytest.raises(ArtifactMissing, match=r"v\.npy"):
        read_array(tmp_path / "v.npy")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe\x00"])
def test_damaged_json_is_refused(tmp_path, content):
    (tmp_path / "v.json").write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=r"v\.json"):
        read_json(tmp_path / "v.json")


@pytest.mark.parametrize(
    "array", [np.arange(6, dtype=np.int32).reshape(2, 3), np.empty((0, 4), np.float32), np.array(["ä"])]
)
def test_array_there_and_back(tmp_path, array):
    write_array(tmp_path / "v.npy", array)
    got = read_array(tmp_path / "v.npy")
    assert got.dtype == array.dtype
    assert np.array_equal(got, array)


def test_object_arrays_are_refused(tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        write_array(tmp_path / "v.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "p.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactDamaged, match=r"p\.npy"):
        read_array(tmp_path / "p.npy")


@pytest.mark.parametrize("keep", [0, 4, 100])
def test_cut_arrays_are_refused(tmp_path, keep):
    write_array(tmp_path / "v.npy", np.arange(1000))
    path = tmp_path / "v.npy"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactDamaged, match=r"v\.npy"):
        read_array(path)


def test_large_arrays_are_memory_mapped(tmp_path, monkeypatch):
    write_array(tmp_path / "v.npy", np.arange(1000))
    assert not isinstance(read_array(tmp_path / "v.npy"), np.memmap)
    monkeypatch.setattr(artifacts, "MMAP_BYTES", 1000)
    mapped = read_array(tmp_path / "v.npy")
    assert isinstance(mapped, np.memmap)
    assert mapped.sum() == 499500
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_sparse_there_and_back(tmp_path):
    matrix = sparse.csr_array(np.array([[0, 1.5, 0], [0, 0, 0], [2, 0, 3]], np.float32))
    write_sparse(tmp_path, "m", matrix)
    got = read_sparse(tmp_path, "m")
    assert isinstance(got, sparse.csr_array)
    assert got.dtype == np.float32
    assert np.array_equal(got.toarray(), matrix.toarray())


def is_mapped(array) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap)


def test_large_sparse_matrices_stay_mapped(tmp_path, monkeypatch):
    matrix = sparse.random_array((60, 50), density=0.4, format="csr", dtype=np.float32, random_state=0)
    write_sparse(tmp_path, "m", matrix)
    monkeypatch.setattr(artifacts, "MMAP_BYTES", 1000)
    got = read_sparse(tmp_path, "m")
    assert is_mapped(got.data)
    assert is_mapped(got.indices)
    # One type of index for both arrays: the loops that read them want it, and else every call would convert them.
    assert got.indices.dtype == got.indptr.dtype == np.int32
    assert np.array_equal(got.toarray(), matrix.toarray())


def test_a_library_that_wants_writeable_memory_gets_it_without_a_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "MMAP_BYTES", 1000)
    write_array(tmp_path / "v.npy", np.arange(1000.0))
    mapped = read_array(tmp_path / "v.npy")
    free = unlocked(mapped)
    assert free.flags.writeable
    assert np.shares_memory(free, mapped)
    assert not mapped.flags.writeable
    free[0] = 7  # whoever does it all the same changes no file
    assert read_array(tmp_path / "v.npy")[0] == 0


def test_sparse_parts_that_do_not_fit_are_refused(tmp_path):
    write_sparse(tmp_path, "m", sparse.csr_array(np.eye(3, dtype=np.float32)))
    write_json(tmp_path / "m.json", {"shape": [7, 3]})
    with pytest.raises(ArtifactDamaged, match="m in"):
        read_sparse(tmp_path, "m")
