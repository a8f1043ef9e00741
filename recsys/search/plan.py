"""A query against one index: which postings are read, and what they found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.search.index import TextIndex
from recsys.search.loops import collect_loop, finish_loop, gather_loop, given_loop
from recsys.search.query import Alternative, Query, Slot
from recsys.topn import compiled
from recsys.types import ItemRows, RowMask

MAX_PAIRS = 4  # readings of a pair of neighbours


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Ranges of postings, grouped by slot: first those of the query's words, then those of neighbours in titles.

    Attributes:
        slots, segments, lows, highs, weights: (r,), see `recsys.search.loops`.
        readings: (r,) which alternative of its slot each range belongs to; -1 for neighbours.
        n_slots: how many slots are words; the rest are pairs of neighbours.
        worth: (n_slots,) the idf of each word, with its weight. shares: the same, summing to 1.
        needed: the bits of the words that have to match in a product that matches everything.
        docs, values: postings made for this query, segment 2.
    """

    slots: NDArray[np.int32]
    segments: NDArray[np.int32]
    lows: NDArray[np.int64]
    highs: NDArray[np.int64]
    weights: NDArray[np.float32]
    readings: NDArray[np.int32]
    n_slots: int
    n_pairs: int
    worth: NDArray[np.float32]
    shares: NDArray[np.float32]
    needed: np.uint64
    docs: NDArray[np.int32]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What one query found: rows in no order, their scores, and which slots each matches (bits)."""

    rows: ItemRows
    scores: NDArray[np.float32]
    bits: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Given rows: (m, n_slots + n_pairs) the gain of each slot, the posting and the range that gave it (-1: none)."""

    gains: NDArray[np.float32]
    places: NDArray[np.int64]
    which: NDArray[np.int32]
    scores: NDArray[np.float32]


class _Ranges:
    """Collects the ranges of a plan."""

    def __init__(self, index: TextIndex) -> None:
        self.index = index
        self.rows: list[tuple[int, int, int, int, float, int]] = []
        self.docs: list[NDArray[np.int32]] = []
        self.values: list[NDArray[np.float32]] = []
        self.made = 0

    def add(self, slot: int, segment: int, span: tuple[int, int], weight: float, reading: int) -> None:
        if span[0] < span[1] and weight > 0:
            self.rows.append((slot, segment, span[0], span[1], weight, reading))

    def term(self, slot: int, term: int, weight: float, reading: int) -> None:
        for s, segment in enumerate(self.index.segments):
            self.add(slot, s, segment.postings(term), weight, reading)

    def all_of(self, slot: int, terms: list[int], weight: float, reading: int) -> None:
        """Add the products that hold every term: each is worth the mean of its terms there."""
        docs, values = conjunction(self.index, terms)
        self.docs.append(docs)
        self.values.append(values)
        self.add(slot, 2, (self.made, self.made + len(docs)), weight, reading)
        self.made += len(docs)

    def column(self, k: int, dtype: type) -> NDArray[np.generic]:
        return np.array([r[k] for r in self.rows], dtype=dtype)


def conjunction(index: TextIndex, terms: list[int]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the products that hold every term, ascending, and the mean of what the terms are worth in them."""
    docs, values = np.empty(0, np.int32), np.empty(0, np.float32)
    for k, term in enumerate(terms):
        parts = []
        for s, segment in enumerate(index.segments):
            lo, hi = segment.postings(term)
            here = segment.docs[lo:hi]
            live = index.home[here] == s
            parts.append((here[live], segment.values[lo:hi][live]))
        d, v = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        order = np.argsort(d, kind="stable")
        d, v = d[order], v[order]
        if k:
            docs, left, right = np.intersect1d(docs, d, assume_unique=True, return_indices=True)
            values = values[left] + v[right]
        else:
            docs, values = d, v
    return docs, (values / np.float32(max(len(terms), 1))).astype(np.float32)


def plan(index: TextIndex, query: Query) -> Plan:
    """Return which postings of an index answer a query."""
    ranges, term = _Ranges(index), index.lexicon.term
    worth = np.zeros(len(query.slots), np.float32)
    needed = 0
    for s, slot in enumerate(_headed(index, query.slots)):
        reference = _idf(index, slot.alternatives[0])
        worth[s] = slot.weight * reference
        needed |= (1 << s) if slot.needed else 0
        for r, reading in enumerate(slot.alternatives):
            # Guesses share the idf of the surest one: a rare neighbour of a misspelt word is no better for being rare.
            idf = reference if reading.source in ("typo", "prefix") else _idf(index, reading)
            weight = slot.weight * reading.weight * idf
            if len(reading.terms) == 1:
                ranges.term(s, term(reading.terms[0]), weight, r)
            elif all(index.frequency(term(t)) for t in reading.terms):
                ranges.all_of(s, [term(t) for t in reading.terms], weight, r)
    n_pairs = _pairs(index, query, ranges) if index.config.phrase > 0 else 0
    total = float(worth.sum())
    return Plan(
        ranges.column(0, np.int32).astype(np.int32), ranges.column(1, np.int32).astype(np.int32),
        ranges.column(2, np.int64).astype(np.int64), ranges.column(3, np.int64).astype(np.int64),
        ranges.column(4, np.float32).astype(np.float32), ranges.column(5, np.int32).astype(np.int32),
        len(query.slots), n_pairs, worth, worth / np.float32(total or 1), np.uint64(needed),
        np.concatenate([np.empty(0, np.int32), *ranges.docs]),
        np.concatenate([np.empty(0, np.float32), *ranges.values]),
    )  # fmt: skip


def _headed(index: TextIndex, slots: Sequence[Slot]) -> list[Slot]:
    """Return the slots; the last that names a kind of product counts for more: "steel garlic press" asks for a press.

    A word names a kind when most products that hold it hold it in their categories.
    """
    out = list(slots)
    for s in reversed(range(len(out))) if index.config.head > 0 else ():
        terms = out[s].alternatives[0].terms
        if out[s].needed and len(terms) == 1 and index.names_a_kind(index.lexicon.term(terms[0])):
            out[s] = replace(out[s], weight=out[s].weight * (1 + index.config.head))
            break
    return out


def _idf(index: TextIndex, reading: Alternative) -> float:
    """Return the idf of a reading: of several words, that of the rarest."""
    return max(index.idf(index.frequency(index.lexicon.term(t))) for t in reading.terms)


def _pairs(index: TextIndex, query: Query, ranges: _Ranges) -> int:
    """Add a slot for each two neighbours of the query that are neighbours in a title; return how many."""
    n, term = 0, index.lexicon.term
    for a, b in pairwise(query.slots):
        spans = []
        for x in [r for r in a.alternatives if len(r.terms) == 1][:MAX_PAIRS]:
            for y in [r for r in b.alternatives if len(r.terms) == 1][:MAX_PAIRS]:
                for g, segment in enumerate(index.segments):
                    lo, hi = segment.pair(term(x.terms[0]), term(y.terms[0]))
                    if lo < hi:
                        spans.append((g, (lo, hi), min(x.weight, y.weight)))
        if spans:
            frequency = max(hi - lo for _, (lo, hi), _ in spans)
            light = min(a.weight, b.weight) ** 0.5  # "the who": function words matter more where they stand together
            for g, span, sure in spans:
                weight = index.config.phrase * index.idf(frequency) * sure * light
                ranges.add(len(query.slots) + n, g, span, weight, -1)
            n += 1
    return n


class Searcher:
    """Runs plans on an index. Scratch arrays are made once and used for one plan after another: no two threads."""

    def __init__(self, index: TextIndex) -> None:
        n = index.n_rows
        self.index = index
        self._total, self._best = np.zeros(n, np.float32), np.zeros(n, np.float32)
        self._last, self._bits = np.zeros(n, np.int16), np.zeros(n, np.uint64)
        self._touched, self._count = np.empty(n, np.int32), np.zeros(2, np.int64)

    def _collect(self, plan: Plan) -> None:
        required = np.zeros(plan.n_slots + plan.n_pairs, np.bool_)
        required[: plan.n_slots] = True
        compiled(collect_loop)(
            *_ranges(plan), required, *_postings(self.index, plan), _fixed(self.index.home),
            self._total, self._best, self._last, self._bits, self._touched, self._count,
        )  # fmt: skip

    def top(self, plan: Plan, n: int, allowed: RowMask | None) -> tuple[ItemRows, NDArray[np.float32]]:
        """Return the best ``n`` allowed rows and their scores, best first, equal scores by row."""
        n = min(n, self.index.n_rows)
        rows, scores = np.empty(n, np.int32), np.empty(n, np.float32)
        self._collect(plan)
        compiled(finish_loop)(*self._found(plan, allowed), rows, scores)
        size = int(self._count[1])
        return rows[:size], scores[:size]

    def every(self, plan: Plan, allowed: RowMask | None) -> Found:
        """Return every allowed row that holds any word of the query."""
        self._collect(plan)
        size = int(self._count[0])
        rows, scores, bits = np.empty(size, np.int32), np.empty(size, np.float32), np.empty(size, np.uint64)
        compiled(gather_loop)(*self._found(plan, allowed), rows, scores, bits)
        size = int(self._count[1])
        return Found(rows[:size], scores[:size], bits[:size])

    def _found(self, plan: Plan, allowed: RowMask | None) -> tuple[Any, ...]:
        """Return what the loops need that read what was collected."""
        return (
            plan.shares, self.index.config.coverage, plan.n_slots, self._total, self._last, self._bits,
            self._touched, self._count, _mask(allowed, self.index.n_rows),
        )  # fmt: skip


def look_up(index: TextIndex, plan: Plan, rows: ItemRows) -> Looked:
    """Return what given rows gain; their scores are those of `Searcher.top`, 0 where no word matches."""
    width = plan.n_slots + plan.n_pairs
    gains, places = np.zeros((len(rows), width), np.float32), np.full((len(rows), width), -1, np.int64)
    which = np.full((len(rows), width), -1, np.int32)
    compiled(given_loop)(
        *_ranges(plan), *_postings(index, plan), _fixed(index.home), rows.astype(np.int32), gains, places, which
    )
    share = (which[:, : plan.n_slots] >= 0) @ plan.shares
    c = np.float32(index.config.coverage)
    return Looked(gains, places, which, (gains.sum(axis=1) * (1 - c + c * share)).astype(np.float32))


def _ranges(plan: Plan) -> tuple[NDArray[np.generic], ...]:
    return plan.slots, plan.segments, plan.lows, plan.highs, plan.weights


def _postings(index: TextIndex, plan: Plan) -> tuple[tuple[NDArray[np.int32], ...], tuple[NDArray[np.float32], ...]]:
    """Return docs and values of base, patch and the query's own, all read-only: one type, compiled once."""
    base, patch = index.base, index.patch
    none_d, none_v = base.docs[:0], base.values[:0]
    docs = (base.docs, patch.docs if patch else none_d, plan.docs)
    values = (base.values, patch.values if patch else none_v, plan.values)
    return tuple(map(_fixed, docs)), tuple(map(_fixed, values))


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only plain view of an array, mapped from a file or not."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _mask(allowed: RowMask | None, n: int) -> RowMask:
    """Return a mask of ``n`` rows, or an empty one when everything is allowed; rows beyond a mask are not."""
    if allowed is None:
        return np.empty(0, np.bool_)
    out = np.zeros(n, np.bool_)
    out[: len(allowed)] = allowed[:n]
    return out
