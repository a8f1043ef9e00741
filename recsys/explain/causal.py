"""Does the reason matter? Take the cited item out of the history, rank the same candidates again, and look.

Contributions are exact for one generator; the final rank comes out of all of them and a ranker, and for that nothing
but a rerun is a measure. Candidates stay fixed, so that a place is not lost to an item that another history would
have brought in.

    drop = (fall of the item's score - median fall of all candidates of the list) / range of the list's scores

All events on the cited item are taken out, for who takes back a purchase takes back the look that led to it. The
median is subtracted because a shorter history moves all scores alike (a ranker knows how much it knows of a shopper):
that is no effect on this item. The range, of all candidates as they were ranked first, makes scores of different
rankers comparable: .5 means that the item falls through half of the list. Drops lie in [-1, 1]; negative means that
the item would stand better without the "reason". A list of fewer than three scores, or of equal ones, has neither a
median nor a range that says anything: there nothing is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ContractError
from recsys.explanation import Fact
from recsys.ids import Vocabulary
from recsys.types import Request, Slates, offsets_of

# (requests, slates) -> the same items with their final scores, in any order: score_given, then rank, nothing cut.
Rescore = Callable[[Sequence[Request], Slates], Slates]
# Less than this part of the list's range is the noise of a tree's threshold, no effect.
EPSILON = 0.01
# Entries that are scored together: 150 candidates of 400 reruns.
CHUNK_ENTRIES = 60_000
FEWEST = 3  # candidates: of two, each is half of the median


def with_drops(
    requests: Sequence[Request],
    slates: Slates,
    ranked: Slates,
    facts: Sequence[Sequence[Fact]],
    rescore: Rescore,
    vocabulary: Vocabulary,
    most: int | None = None,
) -> list[list[Fact]]:
    """Return the facts with the causal drop of the ``most`` strongest events of each entry, None = of all.

    Args:
        requests: (b,) as they were asked.
        slates: the lists that are explained; ``facts`` has one list for each of its entries.
        ranked: all candidates of each request with their final scores, of which ``slates`` are the best.
        facts: as `recsys.explain.facts.FactBook.collect` returns them.
        rescore: gives the final scores of given candidates; see `Rescore`.
        vocabulary: of the items that the evidence names.
        most: events that are not measured keep None, and so do those of lists that are too short to measure.

    Raises:
        ContractError: a listed item with events is not among its candidates (see `among`), or ``rescore`` does not
            return what it was given.
    """
    owner = slates.request_index
    cited = [_cited(one, most, vocabulary) for one in facts]
    pairs = sorted({(int(owner[e]), row) for e, rows in enumerate(cited) for row in rows.values()})
    if not pairs:
        return [list(one) for one in facts]
    drops = _drops(requests, ranked, pairs, rescore)
    places = _places(slates, ranked)
    if any(rows and places[e] < 0 for e, rows in enumerate(cited)):
        raise ContractError("a listed item is not among the candidates that were ranked")
    number = {pair: i for i, pair in enumerate(pairs)}
    out = []
    for e, (one, rows) in enumerate(zip(facts, cited, strict=True)):
        measured = {
            at: float(drops[number[int(owner[e]), row]][places[e] - ranked.offsets[owner[e]]])
            for at, row in rows.items()
        }  # fmt: skip
        known = {at: drop for at, drop in measured.items() if not np.isnan(drop)}
        out.append([replace(f, causal_drop=known[at]) if at in known else f for at, f in enumerate(one)])
    return out


def among(slates: Slates, ranked: Slates) -> NDArray[np.bool_]:
    """Return (m,), True for entries of ``slates`` that are candidates of their request; the others came by a rule."""
    return np.asarray(_places(slates, ranked) >= 0)


def drop_uncaused(facts: Sequence[Fact], epsilon: float = EPSILON) -> list[Fact]:
    """Return the facts of one item without the events that are no reason: their drop is at most ``epsilon``.

    Where any event was measured, those that were not are left out too: nothing weaker takes the place of a reason
    that failed the test. Nor does the event that failed come back by way of a value that the two items share: it is
    taken out of the shared values, and a value that no other event speaks for goes. Where none was measured, nothing
    is known and all stay.
    """
    events = [f for f in facts if f.kind == "event"]
    if all(f.causal_drop is None for f in events):
        return list(facts)
    passed = [f for f in events if f.causal_drop is not None and f.causal_drop > epsilon]
    failed = {f.evidence[0].item_id for f in events if f.causal_drop is not None and f.causal_drop <= epsilon}
    kept = ((f if f in passed else None) if f.kind == "event" else _without_events(f, failed) for f in facts)
    return [f for f in kept if f is not None]


def _without_events(fact: Fact, item_ids: Set[str]) -> Fact | None:
    """Return a fact that does not rest on events on these items; None if it rested on nothing else."""
    if fact.kind != "attribute":
        return fact
    left = tuple(e for e in fact.evidence if e.kind != "event" or e.item_id not in item_ids)
    if len(left) == len(fact.evidence):
        return fact
    return replace(fact, evidence=left) if any(e.kind == "event" for e in left) else None


def without_item(request: Request, row: int) -> Request:
    """Return the request as if the shopper had never touched an item."""
    return replace(request, history=request.history.take(np.flatnonzero(request.history.rows != row)))


def _cited(facts: Sequence[Fact], most: int | None, vocabulary: Vocabulary) -> dict[int, int]:
    """Return place in ``facts`` -> row of the cited item, of the strongest events."""
    events = [at for at, fact in enumerate(facts) if fact.kind == "event"][:most]
    return {at: vocabulary.row(facts[at].evidence[0].item_id) for at in events}


def _drops(
    requests: Sequence[Request], ranked: Slates, pairs: Sequence[tuple[int, int]], rescore: Rescore
) -> list[NDArray[np.float64]]:
    """Return for each (request, row) the drop of every candidate of that request, in the order of ``ranked``."""
    lengths = ranked.lengths
    out: list[NDArray[np.float64]] = []
    begin = 0
    while begin < len(pairs):
        size = np.cumsum([lengths[i] for i, _ in pairs[begin:]])
        end = begin + max(1, int(np.searchsorted(size, CHUNK_ENTRIES, side="right")))
        part = pairs[begin:end]
        again = _repeated(ranked, [i for i, _ in part])
        scored = rescore([without_item(requests[i], row) for i, row in part], again)
        at = _places(again, scored)
        if (at < 0).any() or len(scored.items) != len(again.items):
            raise ContractError("what gave the scores anew lost a candidate, or brought one in")
        new = scored.scores[at].astype(np.float64)
        out += [
            _drop(ranked[i].scores.astype(np.float64), new[again.offsets[j] : again.offsets[j + 1]])
            for j, (i, _) in enumerate(part)
        ]  # fmt: skip
        begin = end
    return out


def _drop(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n,) the drop of each candidate of one list, NaN if it is too short; NaN scores fall nowhere."""
    fall = np.nan_to_num(before - after, nan=0.0, posinf=0.0, neginf=0.0)
    finite = before[np.isfinite(before)]
    span = float(np.ptp(finite)) if len(finite) >= FEWEST else 0.0
    if span <= 0:
        return np.full(len(before), np.nan)
    return np.asarray(np.clip((fall - np.median(fall)) / span, -1.0, 1.0), dtype=np.float64)


def _repeated(ranked: Slates, which: Sequence[int]) -> Slates:
    """Return lists ``which``, one after the other, each as often as it is named."""
    lengths = ranked.lengths[list(which)]
    offsets = offsets_of(lengths)
    index = np.arange(int(offsets[-1])) - np.repeat(offsets[:-1] - ranked.offsets[list(which)], lengths)
    columns = {name: values[index] for name, values in ranked.columns.items()}
    return Slates(ranked.items[index], ranked.scores[index], offsets, columns)


def _places(slates: Slates, among: Slates) -> NDArray[np.int64]:
    """Return (m,) where each entry of ``slates`` stands in ``among``, -1 = nowhere. Both have one list a request.

    Raises:
        ContractError: they have different numbers of lists.
    """
    if len(slates) != len(among):
        raise ContractError(f"{len(slates)} lists are looked for in {len(among)}")
    if not len(among.items):
        return np.full(len(slates.items), -1, dtype=np.int64)
    width = np.int64(max(slates.items.max(initial=0), among.items.max(initial=0))) + 1
    keys = among.request_index * width + among.items
    order = np.argsort(keys, kind="stable")
    wanted = slates.request_index * width + slates.items
    at = order[np.minimum(np.searchsorted(keys[order], wanted), len(order) - 1)]
    return np.where(keys[at] == wanted, at, -1).astype(np.int64)
