"""Made-up products in any number: the sample shop's, under other names, with the long tail of words of a real shop."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import ZIPF_VOCABULARY, zipf
from recsys.data.shop.catalogue import make_catalogue
from recsys.dataset import ItemTable
from recsys.eval.search_typos import with_typo
from recsys.ids import Vocabulary
from recsys.search.analysis import Analyzer
from recsys.search.stopwords import stop_words

PER_BRAND = 120  # products a brand
CODED = 0.4  # of the products have a model code in the title
TAIL_WORDS = 8  # in each description
QUERY_WORDS = (1, 4)
MISSPELT = 0.3  # of the queries

_ONSETS = (
    "b",
    "br",
    "c",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "qu",
    "r",
    "s",
    "st",
    "t",
    "v",
)
_RHYMES = ("a", "al", "an", "ar", "e", "el", "en", "er", "i", "in", "is", "o", "on", "or", "os", "u", "um", "ex")


@cache
def tail() -> tuple[str, ...]:
    """Return made-up words of letters alone, three or four syllables each, the commonest first."""
    rng = np.random.default_rng(5)
    found: dict[str, None] = {}
    while len(found) < ZIPF_VOCABULARY:
        n = 3 + int(rng.random() < 0.5)
        parts = zip(rng.integers(len(_ONSETS), size=n), rng.integers(len(_RHYMES), size=n), strict=True)
        found["".join(_ONSETS[o] + _RHYMES[r] for o, r in parts)] = None
    return tuple(found)


def make_products(n: int, seed: int = 0) -> ItemTable:
    """Return ``n`` products: kind, material, colour and size of one of the sample shop's, other brand, other name."""
    rng = np.random.default_rng(seed)
    shop, words = make_catalogue(np.random.default_rng(0)).items, np.array(tail(), dtype=object)
    pick = rng.integers(len(shop), size=n).tolist()
    brands = [w.capitalize() for w in words[-max(1, n // PER_BRAND) :].tolist()]
    brand = rng.integers(len(brands), size=n).tolist()
    name = words[zipf(rng, n)].tolist()
    prose = words[zipf(rng, n * TAIL_WORDS)].reshape(n, TAIL_WORDS).tolist()
    code = np.where(rng.random(n) < CODED, rng.integers(1000, 100_000, size=n), 0).tolist()
    titles = [
        f"{brands[b]} {w.capitalize()} {_bare(shop, p)}" + (f" {brands[b][:2].upper()}-{c}" if c else "")
        for b, w, p, c in zip(brand, name, pick, code, strict=True)
    ]
    texts = [f"{_first(shop.texts[p])} {' '.join(said)}." for p, said in zip(pick, prose, strict=True)]
    return ItemTable(
        Vocabulary(f"i{row}" for row in range(n)), titles, texts, [brands[b] for b in brand],
        [shop.categories[p] for p in pick], np.round(rng.lognormal(3, 0.8, n), 2).astype(np.float32),
        np.full(n, 10, dtype=np.int32), np.zeros(n, dtype=np.int64), [""] * n, [shop.attributes[p] for p in pick],
        np.ones(n, dtype=np.bool_),
    )  # fmt: skip


def _bare(shop: ItemTable, row: int) -> str:
    return shop.titles[row].removeprefix(shop.brands[row]).strip()


def _first(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."


def make_queries(items: ItemTable, n: int, seed: int = 1) -> tuple[list[str], list[str]]:
    """Return ``n`` different queries as they were meant and as they are typed: one in three or so has a slip.

    A query is one to four words of the title of a product, in their order; function words are not asked for.
    """
    rng, stop, cut = np.random.default_rng(seed), stop_words("english"), Analyzer().raw
    meant: dict[str, str] = {}
    while len(meant) < n:
        title = cut(items.titles[int(rng.integers(len(items)))])  # "24 cm" is one word
        useful = [w for w in dict.fromkeys(title) if w not in stop]
        size = min(int(rng.integers(QUERY_WORDS[0], QUERY_WORDS[1] + 1)), len(useful))
        chosen: NDArray[np.int64] = np.sort(rng.choice(len(useful), size, replace=False))
        query = " ".join(useful[i] for i in chosen.tolist())
        if query and query not in meant:
            meant[query] = with_typo(query, rng) if rng.random() < MISSPELT else query
    return list(meant), list(meant.values())
