"""Made-up shops of any size: a catalogue of words, brands and shelves, a log in which one thing leads to another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import make_corpus
from recsys.dataset import Dataset, EventLog, ItemTable, weighed
from recsys.ids import Vocabulary
from recsys.types import Events, offsets_of

SHELF = 60  # items a shelf
BRAND = 40  # items a brand
END = 1_793_404_800  # 31 October 2026
YEAR = 365 * 86_400
MEAN_EVENTS = 9
# Of the events after a shopper's first: what follows the last item, what is popular on a favoured shelf, anything.
FOLLOW, FAVOURED = 0.4, 0.45
SKEW = 3.0  # the popularity of the places of a shelf: higher is more uneven


def catalogue(titles: Sequence[str], seed: int = 0) -> ItemTable:
    """Return a catalogue with these titles; everything else is drawn from the seed."""
    rng, n = np.random.default_rng(seed), len(titles)
    brands = rng.integers(max(1, n // BRAND), size=n).tolist()
    return ItemTable(
        Vocabulary(f"i{row}" for row in range(n)),
        list(titles),
        [""] * n,
        [f"Brand {b}" for b in brands],
        [(f"Department {row // SHELF % 12}", f"Shelf {row // SHELF}") for row in range(n)],
        np.round(rng.lognormal(3, 0.8, n), 2).astype(np.float32),
        np.full(n, 10, dtype=np.int32),
        np.zeros(n, dtype=np.int64),
        [""] * n,
        [{} for _ in range(n)],
        np.ones(n, dtype=np.bool_),
    )


def event_log(n_items: int, n_shoppers: int, seed: int = 0) -> EventLog:
    """Return a log of about nine events a shopper, three at least, over one year."""
    rng = np.random.default_rng(seed)
    shelves = -(-n_items // SHELF)
    lengths = 3 + rng.poisson(MEAN_EVENTS - 3, n_shoppers)
    favoured = (shelves * rng.random((n_shoppers, 3)) ** 2).astype(np.int64)
    rows = np.empty((n_shoppers, int(lengths.max())), dtype=np.int64)
    for t in range(rows.shape[1]):
        shelf = favoured[np.arange(n_shoppers), rng.integers(3, size=n_shoppers)]
        rows[:, t] = shelf * SHELF + (SHELF * rng.random(n_shoppers) ** SKEW).astype(np.int64)
        kind = rng.random(n_shoppers)
        if t:
            leads = kind < FOLLOW
            rows[leads, t] = follower(rows[leads, t - 1])
        anything = kind >= FOLLOW + FAVOURED
        rows[anything, t] = rng.integers(n_items, size=int(anything.sum()))
    offsets = offsets_of(lengths)
    taken = np.arange(rows.shape[1]) < lengths[:, None]
    owner = np.repeat(np.arange(n_shoppers), lengths)
    times = END - rng.integers(YEAR, size=len(owner))
    times = times[np.lexsort((times, owner))]
    events = Events.of((rows[taken] % n_items).astype(np.int32), times=times)
    return EventLog(weighed(events, owner), offsets, tuple(f"u{u}" for u in range(n_shoppers)))


def follower(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what goes with each item: another one of its shelf, always the same."""
    place = rows % SHELF
    return rows - place + (place * 7 + 11) % SHELF


def make_shop(items: int, shoppers: int, seed: int = 0) -> Dataset:
    """Return a shop of these sizes."""
    corpus = make_corpus(items, seed)
    # The first ten words are a title's length, and start with the title of a product.
    titles = [" ".join(corpus.document(i)[:10]) for i in range(items)]
    return Dataset(catalogue(titles, seed), event_log(items, shoppers, seed), name=f"made-up-{items}")
