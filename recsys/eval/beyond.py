"""What accuracy does not see: how much of the catalogue is shown, how popular it is, how alike a list is.

All measure the first ``k`` of each list and leave out rows of -1. ``popularity`` is (n_items,), how many events of the
fitted log each item has: nothing here looks at the test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recsys.errors import ConfigError, DataError
from recsys.targets import Targets
from recsys.types import ItemRows, Slates


def beyond_accuracy(
    ranked: Slates,
    popularity: NDArray[Any],
    *,
    k: int = 10,
    reference: Targets | None = None,
    categories: sparse.csr_array | None = None,
) -> dict[str, float | None]:
    """Return all measures below by name, as "coverage@10"; None where one cannot be had, as for empty lists.

    ``reference`` is what `popularity_lift` compares with, ``categories`` what `diversity` looks at.
    """
    lift = None if reference is None else popularity_lift(ranked, popularity, reference, k)
    alike = np.empty(0) if categories is None else diversity(ranked, categories, k)
    found = {
        "coverage": coverage(ranked, len(popularity), k),
        "novelty": novelty(ranked, popularity, k),
        "gini": gini(ranked, len(popularity), k),
        "popularity_lift": lift,
        "diversity": _mean(alike),
    }
    return {f"{name}@{k}": value for name, value in found.items()}


def heads(rows: ItemRows) -> Slates:
    """Return the lists of a (b, k) array of rows, best first, -1 = padding: what is kept of lists too long to keep."""
    b, k = rows.shape
    scores = np.tile(-np.arange(k, dtype=np.float32), b)
    return Slates(rows.ravel().copy(), scores, np.arange(b + 1, dtype=np.int64) * k)


def top_rows(ranked: Slates, k: int, n_items: int) -> tuple[ItemRows, NDArray[np.int64]]:
    """Return the rows of the first ``k`` of each list, flat, and the request of each; -1 left out.

    Raises:
        ConfigError: ``k`` below 1.
        DataError: a row beyond the catalogue.
    """
    if k < 1:
        raise ConfigError(f"k must be at least 1, got {k}")
    request = ranked.request_index
    keep = (np.arange(len(request)) - ranked.offsets[request] < k) & (ranked.items >= 0)
    rows = ranked.items[keep]
    if len(rows) and int(rows.max()) >= n_items:
        raise DataError(f"list {int(request[keep][rows.argmax()])} holds row {rows.max()}, the catalogue has {n_items}")
    return rows, request[keep]


def coverage(ranked: Slates, n_items: int, k: int = 10) -> float | None:
    """Return the share of the catalogue that is in some list, 0..1; None for an empty catalogue."""
    rows, _ = top_rows(ranked, k, n_items)
    return len(np.unique(rows)) / n_items if n_items else None


def novelty(ranked: Slates, popularity: NDArray[Any], k: int = 10) -> float | None:
    """Return the mean self-information of a shown item in bits: -log2 of its share of all events (Zhou 2010).

    Shares are (events + 1) / (all events + n_items), so that an item without events is finite. None if all is empty.
    """
    rows, _ = top_rows(ranked, k, len(popularity))
    share = (popularity[rows] + 1.0) / (popularity.sum() + len(popularity))
    return _mean(-np.log2(share))


def gini(ranked: Slates, n_items: int, k: int = 10) -> float | None:
    """Return how unequal the exposure of the ``n_items`` is: 0 = all equally often, towards 1 = one item alone.

    Items that are never shown count with 0. None if nothing is shown.
    """
    rows, _ = top_rows(ranked, k, n_items)
    if not len(rows):
        return None
    shown = np.sort(np.bincount(rows, minlength=n_items))
    rank = np.arange(1, n_items + 1)
    return float(((2 * rank - n_items - 1) * shown).sum() / (n_items * shown.sum()))


def popularity_lift(ranked: Slates, popularity: NDArray[Any], reference: Targets, k: int = 10) -> float | None:
    """Return mean popularity of what is shown over that of ``reference``: 1 = alike, 2 = shown items twice as popular.

    Both are means over requests of the mean over a request's items; requests where either is empty are left out.
    The reference are the targets (does the system follow what people chose?) or the histories, given as `Targets`.
    Popularity lift in Abdollahpouri 2019 is this minus 1. None if nothing can be compared.

    Raises:
        DataError: another number of requests.
    """
    if len(reference) != len(ranked):
        raise DataError(f"{len(ranked)} lists against the reference of {len(reference)} requests")
    rows, request = top_rows(ranked, k, len(popularity))
    known = (reference.rows >= 0) & (reference.rows < len(popularity))
    shown = _mean_by(popularity[rows], request, len(ranked))
    chosen = _mean_by(popularity[reference.rows[known]], reference.owner[known], len(ranked))
    both = np.isfinite(shown) & np.isfinite(chosen)
    base = float(chosen[both].sum())
    return float(shown[both].sum()) / base if base else None


def category_matrix(categories: Sequence[Sequence[str]]) -> sparse.csr_array:
    """Return (n_items, n_categories) float32: each item's distinct categories, scaled to unit length."""
    columns: dict[str, int] = {}
    distinct = [list(dict.fromkeys(names)) for names in categories]
    indices = np.array([columns.setdefault(c, len(columns)) for names in distinct for c in names], dtype=np.int32)
    lengths = np.array([len(names) for names in distinct], dtype=np.int64)
    data = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_array((data, indices, indptr), shape=(len(distinct), len(columns)))


def diversity(ranked: Slates, categories: sparse.csr_array, k: int = 10) -> NDArray[np.float64]:
    """Return (b,): mean of 1 - cosine over all pairs of a list, 0 = all of the same categories (Ziegler 2005).

    ``categories`` is that of `category_matrix`. Items without a category are left out; NaN where fewer than two are
    left.
    """
    rows, request = top_rows(ranked, k, categories.shape[0])
    has = np.diff(categories.indptr)[rows] > 0
    rows, request = rows[has], request[has]
    n = np.bincount(request, minlength=len(ranked)).astype(np.float64)
    member = sparse.csr_array(
        (np.ones(len(rows), np.float64), (request, rows)), shape=(len(ranked), categories.shape[0])
    )
    total = np.asarray((member @ categories).power(2).sum(axis=1))
    # |sum of unit vectors|^2 = n + 2 * (sum of the cosines of all pairs)
    pairs = n * (n - 1)
    alike: NDArray[np.float64] = np.divide(total - n, pairs, out=np.full(len(n), np.nan), where=pairs > 0)
    return 1 - alike


def _mean(values: NDArray[Any]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _mean_by(values: NDArray[Any], request: NDArray[np.int64], b: int) -> NDArray[np.float64]:
    n = np.bincount(request, minlength=b)
    total = np.bincount(request, weights=values, minlength=b)
    mean: NDArray[np.float64] = np.divide(total, n, out=np.full(b, np.nan), where=n > 0)
    return mean
