"""Vectors of texts, each computed once: kept by content hash within a bound of memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from numpy.typing import NDArray

Compute = Callable[[Sequence[str]], Sequence[NDArray[Any]]]


class Kept:
    """Arrays of texts, the least recently used forgotten first; many threads may use it.

    ``compute`` returns one array a text; two threads that miss the same text may both compute it, with one result.
    """

    def __init__(self, compute: Compute, max_bytes: int) -> None:
        self._compute, self._max = compute, max_bytes
        self._arrays: OrderedDict[bytes, NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held now; never above the bound."""
        return self._bytes

    def get(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """Return the array of each text; what is not held is computed in one go."""
        keys = [hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16).digest() for t in texts]
        found: dict[bytes, NDArray[Any]] = {}
        with self._lock:
            for key in keys:
                if key in self._arrays:
                    self._arrays.move_to_end(key)
                    found[key] = self._arrays[key]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            found |= zip(missing, self._compute(list(missing.values())), strict=True)
            self._put({key: found[key] for key in missing})
        return [found[key] for key in keys]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._arrays.clear()
            self._bytes = 0

    def _put(self, arrays: dict[bytes, NDArray[Any]]) -> None:
        with self._lock:
            for key, array in arrays.items():
                if key not in self._arrays:
                    self._arrays[key] = array
                    self._bytes += array.nbytes
            while self._bytes > self._max:
                _, gone = self._arrays.popitem(last=False)
                self._bytes -= gone.nbytes
