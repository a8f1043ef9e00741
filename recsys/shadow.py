"""Two lists for one request, side by side: a model in the shadow of the one that serves, or two variants.

Nothing is judged: which list is better is for shoppers, or for `recsys.eval`, to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recsys.errors import ConfigError, DataError
from recsys.result import Result

# Of rank-biased overlap: the first ten places weigh 86 % of the whole (Webber et al., equation 21).
PERSISTENCE = 0.9


@dataclass(frozen=True, slots=True)
class ListDiff:
    """What two lists have in common, rank by rank.

    Attributes:
        k: how many places were compared.
        overlap: share of the first ``k`` that both have, 0 to 1; of two lists of ``n`` < ``k`` items, of ``n``.
        overlaps: (k,) the same at every depth, from 1.
        rbo: rank-biased overlap, extrapolated, 0 to 1 (Webber, Moffat and Zobel, ACM TOIS 28(4), 2010): overlap at
            every depth, depth d weighing ``p`` as much as d - 1. Two empty lists are the same: 1.
        p: the persistence of ``rbo``.
        tau: Kendall's tau of the items in both, 1 = the same order, -1 = turned round; None for fewer than two.
        moved: (item id, place in a, place in b), places from 1, of the items in both that stand elsewhere, as in b.
        new: ids that only b has, in its order. dropped: ids that only a has, in its order.
    """

    k: int
    overlap: float
    overlaps: tuple[float, ...]
    rbo: float
    p: float
    tau: float | None
    moved: tuple[tuple[str, int, int], ...]
    new: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether both lists hold the same items in the same order."""
        return not (self.moved or self.new or self.dropped)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        moved: Sequence[Mapping[str, Any]] = [
            {"item_id": item_id, "from": before, "to": after} for item_id, before, after in self.moved
        ]
        return {**asdict(self), "moved": moved, "same": self.same, **{n: list(getattr(self, n)) for n in _LISTS}}


_LISTS = ("overlaps", "new", "dropped")


def compare_lists(
    a: Result | Sequence[str], b: Result | Sequence[str], k: int | None = None, p: float = PERSISTENCE
) -> ListDiff:
    """Compare the first ``k`` places of two lists, by default all; each is a `Result`, or item ids in their order.

    Raises:
        ConfigError: ``k`` below 1, or ``p`` not between 0 and 1. DataError: a list names an item twice.
    """
    if k is not None and k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    if not 0 < p < 1:
        raise ConfigError(f"p must be between 0 and 1, got {p}")
    left, right = _ids(a, "a", k), _ids(b, "b", k)
    depth = max(len(left), len(right)) if k is None else k
    before = {item_id: place for place, item_id in enumerate(left, 1)}
    after = {item_id: place for place, item_id in enumerate(right, 1)}
    both = [(item_id, before[item_id], place) for item_id, place in after.items() if item_id in before]
    shared = _shared(before, after, max(len(left), len(right)))
    most = min(depth, max(len(left), len(right)))
    return ListDiff(
        k=depth,
        overlap=shared[-1] / most if most else 1.0,
        overlaps=tuple(n / d for d, n in enumerate(shared, 1)),
        rbo=_rbo(shared, len(left), len(right), p),
        p=p,
        tau=_tau([place for _, place, _ in both]),
        moved=tuple(one for one in both if one[1] != one[2]),
        new=tuple(item_id for item_id in right if item_id not in before),
        dropped=tuple(item_id for item_id in left if item_id not in after),
    )


def _ids(given: Result | Sequence[str], name: str, k: int | None) -> list[str]:
    ids = [row.item_id for row in given] if isinstance(given, Result) else list(given)
    if len(set(ids)) != len(ids):
        raise DataError(f"{name} names an item twice")
    return ids[:k]


def _shared(before: Mapping[str, int], after: Mapping[str, int], depth: int) -> list[int]:
    """Return how many items both lists have in their first 1, 2, ... ``depth`` places."""
    # An item is shared from the deeper of its two places on.
    deeper = [max(place, after[item_id]) for item_id, place in before.items() if item_id in after]
    counts: list[int] = np.bincount(deeper, minlength=depth + 1)[1:].cumsum().tolist() if depth else []
    return counts


def _rbo(shared: Sequence[int], n_left: int, n_right: int, p: float) -> float:
    """Return extrapolated rank-biased overlap, equation 32 of Webber et al.: lists of two lengths.

    What is not seen is taken to agree as much as what is seen at the end of each list.
    """
    short, long = sorted((n_left, n_right))
    if not long:
        return 1.0
    if not short:
        return 0.0
    at_short, at_long = shared[short - 1], shared[long - 1]
    seen = sum(x / d * p**d for d, x in enumerate(shared, 1))
    guessed = sum(at_short * (d - short) / (short * d) * p**d for d in range(short + 1, long + 1))
    return (1 - p) / p * (seen + guessed) + ((at_long - at_short) / long + at_short / short) * p**long


def _tau(places: Sequence[int]) -> float | None:
    """Return Kendall's tau of distinct ``places`` against their order; None for fewer than two."""
    n = len(places)
    if n < 2:
        return None
    at = np.asarray(places)
    above = int(np.sign(np.triu(at[None, :] - at[:, None], 1)).sum())
    return above / (n * (n - 1) / 2)
