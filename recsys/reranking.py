"""The rerank stage: the best of each list go through a reranker, the others follow as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ContractError, RecsysError
from recsys.types import Request, Slates

COLUMNS = ("rerank_score", "rerank_prior", "rerank_move")


class Absent:
    """Stands for a reranker of a bundle whose model cannot be opened here: it ranks nothing and says why.

    Attributes:
        error: why. reads_queries: what the reranker declares, so that searches say that it is missing, too.
    """

    cheap = False

    def __init__(self, error: RecsysError, reads_queries: bool = False, learned: bool = False) -> None:
        self.error, self.reads_queries = error, reads_queries
        self._learned = learned

    def rank(self, requests: Sequence[Request], slates: Slates, n: int) -> Slates:
        """Raise the error. Whoever serves lists looks at `error` first."""
        raise self.error

    def save(self, folder: Path) -> None:
        """Write nothing, if nothing was learned; else raise the error, for what was learned would be lost."""
        if self._learned:
            raise self.error


def rerank_top(reranker: Any, requests: Sequence[Request], slates: Slates, top: int) -> Slates:
    """Return the lists with their first ``top`` in the order of ``reranker``; scores of a list stay where they were.

    Columns of `recsys.rerank.base` are 0 (moves) and NaN below the top.

    Raises:
        ContractError: the reranker lost, added or doubled an item.
    """
    head = slates.head(top)
    ranked = reranker.rank(requests, head, top)
    if not _same(head, ranked):
        raise ContractError(f"{type(reranker).__name__} gave back other items than it was given")
    place = slates.places
    first = place < top
    items = slates.items.copy()
    items[first] = ranked.items
    # Where each entry came from: columns of the funnel go with their items.
    came = np.arange(len(items))
    came[first] = came[first][_sources(head, ranked)]
    columns = {name: values[came] for name, values in slates.columns.items()}
    for name in COLUMNS:
        if name in ranked.columns:
            column = np.full(len(items), 0 if name == "rerank_move" else np.nan, dtype=np.float32)
            column[first] = ranked.columns[name]
            columns[name] = column
    return Slates(items, slates.scores, slates.offsets, columns, ranked.notes or slates.notes)


def _same(head: Slates, ranked: Slates) -> bool:
    if len(head) != len(ranked) or not np.array_equal(head.offsets, ranked.offsets):
        return False
    return np.array_equal(_sorted(head), _sorted(ranked))


def _sorted(slates: Slates) -> NDArray[np.int32]:
    return slates.items[np.lexsort((slates.items, slates.request_index))]


def _sources(head: Slates, ranked: Slates) -> NDArray[np.int64]:
    """Return (m,) where in ``head`` each entry of ``ranked`` stood; both hold the same items."""
    out = np.empty(len(head.items), dtype=np.int64)
    out[np.lexsort((ranked.items, ranked.request_index))] = np.lexsort((head.items, head.request_index))
    return out
