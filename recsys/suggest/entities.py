"""What a shopper keeps coming back to: brands, categories and values of their own history (K-LAMP, Baek et al. 2024).

It is made from the history and the searches of a call and kept nowhere, so what the store forgets is forgotten here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from recsys.dataset import ItemTable
from recsys.profile.sensitive import is_sensitive
from recsys.suggest.phrases import leaf, short
from recsys.types import Events, Search

LIMIT = 60
HALF_LIFE = 20  # events after which an event counts half
SEARCHES = 40


@dataclass(frozen=True, slots=True)
class Entities:
    """Folded names with decayed counts, the strongest first."""

    brands: Mapping[str, float] = field(default_factory=dict)
    categories: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, float] = field(default_factory=dict)  # of the shopper's own queries

    def weight(self, text: str) -> float:
        """Return how much a phrase is about this shopper: the strongest entity of each sort that it names."""
        padded = f" {text} "
        total = 0.0
        for sort in (self.brands, self.categories, self.values):
            total += max((w for name, w in sort.items() if f" {name} " in padded), default=0.0)
        return total + 0.5 * max((self.words.get(w, 0.0) for w in text.split()), default=0.0)


NOBODY = Entities()


def entities_of(history: Events, items: ItemTable, searches: Sequence[Search] = ()) -> Entities:
    """Return the entities of a history (liked events of known items) and of queries, each sort scaled to at most 1."""
    liked = np.flatnonzero((history.weights > 0) & (history.rows >= 0) & (history.rows < len(items)))[-LIMIT:]
    sorts = [Counter[str]() for _ in range(4)]
    brands, categories, values, typed = sorts
    for age, place in enumerate(liked[::-1].tolist()):
        row, weight = int(history.rows[place]), float(history.weights[place]) * 0.5 ** (age / HALF_LIFE)
        brands[short(items.brands[row])] += weight
        categories[leaf(items, row)] += weight
        for value in items.attributes[row].values():
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, str):
                    values[short(one)] += weight
    for age, search in enumerate(reversed(searches[-SEARCHES:])):
        for word in set(short(search.text).split()):
            typed[word] += 0.5 ** (age / HALF_LIFE)
    return Entities(*(_scaled(sort) for sort in sorts))


def _scaled(counts: Counter[str]) -> dict[str, float]:
    # One event is no habit: counts are drawn to 0 by one.
    kept = {name: n / (n + 1) for name, n in counts.most_common() if name and not is_sensitive(name)}
    return dict(sorted(kept.items(), key=lambda pair: (-pair[1], pair[0]))[:50])
