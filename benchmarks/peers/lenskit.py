"""LensKit: item-kNN through a pipeline, its training and its batch runner."""

from __future__ import annotations

import numpy as np
import pandas as pd
from lenskit.basic import TrainingItemsCandidateSelector
from lenskit.batch import recommend
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.knn import ItemKNNScorer
from lenskit.pipeline import RecPipelineBuilder

from benchmarks.peers.handover import Fit, Given, Lists, Log, Rows, Values, main


def fits(given: Given) -> dict[str, Fit]:
    """Return the models."""
    pairs = np.unique(np.stack([given.fitted.users, given.fitted.items]), axis=1)
    data = from_interactions_df(pd.DataFrame({"user_id": pairs[0], "item_id": pairs[1]}))

    def item_knn(values: Values) -> Lists:
        builder = RecPipelineBuilder()
        builder.scorer(ItemKNNScorer(feedback="implicit", **values))
        builder.candidate_selector(TrainingItemsCandidateSelector(exclude="query" if given.hide else None))
        builder.ranker(n=given.n)
        pipeline = builder.build()
        pipeline.train(data)

        def made(log: Log, users: Rows) -> Rows:
            # Its scorer fails on items that it was not trained on; who has no others gets no list.
            known = np.isin(log.items, pairs[1])
            owners, items = log.users[known], log.items[known]
            ends = np.searchsorted(owners, np.arange(given.n_users + 1))
            histories = {int(user): np.unique(items[ends[user] : ends[user + 1]]) for user in users}
            asked = [
                RecQuery(user_id=user, history_items=ItemList(item_ids=rows))
                for user, rows in histories.items()
                if len(rows)
            ]
            place = {int(user): i for i, user in enumerate(users)}
            out = np.full((len(users), given.n), -1, dtype=np.int32)
            for key, listed in recommend(pipeline, asked).items():
                # Items that no neighbour speaks for have no score.
                rows = listed.ids()[~np.isnan(listed.scores())]
                out[place[int(key.user_id)], : len(rows)] = rows
            return out

        return made

    return {"item-knn": item_knn}


if __name__ == "__main__":
    main("lenskit", ("lenskit", "torch", "numpy", "scipy", "pandas"), fits)
