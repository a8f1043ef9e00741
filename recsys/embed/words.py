"""Texts as words and word counts: what the lexical parts (LSA, BM25) share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the words of a text in order: compatibility-folded, case-folded runs of letters and digits."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def count(texts: Iterable[str], columns: Mapping[str, int]) -> sparse.csr_array:
    """Return ``(n texts, n columns)`` float32 counts of the known words; others are left out."""
    indices: list[int] = []
    lengths: list[int] = []
    for text in texts:
        before = len(indices)
        indices.extend(c for w in words(text) if (c := columns.get(w)) is not None)
        lengths.append(len(indices) - before)
    indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    data = np.ones(len(indices), dtype=np.float32)
    out = sparse.csr_array((data, np.asarray(indices, dtype=np.int32), indptr), shape=(len(lengths), len(columns)))
    out.sum_duplicates()
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The words of a catalogue: ``names`` in column order and their counts ``(n items, n terms)`` float32 CSR."""

    names: tuple[str, ...]
    columns: Mapping[str, int]
    counts: sparse.csr_array

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Count every word of every text; columns follow first appearance."""
        columns: dict[str, int] = {}
        return cls._grown(texts, columns, [])

    @classmethod
    def restored(cls, names: Sequence[str], counts: sparse.csr_array) -> Self:
        """Return what was taken apart to be saved."""
        return cls(tuple(names), {w: i for i, w in enumerate(names)}, counts)

    @classmethod
    def _grown(cls, texts: Sequence[str], columns: dict[str, int], old: list[sparse.csr_array]) -> Self:
        for text in texts:
            for word in words(text):
                columns.setdefault(word, len(columns))
        blocks = []
        for block in [*old, count(texts, columns)]:
            wide = sparse.csr_array((block.data, block.indices, block.indptr), shape=(block.shape[0], len(columns)))
            blocks.append(wide)
        counts = sparse.csr_array(sparse.vstack(blocks, format="csr")) if len(blocks) > 1 else blocks[0]
        return cls(tuple(columns), columns, counts)

    def put(self, rows: Sequence[int], texts: Sequence[str], n_items: int) -> Self:
        """Return the counts of a catalogue of ``n_items`` in which ``rows`` now read ``texts``; this one stays.

        New words get the next columns; rows in between that nobody describes are empty.
        """
        both = self._grown(texts, dict(self.columns), [self.counts])
        before = self.counts.shape[0]
        blank = both.counts.shape[0]
        source = np.full(max(n_items, before), blank, dtype=np.int64)
        source[:before] = np.arange(before)
        source[np.asarray(rows, dtype=np.int64)] = before + np.arange(len(rows))
        empty = sparse.csr_array((1, both.counts.shape[1]), dtype=np.float32)
        counts = sparse.csr_array(sparse.vstack([both.counts, empty], format="csr")[source])
        return type(self)(both.names, both.columns, counts)

    def query(self, texts: Sequence[str]) -> sparse.csr_array:
        """Return ``(n texts, n terms)`` counts of the known words of queries."""
        return count(texts, self.columns)

    @property
    def frequencies(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """(n terms,) how many items hold each word."""
        return np.bincount(self.counts.indices, minlength=self.counts.shape[1])
