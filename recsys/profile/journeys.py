"""Journeys: clusters of recent items that belong together, named by what they share.

After "User journeys" (Christakopoulou et al. 2023), with attributes as names in place of a language model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.dataset import ItemTable
from recsys.profile.lines import name_of
from recsys.profile.signals import DAY, Signals

RECENT = 40  # items
RECENT_DAYS = 90
MIN_ITEMS = 3
MAX_DISTANCE = 0.75  # average cosine distance within a journey
SHARED = 0.6  # of its items that a name must hold for


@dataclass(frozen=True, slots=True)
class Journey:
    """``entries`` of `Signals`, oldest first, and what they share: a category and perhaps a value or a brand."""

    name: str
    entries: tuple[int, ...]


def journeys(signals: Signals, now: int) -> list[Journey]:
    """Return the clusters of the latest liked items that have a name, the latest first."""
    times = signals.history.times[signals.places]
    recent = [i for i in signals.liked.tolist() if now - int(times[i]) <= RECENT_DAYS * DAY][-RECENT:]
    if len(recent) < MIN_ITEMS:
        return []
    found = []
    for label in _clusters(_vectors(signals, recent)):
        entries = tuple(recent[i] for i in label)
        parents = {signals.items.parents[int(signals.rows[i])] or str(signals.rows[i]) for i in entries}
        name = _name(signals, entries)
        if len(parents) >= MIN_ITEMS and name:
            found.append(Journey(name, entries))
    found.sort(key=lambda j: (-max(int(times[i]) for i in j.entries), j.name))
    # Two clusters with one name are one journey to a reader: the later one stands for both.
    return list({j.name: j for j in reversed(found)}.values())[::-1]


def _features(items: ItemTable, row: int) -> Iterator[tuple[str, float]]:
    depth = len(items.categories[row])
    for place, category in enumerate(items.categories[row]):
        # The wide shelf says little, the narrow one much.
        yield f"category={category}", (place + 1) / depth * 2
    if items.brands[row]:
        yield f"brand={items.brands[row]}", 0.7
    for key, value in items.attributes[row].items():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str):
                yield f"{key}={one}", 0.5


def _vectors(signals: Signals, entries: list[int]) -> NDArray[np.float64]:
    columns: dict[str, int] = {}
    cells = [
        (line, columns.setdefault(name, len(columns)), weight)
        for line, entry in enumerate(entries)
        for name, weight in _features(signals.items, int(signals.rows[entry]))
    ]
    out = np.zeros((len(entries), max(1, len(columns))))
    for line, column, weight in cells:
        out[line, column] = weight
    return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9))


def _clusters(vectors: NDArray[np.float64]) -> list[list[int]]:
    """Return the places of each cluster: average linkage, cut at `MAX_DISTANCE`."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    distance = np.clip(1 - vectors @ vectors.T, 0, 2)
    np.fill_diagonal(distance, 0)
    labels = fcluster(linkage(squareform(distance, checks=False), "average"), MAX_DISTANCE, "distance")
    return [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]


def _name(signals: Signals, entries: tuple[int, ...]) -> str:
    """Return the narrowest category that most items share, with a value or the brand that most share."""
    items, rows = signals.items, [int(signals.rows[i]) for i in entries]
    least = SHARED * len(rows)
    shelves = Counter((place, c) for row in rows for place, c in enumerate(items.categories[row]))
    shared = [(place, c) for (place, c), n in shelves.items() if n >= least and name_of(c)]
    if not shared:
        return ""
    category = name_of(max(shared, key=lambda pc: (pc[0], shelves[pc], pc[1]))[1])
    values = Counter(
        one
        for row in rows
        for value in items.attributes[row].values()
        for one in (value if isinstance(value, tuple) else (value,))
        if isinstance(one, str) and name_of(one)
    )
    values.update(items.brands[row] for row in rows if name_of(items.brands[row]))
    top = sorted((v for v, n in values.items() if n >= max(least, 2)), key=lambda v: (-values[v], v))[:1]
    return f"{category}, {name_of(top[0])}" if top and top[0].casefold() not in category.casefold() else category
