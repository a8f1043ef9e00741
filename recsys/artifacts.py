"""Reading and writing the parts of a bundle: arrays (memory-mapped where large), sparse matrices, JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.errors import ArtifactDamaged, ArtifactMissing

MMAP_BYTES = 1 << 20


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable UTF-8 JSON; NaN and infinity are refused."""
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read JSON. Raises `ArtifactMissing` or `ArtifactDamaged`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactMissing(f"{path.name} is missing in {path.parent}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ArtifactDamaged(f"{path.name} in {path.parent} is not JSON: {error}") from error


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write one array as ``.npy``. Object arrays are refused: they would need pickle."""
    np.save(path, np.ascontiguousarray(array), allow_pickle=False)


def read_array(path: Path) -> NDArray[Any]:
    """Read one ``.npy``; from 1 MiB on memory-mapped and read-only: all processes of a machine share its pages.

    Raises:
        ArtifactMissing, ArtifactDamaged: it is not there, or no array.
    """
    try:
        large = path.stat().st_size >= MMAP_BYTES
        # Copy on write: a library that takes writeable memory alone (see `unlocked`) needs no copy of its own.
        loaded: NDArray[Any] = np.load(path, mmap_mode="c" if large else None, allow_pickle=False)
        loaded.flags.writeable = not large
        return loaded
    except FileNotFoundError as error:
        raise ArtifactMissing(f"{path.name} is missing in {path.parent}") from error
    except (ValueError, EOFError) as error:
        raise ArtifactDamaged(f"{path.name} in {path.parent} is not an array: {error}") from error


def unlocked(array: NDArray[Any]) -> NDArray[Any]:
    """Return a writeable view of what `read_array` gave, for libraries that take nothing else; nobody may write."""
    view = array.view()
    view.flags.writeable = True
    return view


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as one safetensors file."""
    from safetensors.numpy import save_file

    # The format takes tensors in memory order alone.
    save_file({name: np.array(values, order="C") for name, values in tensors.items()}, path)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `write_tensors` wrote. Raises `ArtifactMissing` or `ArtifactDamaged`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise ArtifactMissing(f"{path.name} is missing in {path.parent}")
    try:
        found: dict[str, NDArray[Any]] = load_file(path)
        return found
    except SafetensorError as error:
        raise ArtifactDamaged(f"{path} is no safetensors file: {error}") from error


def write_sparse(folder: Path, name: str, matrix: sparse.csr_array) -> None:
    """Write a CSR matrix as three arrays and its shape, so that large ones can be memory-mapped."""
    write_array(folder / f"{name}.data.npy", matrix.data)
    write_array(folder / f"{name}.indices.npy", matrix.indices.astype(np.int32))
    write_array(folder / f"{name}.indptr.npy", matrix.indptr.astype(np.int64))
    write_json(folder / f"{name}.json", {"shape": list(matrix.shape)})


def read_sparse(folder: Path, name: str) -> sparse.csr_array:
    """Read what `write_sparse` wrote; its arrays stay mapped."""
    shape = tuple(read_json(folder / f"{name}.json")["shape"])
    data, indices, indptr = (read_array(folder / f"{name}.{part}.npy") for part in ("data", "indices", "indptr"))
    try:
        if len(data) <= np.iinfo(np.int32).max:
            # Both index arrays get the wider type of the two: a long one would cost a copy of the columns.
            indptr = indptr.astype(np.int32)
        return sparse.csr_array((data, indices, indptr), shape=shape)
    except ValueError as error:
        raise ArtifactDamaged(f"{name} in {folder} is no sparse matrix: {error}") from error


def flush_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk: a rename is not durable before that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
