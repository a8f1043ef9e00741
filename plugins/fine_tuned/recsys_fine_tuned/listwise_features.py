"""What the list-wise head reads beside texts: one function for fit and serve, in numbers that mean the same anywhere.

Scores of generators are shares of the best score in the list, places are logarithms: a head that was trained on one
shop reads another shop's lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.rank.features.builder import MISSING, FeatureBuilder
from recsys.rank.features.facts import Facts
from recsys.types import Request, Slates

# Of the ranker's features those that need no clock and no price: other shops lack them.
PLAIN = (
    "n_found", "item_popularity", "item_n_categories", "user_n_events", "user_popularity", "user_last_popularity",
    "same_brand_as_last", "brand_share", "category_like_last", "category_like_history", "category_best",
)  # fmt: skip
# Prior scores are compared with the best of their list; what is this far behind is simply far behind.
FAR = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """Lists as rectangles.

    Attributes:
        items: (b, n) int64 rows, 0 where there is none. mask: (b, n) float32, 1 = an item.
        prior: (b, n) float32, the incoming score less the best of its list. features: (b, n, f) float32.
    """

    items: NDArray[np.int64]
    mask: NDArray[np.float32]
    prior: NDArray[np.float32]
    features: NDArray[np.float32]


def names(generators: Sequence[str]) -> list[str]:
    """Return the features' names in column order."""
    each = [f"{g}_{kind}" for g in generators for kind in ("share", "place")]
    return ["prior", "place", *each, "fused_share", *PLAIN]


def generators_of(slates: Slates) -> tuple[str, ...]:
    """Return the generators whose scores and places are columns of ``slates``."""
    scored = (c.removesuffix("_score") for c in slates.columns if c.endswith("_score"))
    return tuple(g for g in scored if f"{g}_rank" in slates.columns)


def padded(requests: Sequence[Request], slates: Slates, generators: Sequence[str], facts: Facts) -> Padded:
    """Return lists, best first, as rectangles with features; a missing column is a generator that says nothing."""
    owner, b = slates.request_index, len(slates)
    place = slates.places
    width = int(slates.lengths.max(initial=0))
    mask = np.zeros((b, width), np.float32)
    mask[owner, place] = 1
    known = (slates.items >= 0) & (slates.items < len(facts.items))
    items = np.zeros((b, width), np.int64)
    items[owner, place] = np.where(known, slates.items, 0)
    prior = _behind(slates)
    full = _completed(slates, generators)
    columns = [prior, np.log1p(place), *_sources(full, generators), *_plain(requests, full, facts)]
    features = np.zeros((b, width, len(columns)), np.float32)
    features[owner, place] = np.stack(columns, axis=1)
    square = np.zeros((b, width), np.float32)
    square[owner, place] = prior
    return Padded(items, mask, square, features)


def _behind(slates: Slates) -> NDArray[np.float32]:
    scores = np.clip(np.nan_to_num(slates.scores, nan=-FAR, posinf=1e6, neginf=-1e6), -1e6, 1e6).astype(np.float32)
    best = np.full(len(slates), -np.inf, np.float32)
    np.maximum.at(best, slates.request_index, scores)
    behind: NDArray[np.float32] = np.maximum(scores - best[slates.request_index], -FAR)
    return behind


def _completed(slates: Slates, generators: Sequence[str]) -> Slates:
    """Return the slates with every column that the features read."""
    m = len(slates.items)
    nothing, last = np.full(m, np.nan, np.float32), np.full(m, 1e3, np.float32)
    columns: dict[str, NDArray[Any]] = {"fused_score": nothing, "found": np.zeros(m, np.uint64)}
    for g in generators:
        columns |= {f"{g}_score": nothing, f"{g}_rank": last}
    return Slates(slates.items, slates.scores, slates.offsets, {**columns, **slates.columns}, slates.notes)


def _sources(slates: Slates, generators: Sequence[str]) -> list[NDArray[np.float32]]:
    out = []
    for g in generators:
        out += [_share(slates.columns[f"{g}_score"], slates), np.log(np.maximum(slates.columns[f"{g}_rank"], 1))]
    return [*out, _share(slates.columns["fused_score"], slates)]


def _share(scores: NDArray[np.float32], slates: Slates) -> NDArray[np.float32]:
    clean = np.maximum(np.nan_to_num(scores, nan=0.0, posinf=1e6, neginf=0.0), 0).astype(np.float32)
    best = np.zeros(len(slates), np.float32)
    np.maximum.at(best, slates.request_index, clean)
    highest = np.where(best > 0, best, np.float32(1))[slates.request_index]
    return (clean / highest).astype(np.float32, copy=False)


def _plain(requests: Sequence[Request], slates: Slates, facts: Facts) -> list[NDArray[np.float32]]:
    builder = FeatureBuilder(())
    # An item that the facts do not know yet is read as the first one, and its features are dropped.
    known = (slates.items >= 0) & (slates.items < len(facts.items))
    items = np.where(known, slates.items, 0).astype(np.int32)
    if not len(facts.items):
        return [np.zeros(len(items), np.float32) for _ in PLAIN]
    given = Slates(items, slates.scores, slates.offsets, slates.columns)
    table = builder.compute(requests, given, facts)
    column = {name: i for i, name in enumerate(builder.names)}
    out = []
    for name in PLAIN:
        raw = table[:, column[name]]
        values: NDArray[np.float32] = np.where(known & (raw > MISSING), raw, 0).astype(np.float32)
        out.append(np.log1p(values) if name == "user_n_events" else values)
    return out
