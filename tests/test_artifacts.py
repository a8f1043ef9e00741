import numpy as np
import pytest
from scipy import sparse

from recsys import artifacts
from recsys.artifacts import read_array, read_json, read_sparse, write_array, write_json, write_sparse
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


def test_sparse_parts_that_do_not_fit_are_refused(tmp_path):
    write_sparse(tmp_path, "m", sparse.csr_array(np.eye(3, dtype=np.float32)))
    write_json(tmp_path / "m.json", {"shape": [7, 3]})
    with pytest.raises(ArtifactDamaged, match="m in"):
        read_sparse(tmp_path, "m")
