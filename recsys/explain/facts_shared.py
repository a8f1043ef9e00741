"""Values that a recommended item shares with what its shopper liked, weighed by how rare they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from recsys.explain.facts_events import Touches
from recsys.explain.strength import Floats, Ints
from recsys.types import Slates, offsets_of

# A shared value is a weaker reason than something that demonstrably leads to the item.
TOP = 0.6
# Where half of that is reached. Three fresh purchases of one brand in sixty get somewhat further than that, ten of a
# department that every fifth item belongs to do not.
HALF = 0.6
CITED = 2  # history items under one shared value


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """The values worth naming of each listed item, flat, entry by entry, strongest first.

    Attributes:
        offsets: (m + 1,). values: (s,) value numbers. strengths: (s,) in [0, TOP).
        touches: of each, the touched items that share it, the strongest first, at most `CITED`.
    """

    offsets: Ints
    values: Ints
    strengths: Floats
    touches: Sequence[Ints]


def share(slates: Slates, touches: Touches, table: sparse.csr_array, most: int) -> Shared:
    """Return at most ``most`` shared values for each entry; ``table`` is `ValueTable.telling`.

    strength = TOP * s / (s + HALF),   s = support * rarity ** 2

    The support of a value is the sum of weight x sqrt(recency) over the touched items that hold it. The square was
    chosen on the sample shop (even-numbered shoppers): the brand comes first for .26 of the acts that brand loyalty
    caused and for .06 of those without a cause; with the plain rarity these are .17 and .05.
    """
    owner, width = slates.request_index, table.shape[1]
    liked = table[touches.rows]
    holder = np.repeat(np.arange(len(touches.rows)), np.diff(liked.indptr))
    key = touches.owner[holder] * width + liked.indices
    worth = (touches.weights * np.sqrt(touches.recency))[holder]
    # Within a (request, value) the strongest touch first, so that the first few are the ones to cite.
    order = np.lexsort((holder, -worth, key))
    key, holder, worth = key[order], holder[order], worth[order]
    keys, first = np.unique(key, return_index=True)
    support = np.add.reduceat(worth, first) if len(keys) else np.empty(0)
    ends = np.append(first, len(key))

    held = table[slates.items]
    entry = np.repeat(np.arange(len(slates.items)), np.diff(held.indptr))
    wanted = owner[entry] * width + held.indices
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    found = np.flatnonzero(keys[at] == wanted) if len(keys) else np.empty(0, dtype=np.int64)
    s = support[at[found]] * np.square(held.data[found])
    strengths = TOP * s / (s + HALF)
    order = np.lexsort((held.indices[found], -strengths, entry[found]))
    found, strengths = found[order], strengths[order]
    place = np.arange(len(found)) - _starts(entry[found], len(slates.items))
    chosen = place < most
    found, strengths = found[chosen], strengths[chosen]
    cited = [holder[first[a] : min(int(ends[a + 1]), int(first[a]) + CITED)] for a in at[found].tolist()]
    offsets = offsets_of(np.bincount(entry[found], minlength=len(slates.items)))
    return Shared(offsets, held.indices[found].astype(np.int64), strengths, cited)


def _starts(groups: Ints, n: int) -> Ints:
    """Return for each element of sorted ``groups`` (s,) where its group begins."""
    return offsets_of(np.bincount(groups, minlength=n))[:-1][groups]
