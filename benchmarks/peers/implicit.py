"""implicit: ALS, BPR and item-kNN through ``fit`` and ``recommend``."""

from __future__ import annotations

from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.peers.handover import Fit, Given, Lists, Log, Rows, Values, in_chunks, main

KNN = {"cosine": CosineRecommender, "tfidf": TFIDFRecommender, "bm25": BM25Recommender}


def fits(given: Given) -> dict[str, Fit]:
    """Return the models; a history that was not fitted is folded in where the library can."""
    matrix = user_items(given, given.fitted)

    def als(values: Values) -> Lists:
        return lists(AlternatingLeastSquares(random_state=given.seed, **values), recalculate_user=True)

    def bpr(values: Values) -> Lists:
        # The library folds no history into BPR: its shoppers are those that were fitted.
        return lists(BayesianPersonalizedRanking(random_state=given.seed, **values))

    def item_knn(values: Values) -> Lists:
        options = dict(values)
        return lists(KNN[options.pop("weighting", "cosine")](**options))

    def lists(model: Any, **options: Any) -> Lists:
        # Its own advice: BLAS threads besides its own make it slower.
        with threadpool_limits(1, "blas"):
            model.fit(matrix, show_progress=False)

        def made(log: Log, users: Rows) -> Rows:
            histories = user_items(given, log)

            def part(chosen: Rows) -> Rows:
                found, _ = model.recommend(
                    chosen, histories[chosen], N=given.n, filter_already_liked_items=given.hide, **options
                )
                return np.asarray(found, dtype=np.int32)

            with threadpool_limits(1, "blas"):
                return in_chunks(users, given.n, part)

        return made

    return {"als": als, "bpr": bpr, "item-knn": item_knn}


def user_items(given: Given, log: Log) -> csr_matrix:
    """Return (n_users, n_items) float32 weights; those of repeats add up."""
    shape = (given.n_users, given.n_items)
    return csr_matrix((log.weights.astype(np.float32), (log.users, log.items)), shape=shape)


if __name__ == "__main__":
    main("implicit", ("implicit", "numpy", "scipy"), fits)
