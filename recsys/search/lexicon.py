"""The words of a catalogue as numbers: raw words as they are typed, and the terms that they stand for."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from recsys.search.analysis import Analyzer
from recsys.types import Offsets, offsets_of

Codes = NDArray[np.int32]
# Of a field, so many different texts are looked up before they are cut again, none longer than this.
REPEATED, REPEATED_CHARS = 50_000, 300


class _Codes(dict[str, int]):
    """A dict that gives every new key the next number: it can be mapped over words without a line of Python each."""

    def __missing__(self, key: str) -> int:
        value = self[key] = len(self)
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Lists of codes, flat: list i is ``codes[offsets[i]:offsets[i + 1]]``."""

    codes: Codes
    offsets: Offsets

    @property
    def owner(self) -> NDArray[np.int64]:
        """(m,) the list of each code."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), np.diff(self.offsets))

    def put(self, rows: NDArray[np.int64], lists: Ragged, n: int) -> Ragged:
        """Return ``n`` lists of which ``rows`` are those of ``lists``; lists that nobody gives are empty."""
        before = len(self.offsets) - 1
        starts, lengths = np.zeros(n, np.int64), np.zeros(n, np.int64)
        starts[:before], lengths[:before] = self.offsets[:-1], np.diff(self.offsets)
        starts[rows], lengths[rows] = lists.offsets[:-1] + len(self.codes), np.diff(lists.offsets)
        ends = offsets_of(lengths)
        both = np.concatenate([self.codes, lists.codes])
        return Ragged(both[np.arange(ends[-1]) + np.repeat(starts - ends[:-1], lengths)], ends)

    def __getitem__(self, i: int) -> Codes:
        return self.codes[self.offsets[i] : self.offsets[i + 1]]


class Lexicon:
    """Numbers of raw words and of terms. It only ever grows, so the snapshots of a live index share one.

    A snapshot knows the words below the sizes that it remembers; a term that came later has no postings in it.
    """

    def __init__(self, analyzer: Analyzer, raws: Iterable[str] = (), terms: Iterable[str] = ()) -> None:
        self.analyzer = analyzer
        self.raws = _Codes((w, i) for i, w in enumerate(raws))
        self.terms = _Codes((w, i) for i, w in enumerate(terms))
        self.names = list(self.raws)
        # None: not yet asked for; a loaded lexicon shapes its words only when they occur in a new text.
        self._parts: list[tuple[int, ...] | None] = [None] * len(self.names)
        self._more: list[tuple[int, ...]] = [()] * len(self.names)
        self._lock = RLock()

    def term(self, name: str) -> int:
        """Return the number of a term, -1 if no text has it."""
        return self.terms.get(name, -1)

    def encode(self, texts: Iterable[str], limit: int) -> Ragged:
        """Return the raw words of each text; new ones are added."""
        flat, lengths = array("i"), array("q")
        split, code = self.analyzer.raw, self.raws.__getitem__
        # Brands, categories and values come back with every other product, and to cut them takes most of the time.
        kept: dict[str, array[int]] = {}
        with self._lock:
            for text in texts:
                codes = kept.get(text)
                if codes is None:
                    codes = array("i", map(code, split(text, limit)))
                    if len(text) <= REPEATED_CHARS and len(kept) < REPEATED:
                        kept[text] = codes
                flat.extend(codes)
                lengths.append(len(codes))
            self.names.extend(list(self.raws)[len(self.names) :] if len(self.raws) > len(self.names) else ())
        return Ragged(np.frombuffer(flat, np.int32) if flat else np.empty(0, np.int32),
                      offsets_of(np.frombuffer(lengths, np.int64) if lengths else np.empty(0, np.int64)))  # fmt: skip

    def expand(self, raw: Ragged) -> tuple[Ragged, Ragged]:
        """Return the terms of each text in reading order, and its further terms: joined compounds, pieces, numbers."""
        unique, place = np.unique(raw.codes, return_inverse=True)
        with self._lock:
            shaped = [self._shape(code) for code in unique.tolist()]
        return tuple(_gather([s[k] for s in shaped], place, raw.offsets) for k in (0, 1))  # type: ignore[return-value]

    def _shape(self, code: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if code >= len(self._parts):
            missing = len(self.raws) - len(self._parts)
            self._parts += [None] * missing
            self._more += [()] * missing
        parts = self._parts[code]
        if parts is None:
            shape, number = self.analyzer.shape(self.names[code]), self.terms.__getitem__
            parts = self._parts[code] = tuple(map(number, shape.parts))
            more = shape.extra if shape.joined is None else (shape.joined, *shape.extra)
            self._more[code] = tuple(map(number, more))
        return parts, self._more[code]


def _gather(lists: Sequence[tuple[int, ...]], place: NDArray[np.intp], offsets: Offsets) -> Ragged:
    """Return for texts, whose words are at ``place`` in ``lists``, all that these lists hold, in order."""
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    starts = offsets_of(lengths)
    flat = np.fromiter((c for part in lists for c in part), np.int32, int(starts[-1]))
    each = lengths[place]
    ends = offsets_of(each)
    index = np.arange(ends[-1]) - np.repeat(ends[:-1] - starts[place], each)
    return Ragged(flat[index], ends[offsets])
