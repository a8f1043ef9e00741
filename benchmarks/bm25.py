"""BM25 candidates by each back end beside the rank-bm25 library, top 100, at two corpus sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import Corpus, make_corpus
from benchmarks.shops import catalogue
from benchmarks.timing import each, latency, memory, rounded, timed
from recsys.candidates.bm25 import BM25
from recsys.candidates.scoring import join
from recsys.dataset import Dataset
from recsys.protocols import FitOptions
from recsys.types import Request, Slates

TOP = 100
K1, B = 1.2, 0.75
REFERENCE = "rank-bm25"
# Back end -> its method. Tantivy has its own formula alone, whose scores are on another scale.
METHODS = {"eager": "okapi", "bm25s": "okapi", "tantivy": "lucene"}
QUERIES, REFERENCE_QUERIES = 500, {50_000: 40, 500_000: 8}
SEED = 7


def cases(quick: bool) -> list[dict[str, Any]]:
    """Return the reference first: the others are compared with what it leaves in the shared folder."""
    sizes = (500, 2_000) if quick else (50_000, 500_000)
    return [
        {"backend": backend, "documents": n, "reference_queries": REFERENCE_QUERIES.get(n, 20)}
        for n in sizes
        for backend in (REFERENCE, *METHODS)
    ]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    name, few = case["backend"], case["reference_queries"]
    corpus = make_corpus(case["documents"])
    queries = corpus.queries(QUERIES, SEED)
    queries = queries[:few] if name == REFERENCE else queries
    kept = scratch / f"bm25-{len(corpus)}.npz"
    figures = reference(corpus, queries, kept) if name == REFERENCE else backend(corpus, name, queries, few, kept)
    parameters = {
        "documents": len(corpus), "words": len(corpus.tokens), "method": METHODS.get(name, "okapi"), "k1": K1, "b": B,
        "top": TOP, "queries": len(queries),
    }  # fmt: skip
    return [{"name": name, "parameters": parameters, "figures": figures}]


def reference(corpus: Corpus, queries: list[str], kept: Path) -> dict[str, float]:
    """Measure the library as its users call it: scores of all documents, then the best hundred; keep the scores."""
    from rank_bm25 import BM25Okapi

    documents = corpus.documents()
    library, build_s = timed(lambda: BM25Okapi(documents, k1=K1, b=B))
    scores = np.empty((len(queries), len(corpus)))

    def answer(i: int) -> NDArray[np.int64]:
        scores[i] = library.get_scores(queries[i].split())
        first = np.argpartition(-scores[i], TOP)[:TOP]
        return first[np.argsort(-scores[i][first])]

    speed = latency(each(answer, range(len(queries))))
    np.savez(kept, scores=scores, qps=speed["qps"])
    return {"build_s": rounded(build_s), **speed, **memory()}


def backend(corpus: Corpus, name: str, queries: list[str], compared: int, kept: Path) -> dict[str, float]:
    """Measure the generator as the engine calls it, query texts in and lists out: one by one, then all at once."""
    items = catalogue([" ".join(document) for document in corpus.documents()])
    # The titles alone: brands and shelves would be words that the reference has not read.
    made = BM25(
        BM25.Config.model_validate({"backend": name, "method": METHODS[name], "k1": K1, "b": B, "fields": "title"})
    )
    _, build_s = timed(lambda: made.fit(Dataset(items, Dataset.of([], []).log), FitOptions()))
    requests = [Request(text=text, k=TOP) for text in queries]
    _, first_s = timed(lambda: made.generate(requests[:1], TOP))  # numba compiles here
    speed = latency(each(lambda request: made.generate([request], TOP), requests))
    _, batch_s = timed(lambda: made.generate(requests, TOP))
    out = {"build_s": rounded(build_s), "first_query_s": rounded(first_s), **speed}
    out["batch_qps"] = rounded(len(requests) / batch_s)
    if kept.is_file():
        with np.load(kept) as found:
            truth, qps = found["scores"], float(found["qps"])
        lists = join([made.generate([request], TOP) for request in requests[:compared]])
        out |= {"x_reference": rounded(speed["qps"] / qps), "batch_x_reference": rounded(out["batch_qps"] / qps)}
        out |= agreement(lists, truth, scores=METHODS[name] == "okapi")
    return {**out, **memory()}


def agreement(lists: Slates, truth: NDArray[np.float64], scores: bool = True) -> dict[str, float]:
    """Return how far lists agree with the reference's scores of all documents (q, n).

    ``overlap``: share of the listed documents that the reference, too, has among its first hundred; documents that
    tie with its hundredth may stand for it. ``max_difference``: the largest relative difference of a score, for back
    ends that promise equal ones.
    """
    owner = lists.request_index
    theirs = truth[owner, lists.items]
    bar = -np.partition(-truth, TOP - 1, axis=1)[:, TOP - 1]
    inside = theirs >= bar[owner] * (1 - 1e-6)
    wanted = np.minimum((truth > 0).sum(axis=1), TOP).sum()
    out = {"overlap": rounded(inside.sum() / max(int(wanted), 1))}
    if scores:
        difference = np.abs(lists.scores - theirs) / np.maximum(np.abs(theirs), 1e-9)
        out["max_difference"] = rounded(difference.max(initial=0))
    return out
