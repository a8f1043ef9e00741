"""What in a history speaks for each recommended item, and what each generator made of it, exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.explain.strength import FADE, Floats, Ints, Relations, evidence
from recsys.history import stack
from recsys.types import Request, Slates, offsets_of


@dataclass(frozen=True, slots=True, eq=False)
class Touches:
    """The distinct liked items of each history of a batch, flat; within a request the latest touched first.

    Attributes:
        offsets: (b + 1,). rows: (t,) items. weights: (t,) of the strongest act on each.
        places: (t,) place in the request's history of that act, the latest of equals.
        recency: (t,) ``FADE ** age`` as `recsys.explain.strength` has it.
        of_event: for each event of all histories, flat, its item's number in here, -1 for what is no touch.
        events: (b + 1,) offsets of ``of_event``.
    """

    offsets: Ints
    rows: Ints
    weights: Floats
    places: Ints
    recency: Floats
    of_event: Ints
    events: Ints

    @property
    def owner(self) -> Ints:
        """(t,) the request of each."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @classmethod
    def of(cls, requests: Sequence[Request], silent: NDArray[np.bool_] | None = None) -> Touches:
        """Collect from histories; rows of ``silent`` (n_items,) are left out: nothing is said about them.

        With it, rows beyond it are left out too: the item came after the snapshot that the caller works with.
        """
        h = stack(requests, n_items=None if silent is None else len(silent))
        events = offsets_of(np.array([len(r.history) for r in requests], dtype=np.int64))
        of_event = np.full(int(events[-1]), -1, dtype=np.int64)
        keep = h.weights > 0
        if silent is not None:
            keep &= ~silent[h.rows]
        owner, rows, weights, place = h.owner[keep], h.rows[keep].astype(np.int64), h.weights[keep], h.place[keep]
        key = owner * (rows.max(initial=0) + 1) + rows
        _, inverse = np.unique(key, return_inverse=True)
        n = int(inverse.max(initial=-1)) + 1
        latest = np.zeros(n, dtype=np.int64)
        np.maximum.at(latest, inverse, place)
        # The last one written wins: by weight, then by place.
        by_weight = np.lexsort((place, weights))
        strongest = np.empty(n, dtype=np.int64)
        strongest[inverse[by_weight]] = by_weight
        order = np.lexsort((-latest, owner[strongest]))
        number = np.empty(n, dtype=np.int64)
        number[order] = np.arange(n)
        of_event[events[owner] + place] = number[inverse]
        chosen = strongest[order]
        offsets = offsets_of(np.bincount(owner[chosen], minlength=len(requests)))
        strength = weights[chosen].astype(np.float64)
        return cls(
            offsets, rows[chosen], strength, place[chosen].astype(np.int64),
            FADE ** _since(np.square(strength), offsets), of_event, events,
        )  # fmt: skip


def _since(amount: Floats, offsets: Ints) -> Floats:
    """Return (t,) the sum of ``amount`` over what stands before within the same part."""
    before = np.cumsum(amount) - amount
    start = np.append(before, 0.0)[offsets[:-1]]
    return np.asarray(before - np.repeat(start, np.diff(offsets)), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Credits:
    """Every (listed item, touch) pair of a batch, flat, entry by entry.

    Attributes:
        offsets: (m + 1,) the pairs of entry e are ``[offsets[e]:offsets[e + 1]]``, in the order of its touches.
        touch: (p,) number of the touch. strengths: (p,) in [0, 1].
        shares: by generator, (p,) the exact part of the item's score that all events on the touched item make up.
    """

    offsets: Ints
    touch: Ints
    strengths: Floats
    shares: Mapping[str, Floats]


def credit(
    requests: Sequence[Request],
    slates: Slates,
    touches: Touches,
    attributors: Mapping[str, Any],
    weights: Mapping[str, float],
    relations: Relations | None,
) -> Credits:
    """Return what each touch is worth to each listed item.

    A touch that no generator credits with anything has strength 0, whatever the relations say: the item is not
    listed because of it. Without relations the strength is the touch's part of the score, each generator's divided by
    the best that the list has of it and weighed by ``weights``, which compares generators but proves no connection.
    """
    owner = slates.request_index
    counts = np.diff(touches.offsets)[owner]
    offsets = offsets_of(counts)
    entry = np.repeat(np.arange(len(owner)), counts)
    touch = np.arange(len(entry)) - offsets[entry] + touches.offsets[owner[entry]]
    shares: dict[str, Floats] = {}
    credited = np.zeros(len(entry))
    for name, generator in attributors.items():
        given, scores = _given(generator, requests, slates, touches, offsets, len(entry))
        with np.errstate(divide="ignore", invalid="ignore"):
            shares[name] = np.where(scores[entry] > 0, given / scores[entry], 0.0)
        best = np.zeros(len(requests))
        np.maximum.at(best, owner, scores)
        credited += weights[name] * given / np.where(best > 0, best, 1.0)[owner[entry]]
    if relations is None:
        total = sum(weights[name] for name in attributors)
        strengths = np.clip(credited / total if total else credited, 0.0, 1.0)
    else:
        lift = relations.lift(touches.rows[touch], slates.items[entry])
        strengths = evidence(touches.weights[touch], touches.recency[touch], lift, relations.half)
        # To like it again is no matter of what goes with what: the item itself is the reason.
        again = touches.rows[touch] == slates.items[entry]
        own = np.square(touches.weights[touch]) * touches.recency[touch]
        strengths = np.where(again, np.minimum(own, 1.0), strengths) * (credited > 0)
    return Credits(offsets, touch, strengths, shares)


def _given(
    generator: Any, requests: Sequence[Request], slates: Slates, touches: Touches, offsets: Ints, n_pairs: int
) -> tuple[Floats, Floats]:
    """Return (p,) what a generator credits each pair with, and (m,) the scores that these are parts of."""
    parts = generator.contributions(requests, slates)
    entry, place = np.repeat(np.arange(len(slates.items)), np.diff(parts.indptr)), parts.indices
    values = parts.data.astype(np.float64)
    owner = slates.request_index[entry]
    touch = touches.of_event[touches.events[owner] + place]
    said = touch >= 0
    pair = offsets[entry[said]] + touch[said] - touches.offsets[owner[said]]
    given = np.bincount(pair, weights=values[said], minlength=n_pairs).astype(np.float64)
    return given, np.bincount(entry, weights=values, minlength=len(slates.items)).astype(np.float64)
