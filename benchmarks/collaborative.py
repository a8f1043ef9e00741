"""Our ALS and item-kNN beside implicit's own ``recommend``: the same log, the same factors, the same process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.shops import make_shop
from benchmarks.timing import each, latency, memory, rounded, timed
from recsys.candidates.als import ALS
from recsys.candidates.item_knn import ItemKNN
from recsys.candidates.matrix import user_items
from recsys.dataset import Dataset
from recsys.protocols import FitOptions
from recsys.requests import seen, without
from recsys.types import Request

TOP, CHUNK, SINGLE, BATCH = 100, 512, 200, 4096


def cases(quick: bool) -> list[dict[str, Any]]:
    items, shoppers = (300, 600) if quick else (12_000, 22_000)
    return [{"model": model, "items": items, "shoppers": shoppers} for model in ("als", "item-knn")]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    from threadpoolctl import threadpool_limits

    data = make_shop(case["items"], case["shoppers"])
    with threadpool_limits(1, "blas"):  # implicit's own advice: it is up to seven times slower without
        ours, theirs = MODELS[case["model"]](data)
    matrix = sparse.csr_matrix(user_items(data))
    users = np.random.default_rng(0).permutation(data.log.n_users)[:BATCH]
    requests = [request(data, int(user)) for user in users]
    single = list(range(min(SINGLE, len(users))))
    parts = [slice(at, at + CHUNK) for at in range(0, len(users), CHUNK)]
    lists: dict[str, list[NDArray[np.int32]]] = {}
    figures: dict[str, float] = {}

    def measure(name: str, one: Callable[[int], Any], many: Callable[[slice], Any]) -> None:
        one(0)
        speed = latency(each(one, single))
        _, batch_s = timed(lambda: [many(part) for part in parts])
        figures.update({f"{name}_{key}": value for key, value in speed.items()})
        figures[f"{name}_batch_qps"] = rounded(len(users) / batch_s)
        lists[name] = [np.asarray(one(i)) for i in single]

    measure(
        "recsys",
        lambda i: ours.generate([requests[i]], TOP).items,
        lambda part: ours.generate(requests[part], TOP),
    )
    for name, (model, options) in theirs.items():

        def answer(chosen: Any, model: Any = model, options: dict[str, Any] = options) -> NDArray[np.int32]:
            items, scores = model.recommend(chosen, matrix[chosen], N=TOP, **options)
            return items[scores > 0]

        with threadpool_limits(1, "blas"):
            measure(name, lambda i, answer=answer: answer(int(users[i])), lambda at, answer=answer: answer(users[at]))
        figures[f"x_{name}"] = rounded(figures["recsys_qps"] / figures[f"{name}_qps"])
        figures[f"batch_x_{name}"] = rounded(figures["recsys_batch_qps"] / figures[f"{name}_batch_qps"])
        figures[f"overlap_{name}"] = overlap(lists["recsys"], lists[name])
    parameters = {
        **case,
        "events": len(data.log),
        "top": TOP,
        "chunk": CHUNK,
        "single": len(single),
        "batch": len(users),
    }
    return [{"name": case["model"], "parameters": parameters, "figures": {**figures, **memory()}}]


def request(data: Dataset, user: int) -> Request:
    """Return a shopper's request, their own items masked as implicit masks them."""
    history = data.log.history(user)
    return Request(history=history, allowed=without(np.ones(len(data.items), dtype=np.bool_), seen(history)), k=TOP)


def overlap(ours: Sequence[NDArray[np.int32]], theirs: Sequence[NDArray[np.int32]]) -> float:
    """Return the share of their items that our lists hold, over all lists."""
    both = sum(len(np.intersect1d(a, b)) for a, b in zip(ours, theirs, strict=True))
    return rounded(both / max(1, sum(len(b) for b in theirs)))


def als(data: Dataset) -> tuple[ALS, dict[str, tuple[Any, dict[str, Any]]]]:
    """Fit implicit's model and take its item factors over; no decay, so that both fold in the same history."""
    from implicit.cpu.als import AlternatingLeastSquares

    c = ALS.Config(decay=1.0, limit=10_000)
    model = AlternatingLeastSquares(
        factors=c.factors, regularization=c.regularisation, alpha=c.alpha, iterations=c.iterations, random_state=0,
        num_threads=2,
    )  # fmt: skip
    model.fit(sparse.csr_matrix(user_items(data, binary=False)), show_progress=False)
    ours = ALS(c)
    ours.learned(model.item_factors, data)
    return ours, {"implicit_recalculated": (model, {"recalculate_user": True}), "implicit": (model, {})}


def item_knn(data: Dataset) -> tuple[ItemKNN, dict[str, tuple[Any, dict[str, Any]]]]:
    """Fit both on the same cosine."""
    from implicit.nearest_neighbours import ItemItemRecommender, normalize

    c = ItemKNN.Config(decay=1.0, limit=10_000)
    model = ItemItemRecommender(K=c.neighbours + 1, num_threads=2)
    likes = sparse.csr_matrix(user_items(data))
    model.fit(sparse.csr_matrix(normalize(likes.T).T), show_progress=False)
    return ItemKNN(c).fit(data, FitOptions()), {"implicit": (model, {})}


MODELS = {"als": als, "item-knn": item_knn}
