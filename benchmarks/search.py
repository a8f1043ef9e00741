"""The text search with and without typo tolerance beside the rank-bm25 library, on the same queries of the same shop.

One query in three or so is misspelt. What was meant is known, so that every line also says how many of the products
listed have all the words that were meant.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.products import MISSPELT, QUERY_WORDS, make_products, make_queries
from benchmarks.timing import each, latency, memory, rounded, timed
from recsys.artifacts import write_json
from recsys.dataset import Dataset, ItemTable
from recsys.protocols import Deps, FitOptions
from recsys.search.fields import texts
from recsys.search.generator import TextSearch
from recsys.search.index import TextIndex
from recsys.search.plan import Searcher
from recsys.search.relax import complete
from recsys.types import ItemRows, Slates

TOP, SHOWN = 100, 10
QUERIES = 200
REFERENCE = "rank-bm25"
# Step -> whether typos are forgiven. All read the index that the step "build" left in the shared folder.
SEARCHES = {"typo tolerance": True, "no typo tolerance": False}
STEPS = ("build", REFERENCE, *SEARCHES)
COMPILING = "nothing compiled yet"


def cases(quick: bool) -> list[dict[str, Any]]:
    sizes = (1_000,) if quick else (20_000, 500_000)
    rest = [{"step": step, "products": n} for n in sizes for step in STEPS]
    return [*rest, {"step": COMPILING, "products": sizes[0]}]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    step, n = case["step"], case["products"]
    folder = scratch / f"search-{n}"
    if step == "build":
        figures = build(make_products(n), folder)
    elif step == REFERENCE:
        figures = reference(make_products(n), folder)
    elif step == COMPILING:
        figures = first_ever(folder, scratch / "numba")
    else:
        figures = search(folder, SEARCHES[step])
    words = {"query_words": list(QUERY_WORDS), "misspelt": MISSPELT, "queries": QUERIES, "top": TOP}
    return [{"name": step, "parameters": {"products": n, **words}, "figures": {**figures, **memory()}}]


def build(items: ItemTable, folder: Path) -> dict[str, float]:
    """Measure fitting and saving; leave the index, the queries, and which products have all words of each."""
    data = Dataset(items, Dataset.of([], []).log)
    made, build_s = timed(lambda: TextSearch().fit(data, FitOptions()))
    (folder / "made").mkdir(parents=True)
    _, save_s = timed(lambda: made.save(folder / "made"))
    size = sum(path.stat().st_size for path in (folder / "made").rglob("*") if path.is_file())
    meant, typed = make_queries(items, QUERIES)
    write_json(folder / "queries.json", {"meant": meant, "typed": typed})
    write_json(folder / "truth.json", [rows.tolist() for rows in with_every_word(made.index, meant)])
    return {"build_s": rounded(build_s), "save_s": rounded(save_s), "index_mb": rounded(size / 2**20)}


def with_every_word(index: TextIndex, queries: Sequence[str]) -> list[ItemRows]:
    """Return the products that have all words of each query, as they are typed."""
    exact, searcher, out = plain(index), Searcher(index), []
    for query in queries:
        plan = exact.parse(query)[1]
        found = searcher.every(plan, None)
        out.append(np.sort(found.rows[complete(plan, found)]))
    return out


def plain(index: TextIndex) -> TextSearch:
    """Return a search over an index that takes every word as it is typed."""
    index.config = index.config.model_copy(update={"typos": False})
    return TextSearch.over(index)


def asked(folder: Path) -> tuple[list[str], NDArray[np.bool_]]:
    """Return the queries as they are typed, and which of them are misspelt."""
    both = json.loads((folder / "queries.json").read_text(encoding="utf-8"))
    return both["typed"], np.array([a != b for a, b in zip(both["meant"], both["typed"], strict=True)])


def reference(items: ItemTable, folder: Path) -> dict[str, float]:
    """Measure the library as its users call it: all words of a product, scores of all, then the best hundred."""
    from rank_bm25 import BM25Okapi

    typed, misspelt = asked(folder)
    every = list(range(len(items)))
    fields = [texts(items, every, name, {}) for name in ("title", "brand", "categories", "attributes", "text")]
    words = [" ".join(parts).lower().replace(",", " ").replace(".", " ").split() for parts in zip(*fields, strict=True)]
    library, build_s = timed(lambda: BM25Okapi(words))
    listed: list[NDArray[np.int64]] = []

    def answer(query: str) -> None:
        scores = library.get_scores(query.split())
        first = np.argpartition(-scores, TOP)[:TOP]
        listed.append(first[np.argsort(-scores[first])])

    seconds = each(answer, typed)
    speed = latency(seconds)
    (folder / "reference.json").write_text(json.dumps(speed), encoding="utf-8")
    return {"build_s": rounded(build_s), **speed, **right(listed, misspelt, folder)}


def search(folder: Path, typos: bool) -> dict[str, float]:
    """Measure a search as the engine calls it: text in, what matches and in which order out; one after another."""
    typed, misspelt = asked(folder)
    made, load_s = timed(lambda: TextSearch.load(folder / "made", Deps()))
    made = made if typos else plain(made.index)
    first_s = first(made)
    lists: list[Slates] = []
    seconds = np.array(each(lambda query: lists.append(made.match([query], n=TOP).slates), typed))
    speed = latency(seconds.tolist())
    out = {"load_s": rounded(load_s), "first_ms": rounded(1000 * first_s), **speed}
    out["misspelt_p50_ms"] = rounded(1000 * np.median(seconds[misspelt]))
    peer = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    out |= {
        "x_reference": rounded(out["qps"] / peer["qps"]),
        "x_reference_p50": rounded(peer["p50_ms"] / out["p50_ms"]),
    }
    return {**out, **right([one.items for one in lists], misspelt, folder)}


def first(made: TextSearch) -> float:
    """Return the seconds of what a process pays once: compiled loops, and the words that a slip is held against."""
    return timed(lambda: made.match(["first serach of all"], n=TOP))[1]


def first_ever(folder: Path, cache: Path) -> dict[str, float]:
    """Measure the first search of all where numba's cache, in the folder ``cache``, is empty."""
    if "numba" in sys.modules:
        raise RuntimeError("numba is imported already: it reads the place of its cache only once")
    os.environ["NUMBA_CACHE_DIR"] = str(cache)
    made, load_s = timed(lambda: TextSearch.load(folder / "made", Deps()))
    return {"load_s": rounded(load_s), "first_ms": rounded(1000 * first(made))}


def right(lists: list[NDArray[Any]], misspelt: NDArray[np.bool_], folder: Path) -> dict[str, float]:
    """Return how many of the first ten places go to products with all words that were meant, where there are such."""
    wanted = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    shares = np.array([
        np.isin(rows[:SHOWN], all_words).sum() / min(SHOWN, len(all_words))
        for rows, all_words in zip(lists, wanted, strict=True)
    ])  # fmt: skip
    return {"right": rounded(shares[~misspelt].mean()), "right_misspelt": rounded(shares[misspelt].mean())}
