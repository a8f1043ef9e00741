"""What is measured of a search, query by query."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recsys.data.search.judgements import Judgements
from recsys.eval.metrics import per_request
from recsys.types import Scores, Slates, offsets_of

Values = dict[str, NDArray[np.float32]]
FULL = ("ndcg@10", "mrr@10", "recall@100")
TOP = 10


def measured(ranked: Slates, judged: Slates, judgements: Judgements) -> Values:
    """Return the metrics (q,) of lists over the whole collection, and of the judged items alone.

    ``ranked`` are the lists, best first; ``judged`` the judged items of each query, best first. An item that nobody
    judged counts as irrelevant in "ndcg@10", gain 2 ** grade - 1; "judged_ndcg@10" looks at judged items only;
    "unjudged@10" is the share of the first ten that nobody judged. Ties count against the system everywhere.
    """
    full = per_request(ranked, judgements.targets, FULL, gain="exp")
    alone = per_request(judged, judgements.targets, ("ndcg@10",), gain="exp")["ndcg@10"]
    return {"ndcg@10": full["ndcg@10"], "judged_ndcg@10": alone, "mrr@10": full["mrr@10"],
            "recall@100": full["recall@100"], "unjudged@10": unjudged(ranked, judgements)}  # fmt: skip


def unjudged(ranked: Slates, judgements: Judgements, n: int = TOP) -> NDArray[np.float32]:
    """Return (q,) the share of the first ``n`` items that nobody judged; 0 for an empty list."""
    owner = ranked.request_index
    place = ranked.places
    first = place < n
    known = is_judged(ranked, judgements)
    unknown = np.bincount(owner[first & ~known], minlength=len(ranked))
    share: NDArray[np.float32] = (unknown / np.maximum(np.minimum(ranked.lengths, n), 1)).astype(np.float32)
    return share


def is_judged(ranked: Slates, judgements: Judgements) -> NDArray[np.bool_]:
    """Return (m,), True where an entry is one of its query's judged items."""
    targets = judgements.targets
    width = np.int64(max(ranked.items.max(initial=0), targets.rows.max(initial=0))) + 1
    wanted = targets.owner * width + targets.rows
    return np.isin(ranked.request_index * width + ranked.items, wanted[targets.rows >= 0])


def condensed(ranked: Slates, judgements: Judgements) -> Slates:
    """Return the lists without the items that nobody judged (condensed lists: Sakai 2007)."""
    known = is_judged(ranked, judgements)
    lengths = np.bincount(ranked.request_index[known], minlength=len(ranked))
    return Slates(ranked.items[known], ranked.scores[known], offsets_of(lengths))


def grades(slates: Slates, judgements: Judgements) -> NDArray[np.float32]:
    """Return (m,) the grade of each entry, 0 where nobody judged it."""
    targets = judgements.targets
    width = np.int64(max(slates.items.max(initial=0), targets.rows.max(initial=0))) + 1
    wanted = targets.owner * width + targets.rows
    out = np.zeros(len(slates.items), dtype=np.float32)
    if not len(wanted) or not len(out):
        return out
    order = np.argsort(wanted)
    key = slates.request_index * width + slates.items
    at = order[np.minimum(np.searchsorted(wanted[order], key), len(wanted) - 1)]
    hit = wanted[at] == key
    gains = targets.gains if targets.gains is not None else np.ones(len(wanted), np.float32)
    out[hit] = gains[at[hit]]
    return out


def ordered_by(slates: Slates, scores: Scores, n: int | None = None) -> Slates:
    """Return the lists by other ``scores`` (m,), without their columns: sorting those would cost more than ranking."""
    return Slates(slates.items, slates.scores, slates.offsets).ordered(scores, n)


def mean(values: Mapping[str, NDArray[np.float32]], name: str = "ndcg@10") -> float:
    """Return the mean of one metric."""
    return float(np.mean(values[name], dtype=np.float64))
