"""How good a review sounds: stars foretold from words, which say more than five steps can."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.embed.words import count, words
from recsys.rate.ratings import Floats, Texts

PARTS = 4
RARE = 5  # words in fewer reviews are left out
PENALTY = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """Ridge regressions from TF-IDF words to stars beyond the mean, ``weights`` (PARTS, n words).

    Each text belongs to one part by its checksum and is read by the regression that learned from the other parts: a
    review that was learned from is foretold as honestly as one that was not.
    """

    columns: Mapping[str, int]
    idf: Floats
    weights: Floats
    offsets: Floats

    @classmethod
    def fit(cls, texts: Texts, stars: Floats) -> Self:
        """Learn from ``texts`` with their ``stars`` (n,); empty texts teach nothing."""
        from sklearn.linear_model import Ridge

        kept = np.array([bool(t) for t in texts], dtype=np.bool_)
        told, wanted = texts[kept], stars[kept]
        seen: dict[str, int] = {}
        for text in told:
            for word in set(words(text)):
                seen[word] = seen.get(word, 0) + 1
        names = sorted(w for w, n in seen.items() if n >= RARE)
        columns = {w: c for c, w in enumerate(names)}
        idf = np.log((1 + len(told)) / (1 + np.array([seen[w] for w in names], dtype=np.float64))) + 1
        weights, offsets = np.zeros((PARTS, len(names))), np.zeros(PARTS)
        out = cls(columns, idf, weights, offsets)
        part, x = _parts(told), out._vectors(told)
        for p in range(PARTS):
            others = part != p
            if others.any() and names:
                ridge: Any = Ridge(PENALTY, solver="sparse_cg").fit(x[others], wanted[others])
                weights[p], offsets[p] = ridge.coef_, ridge.intercept_
        return out

    def read(self, texts: Texts) -> Floats:
        """Return (n,) stars beyond the mean that each text sounds like; NaN for an empty one."""
        if not len(self.columns):
            return np.full(len(texts), np.nan)
        part, x = _parts(texts), self._vectors(texts)
        out: Floats = np.asarray((x @ self.weights.T)[np.arange(len(texts)), part] + self.offsets[part])
        out[[not t for t in texts]] = np.nan
        return out

    def _vectors(self, texts: Texts) -> sparse.csr_array:
        x = sparse.csr_array(count(texts.tolist(), self.columns), dtype=np.float64)
        x.data = (1 + np.log(x.data)) * self.idf[x.indices]
        length = np.sqrt(np.bincount(np.repeat(np.arange(len(texts)), np.diff(x.indptr)), x.data**2, len(texts)))
        x.data /= np.repeat(length, np.diff(x.indptr))
        return x


def _parts(texts: Texts) -> NDArray[np.int64]:
    return np.array([zlib.crc32(t.encode()) % PARTS for t in texts], dtype=np.int64)
