"""Weights in and out: safetensors files read by memory map, and one streamed file behind an ONNX graph."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ArtifactDamaged, ArtifactMissing, ShapeMismatch
from recsys.runtime.architectures import read_json

# Bytes of a safetensors header, at most: the format's own bound.
MAX_HEADER = 100_000_000
# Tensors of an external file start on pages, so that the runtime can map them.
PAGE = 4096
_STORED: Mapping[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F64": np.dtype("<f8"),
}
# Buffers of whole numbers, such as positions, are no weights: they are passed over.
_WHOLE = ("I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    kind: str
    shape: tuple[int, ...]
    offset: int


class Weights(Mapping[str, NDArray[np.float32]]):
    """The tensors of a model folder, whole (``model.safetensors``) or in shards (``...index.json``).

    Reading one gives a float32 copy of it; nothing else is held in memory, so that a model larger than memory can
    be converted tensor by tensor. bfloat16, float16 and float64 are widened or rounded to float32.

    Raises:
        ArtifactMissing: no weights, or a shard is gone. ArtifactDamaged: a file is not what the format says.
    """

    def __init__(self, folder: Path) -> None:
        self._places: dict[str, _Place] = {}
        for path in _files(folder):
            self._places |= _header(path)

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        place = self._places[name]
        dtype = _STORED[place.kind]
        count = math.prod(place.shape)
        if not count:
            return np.zeros(place.shape, np.float32)
        raw = np.memmap(place.path, dtype, "r", place.offset, (count,))
        if place.kind == "BF16":
            # bfloat16 is the upper half of a float32.
            wide: NDArray[np.float32] = (raw.astype(np.uint32) << 16).view(np.float32)
            return wide.reshape(place.shape)
        return np.array(raw, np.float32).reshape(place.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor without reading it."""
        return self._places[name].shape

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return a tensor of exactly this shape, all finite.

        Raises:
            ShapeMismatch: it is missing or another. ArtifactDamaged: a number in it is infinite or none.
        """
        place = self._places.get(name)
        if place is None:
            raise ShapeMismatch(f"the weights hold no {name!r}")
        if place.shape != shape:
            raise ShapeMismatch(f"weight {name!r} has shape {place.shape}, the configuration says {shape}")
        found = self[name]
        if not np.isfinite(found).all():
            raise ArtifactDamaged(f"weight {name!r} holds numbers that are not finite")
        return found


def _files(folder: Path) -> list[Path]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if not index.is_file():
        raise ArtifactMissing(f"{folder} holds neither model.safetensors nor its index: other formats are not read")
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
        raise ArtifactDamaged(f"{index} has no weight_map")
    names = sorted(set(shards.values()))
    if any(Path(n).name != n for n in names):
        raise ArtifactDamaged(f"{index} names a file outside its folder")
    missing = [n for n in names if not (folder / n).is_file()]
    if missing:
        raise ArtifactMissing(f"{folder} lacks {', '.join(missing)}")
    return [folder / n for n in names]


def _header(path: Path) -> dict[str, _Place]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise ArtifactDamaged(f"{path} is no safetensors file")
        text = file.read(length)
    try:
        entries: dict[str, Any] = json.loads(text)
        return {n: _place(path, e, 8 + length, size) for n, e in entries.items() if _is_weight(n, e)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactDamaged(f"{path} has a damaged header: {error}") from error


def _is_weight(name: str, entry: Mapping[str, Any]) -> bool:
    return name != "__metadata__" and entry["dtype"] not in _WHOLE


def _place(path: Path, entry: Mapping[str, Any], start: int, size: int) -> _Place:
    kind, shape = entry["dtype"], tuple(int(s) for s in entry["shape"])
    first, last = entry["data_offsets"]
    if kind not in _STORED:
        raise ValueError(f"dtype {kind} is not read (known: {', '.join(_STORED)})")
    wanted = math.prod(shape) * _STORED[kind].itemsize
    if min((*shape, first), default=0) < 0 or last - first != wanted or start + last > size:
        raise ValueError("a tensor lies outside the file")
    return _Place(path, kind, shape, start + first)


class Table(Protocol):
    """Rows that are looked up, (rows, width): an array, or one that is kept in fewer bits and widened row by row."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and width."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """Return the rows asked for, float16 or float32."""
        ...


class KeptTable:
    """A table in whole numbers with one scale a row: (rows, width) int8 and (rows, 1) float32, both memory-mapped.

    Only the rows that are asked for are widened: of a vocabulary of 150,000 words, those of a text.

    Raises:
        ShapeMismatch: the arrays do not fit together.
    """

    def __init__(self, kept: NDArray[np.int8], scale: NDArray[np.float32]) -> None:
        if kept.ndim != 2 or scale.shape != (len(kept), 1):
            raise ShapeMismatch(f"a table of shape {kept.shape} has scales of shape {scale.shape}")
        self._kept, self._scale = kept, scale

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and width."""
        return self._kept.shape

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        widened: NDArray[np.float32] = self._kept[rows] * self._scale[rows]
        return widened

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)


class WeightFile:
    """The external data of one or more graphs, written tensor by tensor; use it in a ``with`` block.

    ``name`` is what graphs call the file: a relative name, as the runtime demands.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._path = path
        self._file: BinaryIO | None = None
        self._end = 0

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(self, array: NDArray[Any]) -> tuple[int, int]:
        """Append one array, C-contiguous and little endian; return its offset and length in bytes."""
        if self._file is None:
            raise ValueError("the weight file is not open")
        self._file.write(b"\0" * (-self._end % PAGE))
        offset = self._end + -self._end % PAGE
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        self._file.write(data.data)
        self._end = offset + data.nbytes
        return offset, data.nbytes
