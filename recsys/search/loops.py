"""The inner loops of the search, compiled by numba when first used; as plain Python they are the reference in tests.

A plan is a list of ranges of postings. Each belongs to a slot, one word of the query, say, and the ranges of a slot
are its alternatives: a product gains the best of them, not their sum. The ranges of a slot stand together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.topn import finish, push


def collect_loop(
    slots: NDArray[np.int32],
    segments: NDArray[np.int32],
    lows: NDArray[np.int64],
    highs: NDArray[np.int64],
    weights: NDArray[np.float32],
    required: NDArray[np.bool_],
    docs: Any,
    values: Any,
    home: NDArray[np.int8],
    total: NDArray[np.float32],
    best: NDArray[np.float32],
    last: NDArray[np.int16],
    bits: NDArray[np.uint64],
    touched: NDArray[np.int32],
    count: NDArray[np.int64],
) -> None:
    """Add up one query: ``touched[:count[0]]`` are the rows it found, ``total`` and ``bits`` what they gain and match.

    ``docs`` and ``values`` are one array per segment; a row counts in the segment that is its ``home`` alone, segments
    from 2 on are made for the query and count always. Scratch arrays come as zeros.
    """
    found = 0
    for r in range(len(slots)):
        slot, segment, weight = slots[r], segments[r], weights[r]
        where, worth = docs[segment], values[segment]
        bit = np.uint64(1) << np.uint64(slot) if required[slot] else np.uint64(0)
        for e in range(lows[r], highs[r]):
            doc = where[e]
            if segment < 2 and home[doc] != segment:
                continue
            gain = weight * worth[e]
            if total[doc] == 0:
                touched[found] = doc
                found += 1
                total[doc] = gain
                best[doc] = gain
                last[doc] = slot + 1
            elif last[doc] != slot + 1:
                total[doc] += gain
                best[doc] = gain
                last[doc] = slot + 1
            elif gain > best[doc]:
                total[doc] += gain - best[doc]
                best[doc] = gain
            bits[doc] |= bit
    count[0] = found


def finish_loop(
    shares: NDArray[np.float32],
    coverage: float,
    n_slots: int,
    total: NDArray[np.float32],
    last: NDArray[np.int16],
    bits: NDArray[np.uint64],
    touched: NDArray[np.int32],
    count: NDArray[np.int64],
    mask: NDArray[np.bool_],
    rows: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> None:
    """Fill ``rows`` and ``scores`` with the best, set ``count[1]`` to how many they are, and clean the scratch arrays.

    The gain of a product is scaled by the share of the query that it matches: ``1 - coverage`` of it is safe.
    ``mask`` is empty or (n_docs,).
    """
    size = 0
    for i in range(count[0]):
        doc = touched[i]
        if len(mask) == 0 or mask[doc]:
            share = np.float32(0)
            for s in range(n_slots):
                if (bits[doc] >> np.uint64(s)) & np.uint64(1):
                    share += shares[s]
            score = total[doc] * np.float32(1 - coverage + coverage * share)
            if size < len(rows) or (size > 0 and score >= scores[0]):
                size = push(rows, scores, size, doc, score)
        total[doc] = 0
        last[doc] = 0
        bits[doc] = 0
    finish(rows, scores, size)
    count[1] = size


def gather_loop(
    shares: NDArray[np.float32],
    coverage: float,
    n_slots: int,
    total: NDArray[np.float32],
    last: NDArray[np.int16],
    bits: NDArray[np.uint64],
    touched: NDArray[np.int32],
    count: NDArray[np.int64],
    mask: NDArray[np.bool_],
    rows: NDArray[np.int32],
    scores: NDArray[np.float32],
    matched: NDArray[np.uint64],
) -> None:
    """Fill ``rows``, ``scores`` and ``matched`` (bits) with all that was found and is allowed; see `finish_loop`."""
    size = 0
    for i in range(count[0]):
        doc = touched[i]
        if len(mask) == 0 or mask[doc]:
            share = np.float32(0)
            for s in range(n_slots):
                if (bits[doc] >> np.uint64(s)) & np.uint64(1):
                    share += shares[s]
            rows[size] = doc
            scores[size] = total[doc] * np.float32(1 - coverage + coverage * share)
            matched[size] = bits[doc]
            size += 1
        total[doc] = 0
        last[doc] = 0
        bits[doc] = 0
    count[1] = size


def given_loop(
    slots: NDArray[np.int32],
    segments: NDArray[np.int32],
    lows: NDArray[np.int64],
    highs: NDArray[np.int64],
    weights: NDArray[np.float32],
    docs: Any,
    values: Any,
    home: NDArray[np.int8],
    items: NDArray[np.int32],
    gains: NDArray[np.float32],
    places: NDArray[np.int64],
    which: NDArray[np.int32],
) -> None:
    """Look up given rows: ``gains`` (m, n_slots) becomes the best gain of each slot, 0 where it does not match.

    ``which`` is the range that gave it, -1 for none, and ``places`` its place in the segment's postings.
    """
    for i in range(len(items)):
        doc = items[i]
        for r in range(len(slots)):
            slot, segment = slots[r], segments[r]
            if segment < 2 and home[doc] != segment:
                continue
            where = docs[segment]
            low, high = lows[r], highs[r]
            while low < high:
                middle = (low + high) >> 1
                if where[middle] < doc:
                    low = middle + 1
                else:
                    high = middle
            if low < highs[r] and where[low] == doc:
                gain = weights[r] * values[segment][low]
                if which[i, slot] < 0 or gain > gains[i, slot]:
                    gains[i, slot] = gain
                    places[i, slot] = low
                    which[i, slot] = r
