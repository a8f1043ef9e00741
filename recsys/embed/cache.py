"""Embeddings by content hash, on disk: the same text under the same model is embedded once."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsys.artifacts import read_array
from recsys.errors import ArtifactDamaged, ArtifactMissing
from recsys.protocols import Embedder
from recsys.runtime.models import cache_folder, write_whole
from recsys.types import Vectors

Keys = NDArray[np.bytes_]  # (n,) "S32": the sha256 of model and text, sorted


@runtime_checkable
class Identified(Protocol):
    """Declared ability of an embedder: its vectors depend on ``model_id`` and the text alone, so they may be kept."""

    @property
    def model_id(self) -> str:
        """Changes whenever any vector would."""
        ...


def embed_items(embedder: Embedder, texts: Sequence[str], folder: Path | None = None) -> Vectors:
    """Return item vectors, reading those that the cache holds and adding the others to it.

    ``folder`` is the cache, by default "embeddings" in `cache_folder`. An embedder that is not `Identified` is
    simply run. Equal texts are embedded once.
    """
    if not isinstance(embedder, Identified):
        return embedder.embed(texts, "item")
    store = EmbeddingCache(folder or cache_folder() / "embeddings", embedder.model_id, embedder.dim)
    keys = store.keys(texts)
    distinct, first, place = np.unique(keys, return_index=True, return_inverse=True)
    vectors, found = store.get(distinct)
    missing = np.flatnonzero(~found)
    if len(missing):
        vectors[missing] = embedder.embed([texts[i] for i in first[missing]], "item")
        store.put(distinct[missing], vectors[missing])
    return np.ascontiguousarray(vectors[place])


class EmbeddingCache:
    """One model's part of the cache: immutable segments, each a sorted ``.keys.npy`` and its ``.vectors.npy``.

    A segment is named by its keys and never changes, vectors are written before keys and both whole, so any number
    of processes may read and write at a time without a lock. A segment that cannot be read is thrown away: a
    cache holds nothing that cannot be made again.
    """

    def __init__(self, folder: Path, model_id: str, dim: int) -> None:
        self._model = hashlib.sha256(model_id.encode()).digest()
        self._folder = folder / self._model.hex()[:24]
        self._dim = dim

    def keys(self, texts: Sequence[str]) -> Keys:
        """Return the key of each text, ``(n,)``, in the order of ``texts``."""
        digests = b"".join(hashlib.sha256(self._model + t.encode("utf-8", "surrogatepass")).digest() for t in texts)
        return np.frombuffer(digests, dtype="S32")

    def get(self, keys: Keys) -> tuple[Vectors, NDArray[np.bool_]]:
        """Return ``(n, dim)`` vectors and which of ``keys`` were found; the others are zeros."""
        out = np.zeros((len(keys), self._dim), dtype=np.float32)
        found = np.zeros(len(keys), dtype=np.bool_)
        for path in sorted(self._folder.glob("*.keys.npy")):
            segment = self._segment(path)
            if segment is None:
                continue
            held, vectors = segment
            place = np.minimum(np.searchsorted(held, keys), len(held) - 1)
            hit = ~found & (held[place] == keys)
            out[hit] = vectors[place[hit]]
            found |= hit
        return out, found

    def put(self, keys: Keys, vectors: Vectors) -> None:
        """Add vectors ``(n, dim)`` under ``keys``."""
        order = np.argsort(keys)
        keys = keys[order]
        name = hashlib.sha256(keys.tobytes()).hexdigest()[:24]
        write_whole(self._folder / f"{name}.vectors.npy", _npy(vectors[order].astype(np.float32)))
        write_whole(self._folder / f"{name}.keys.npy", _npy(keys))

    def _segment(self, path: Path) -> tuple[NDArray[Any], NDArray[Any]] | None:
        other = path.with_name(path.name.replace(".keys.", ".vectors."))
        try:
            keys, vectors = read_array(path), read_array(other)
        except ArtifactMissing:
            return None
        except ArtifactDamaged:
            keys, vectors = np.empty(0, "S32"), np.empty(0)
        if keys.dtype == "S32" and len(keys) and vectors.shape == (len(keys), self._dim):
            return keys, vectors
        path.unlink(missing_ok=True)
        other.unlink(missing_ok=True)
        return None


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
