"""Small components that really work, for tests of what is built on top of them, and one that always fails."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import sparse

from recsys.errors import RecsysError
from recsys.types import Request, Slates, Vectors

WORD = re.compile(r"\w+")


class HashEmbedder:
    """An embedder that needs no fit: each word adds 1 at a place given by its hash; the sum has unit length.

    Texts with the same words have the same vector, on every machine. A text without a word is all zeros.
    """

    def __init__(self, dim: int = 256) -> None:
        self._dim = dim

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        """Return ``(len(texts), dim)`` float32; both roles are the same."""
        out = np.zeros((len(texts), self._dim), dtype=np.float32)
        for i, text in enumerate(texts):
            for word in WORD.findall(text.lower()):
                digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
                out[i, int.from_bytes(digest, "little") % self._dim] += 1.0
        norms = np.linalg.norm(out, axis=1, keepdims=True)
        unit: Vectors = np.divide(out, norms, out=out, where=norms > 0)
        return unit


class Failing:
    """A generator, ranker, embedder and index that raises on every call: for tests of degradation.

    ``calls`` names the methods that were asked, so that a test can tell "failed" from "was never reached".
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error or RecsysError("made to fail")
        self.calls: list[str] = []
        self.dim = 8

    def _fail(self, name: str) -> Any:
        self.calls.append(name)
        raise self.error

    def generate(self, requests: Sequence[Request], n: int) -> Slates:
        """Raise."""
        return self._fail("generate")  # type: ignore[no-any-return]

    def score(self, requests: Sequence[Request], slates: Slates) -> Slates:
        """Raise."""
        return self._fail("score")  # type: ignore[no-any-return]

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Raise."""
        return self._fail("rank")  # type: ignore[no-any-return]

    def contributions(self, requests: Sequence[Request], slates: Slates) -> sparse.csr_array:
        """Raise."""
        return self._fail("contributions")

    def embed(self, texts: Sequence[str], role: str) -> Vectors:
        """Raise."""
        return self._fail("embed")  # type: ignore[no-any-return]

    def search(self, queries: Vectors, n: int, allowed: Any) -> Any:
        """Raise."""
        return self._fail("search")


class Recording:
    """Passes every call on to ``inner`` and keeps it: ``calls`` holds (method, positional arguments)."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def recorded(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args))
            return found(*args, **kwargs)

        return recorded

    def asked(self, name: str) -> int:
        """Return how often the method ``name`` was called."""
        return sum(called == name for called, _ in self.calls)
