from __future__ import annotations

import numpy as np
import pytest
from engine_toys import CONFIG, LIGHTGBM

from recsys.config import EngineConfig, Variant
from recsys.data.splits import leave_one_out
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.fitting import Fitted, deps_for, fit_all, fit_generators, plan_for, training_slates
from recsys.funnel import Funnel
from recsys.protocols import FitOptions
from recsys.rank.lightgbm import POSITION, LightGBMRanker
from recsys.registry import Registry
from recsys.testing.worlds import small_shop
from recsys.types import Event, Item

POPULAR = EngineConfig.of({"candidates": {"popularity": {}}, "rank": {}, "variants": {"no-llm": {}}})


def shop_with_impressions() -> Dataset:
    """Three shoppers who bought a, saw a page, and bought from it, or something else."""
    pages = {"one": ("b", "c"), "two": ("c", "b", "c"), "three": ("d", "c")}
    events = []
    for user, page in pages.items():
        events.append(Event(user_id=user, item_id="a", kind="purchase", time=1))
        events += [
            Event(user_id=user, item_id=item, kind="impression", time=2 + at, position=at + 1)
            for at, item in enumerate(page)
        ]
        events.append(Event(user_id=user, item_id="b", kind="purchase", time=9))
    return Dataset.of([Item(item_id=i) for i in "abcd"], events)


def collected(data: Dataset):
    fold = leave_one_out(data.log).refit
    # Of the whole log: the parts fitted on the fold know item a alone, and that is hidden.
    generators, _ = fit_generators(POPULAR, Registry(), data, data.log, FitOptions())
    funnel = Funnel(plan_for(POPULAR, Fitted(generators, {}), Variant()))
    return training_slates(funnel, fold, len(data.items), hide_seen=True)


def test_training_slates_say_where_each_candidate_was_shown_last():
    requests, slates, labels = collected(shop_with_impressions())
    assert len(requests) == 3
    assert slates.items.tolist() == [1, 1, 1]
    assert labels.tolist() == [1, 1, 1]
    assert slates.columns[POSITION].tolist() == [1, 2, 0]
    assert all(r.allowed is None for r in requests)


def test_requests_without_a_hit_are_left_out():
    data = shop_with_impressions()
    events = [Event(user_id="four", item_id=i, time=t) for t, i in enumerate("cab")]
    extra = Dataset.of([data.items.item(r) for r in range(4)], events)
    requests, slates, labels = collected(extra)
    assert (len(requests), len(slates), labels.sum()) == (1, 1, 1)
    with pytest.raises(DataError, match="too few events to train a ranker"):
        collected(Dataset.of([Item(item_id="a")], [Event(user_id="u", item_id="a", time=t) for t in (1, 2)]))


def test_without_impressions_there_are_no_positions():
    events = [Event(user_id=u, item_id=i, time=t) for u in "xyz" for t, i in enumerate("abc")]
    _, slates, _ = collected(Dataset.of([Item(item_id=i) for i in "abc"], events))
    assert POSITION not in slates.columns


def test_the_ranker_never_learns_from_the_events_it_is_to_foresee():
    shop, registry, seen = small_shop(), Registry(), []

    class Watching(LightGBMRanker):
        def fit(self, requests, slates, labels, options):
            seen.append((requests, slates.columns["popularity_score"].copy(), slates.items, self.facts))
            return super().fit(requests, slates, labels, options)

    registry.register("rankers", "watching", Watching)
    values = CONFIG.plain()
    values["rank"] = {"watching": LIGHTGBM}
    values["variants"] = {"no-llm": {"rank": "watching"}}
    fold = leave_one_out(shop.log).refit
    fitted = fit_all(EngineConfig.of(values), registry, shop, fold, shop.log, FitOptions())
    ((requests, scores, items, facts),) = seen
    assert {r.user for r in requests} == {None}
    counts = np.bincount(fold.fit.liked().events.rows, minlength=len(shop.items))
    assert facts.popularity.tolist() == counts.tolist()  # counted without anybody's latest choice ...
    final = fitted.generators["popularity"].item_scores()
    assert (scores < final[items]).any()  # ... and so is what the generators said
    whole = np.bincount(shop.log.liked().events.rows, minlength=len(shop.items))
    assert fitted.rankers["watching"].facts.popularity.tolist() == whole.tolist()
    assert deps_for(shop, registry).popularity.tolist() == whole.tolist()
    assert set(fitted.fit_s) == {"watching", "transitions", "attributes", "popularity"}


def test_given_rankers_are_taken_as_they_are():
    shop, made = small_shop(), object()
    fitted = fit_all(CONFIG, Registry(), shop, None, shop.log, FitOptions(), given={"lightgbm": made})
    assert fitted.rankers["lightgbm"] is made
    assert "lightgbm" not in fitted.fit_s


def test_a_trainable_ranker_without_a_fold_is_left_out():
    shop = small_shop()
    fitted = fit_all(CONFIG, Registry(), shop, None, shop.log, FitOptions())
    assert set(fitted.rankers) == {"shuffle"}
    assert plan_for(CONFIG, fitted, CONFIG.variants["no-llm"]).ranker is None
