"""What a model has read already: states of prompts, and a bounded cache of them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError, ShapeMismatch

Piece = NDArray[np.int64] | NDArray[np.float32]

EVERY_TAG = ""  # no prompt with this tag is kept


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model reads, in order: token ids (t,) int64, or rows (t, d) float32 (soft prompts, compressed items).

    ``tag`` says whose it is, for `PrefixCache.forget`; the model never sees it. The state of a prompt without a
    tag is not kept.
    """

    pieces: tuple[Piece, ...]
    tag: str = ""

    def __len__(self) -> int:
        return sum(len(p) for p in self.pieces)

    def key(self) -> str:
        """Return a content hash: equal for equal pieces of equal cut under an equal tag."""
        digest = hashlib.sha256(f"{len(self.tag)} {self.tag}\n".encode("utf-8", "surrogatepass"))
        for piece in self.pieces:
            digest.update(f"{piece.dtype.str} {piece.shape}\n".encode())
            digest.update(np.ascontiguousarray(piece).data)
        return digest.hexdigest()

    def check(self, vocabulary: int, width: int) -> None:
        """Refuse what a model of so many tokens and rows of this width cannot read.

        Raises:
            ModelError: a token that does not exist. ShapeMismatch: a piece that is neither ids nor rows.
        """
        for piece in self.pieces:
            if piece.ndim == 1:
                if piece.dtype.kind != "i" or (len(piece) and not 0 <= piece.min() <= piece.max() < vocabulary):
                    raise ModelError(f"token ids must be whole numbers below {vocabulary}")
            elif piece.ndim != 2 or piece.shape[1] != width or piece.dtype.kind != "f":
                raise ShapeMismatch(
                    f"a piece of a prompt is {piece.dtype} {piece.shape}: give (t,) ids or (t, {width}) rows"
                )

    def content(self) -> str:
        """Return a hash of the pieces alone, whosever they are."""
        return Prompt(self.pieces).key()


@dataclass(frozen=True, slots=True)
class PrefixState:
    """What remains of a prompt once it is read.

    ``cache`` (layers, 2, kv_heads, p, head_dim) float32: keys and values. ``hidden`` (d,) float32: the last row,
    which predicts the first token after the prompt.
    """

    cache: NDArray[np.float32]
    hidden: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.cache.shape[3])

    @property
    def nbytes(self) -> int:
        """Bytes that the state holds."""
        return self.cache.nbytes + self.hidden.nbytes


class PrefixCache:
    """States of returning prompts of one model within a bound of memory: the least recently used goes first.

    Many threads may use it. Histories are personal: `forget` removes all that belongs to a tag.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._states: OrderedDict[str, tuple[str, PrefixState]] = OrderedDict()
        self._keys: dict[str, set[str]] = {}
        self._readings: list[set[str]] = []
        self._lock = Lock()
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes held now; never above the bound."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._states)

    def tags(self) -> frozenset[str]:
        """Return whose states are held."""
        with self._lock:
            return frozenset(self._keys)

    def get(self, prompt: Prompt) -> PrefixState | None:
        """Return the state of this very prompt, if it is held."""
        if not prompt.tag:
            return None
        key = prompt.key()
        with self._lock:
            found = self._states.get(key)
            if found is None:
                return None
            self._states.move_to_end(key)
            return found[1]

    @contextmanager
    def reading(self) -> Iterator[Set[str]]:
        """Give the tags that are forgotten while the block runs: what it reads of them must not come back by `put`."""
        forgotten: set[str] = set()
        with self._lock:
            self._readings.append(forgotten)
        try:
            yield forgotten
        finally:
            with self._lock:
                self._readings = [r for r in self._readings if r is not forgotten]

    def put(self, prompt: Prompt, state: PrefixState, forgotten: Set[str] = frozenset()) -> None:
        """Keep a state; one without a tag, above the bound by itself, or ``forgotten`` since it was read, is not."""
        if not prompt.tag or state.nbytes > self._max:
            return
        key = prompt.key()
        with self._lock:
            if prompt.tag in forgotten or EVERY_TAG in forgotten:
                return
            self._drop(key)
            self._states[key] = (prompt.tag, state)
            self._keys.setdefault(prompt.tag, set()).add(key)
            self._bytes += state.nbytes
            while self._bytes > self._max:
                self._drop(next(iter(self._states)))

    def forget(self, tag: str) -> int:
        """Remove every state of this tag, also those that are being read; return how many there were.

        `EVERY_TAG` removes all of them.
        """
        with self._lock:
            for forgotten in self._readings:
                forgotten.add(tag)
            keys = list(self._states) if tag == EVERY_TAG else list(self._keys.get(tag, ()))
            for key in keys:
                self._drop(key)
            return len(keys)

    def _drop(self, key: str) -> None:
        found = self._states.pop(key, None)
        if found is None:
            return
        tag, state = found
        self._bytes -= state.nbytes
        self._keys[tag].discard(key)
        if not self._keys[tag]:
            del self._keys[tag]
