from __future__ import annotations

import numpy as np
import pytest

from recsys.config import EngineConfig
from recsys.data.shop import Shop, make_shop
from recsys.engine import Engine
from recsys.eval.explanations_acts import known_reviews
from recsys.eval.explanations_reviews import against_reviews, reviewed_acts
from recsys.explain.facts import FactBook
from recsys.explanation import Explanation

CONFIG = EngineConfig.of({"candidates": {"transitions": {}, "attributes": {}}, "rank": {}, "variants": {"no-llm": {}}})


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(0, 400)


def test_the_review_is_about_the_act_and_nothing_of_it_is_known(shop):
    acts, places = reviewed_acts(shop)
    assert len(acts) == len(places) > 200
    known = {r.review_id for r in known_reviews(shop, acts)}
    for user, row, time, place in zip(acts.users, acts.rows, acts.times, places, strict=True):
        review = shop.dataset.reviews[place]
        assert review.user_id == acts.log.users[user]
        assert review.item_id == shop.dataset.items.ids[row]
        assert review.time > time
        assert review.review_id not in known
        history = acts.log.history(int(user))
        assert (history.times <= time).all()
    others = {r.user_id for r in shop.dataset.reviews} - {acts.log.users[u] for u in acts.users}
    assert all(r.review_id in known for r in shop.dataset.reviews if r.user_id in others)


def brand_alone(funnel, log, reviews):
    """Name the brand where it is shared with the history, and say nothing else."""

    def explain(requests, listed, ranked, rescore):
        n = int(listed.items.max()) + 1
        items = make_shop(0, 400).dataset.items
        book = FactBook.of(items, funnel.plan.generators, {}, 1.0, np.zeros(n, np.int64))
        out = []
        for facts in book.collect(requests, listed):
            own = next((f for f in facts if f.kind == "attribute" and f.evidence[0].field == "brand"), None)
            text = f"Another one by {own.evidence[0].value}, with good durability." if own else ""
            out.append(Explanation(text=text, kind="template", evidence=own.evidence if own else ()))
        return out

    return explain


def test_agreement_and_variety_are_kept_apart(shop):
    engine = Engine(CONFIG).fit(shop.dataset)
    out = against_reviews(shop, engine, brand_alone, n=120)
    assert set(out) == {"variety", "agreement", "n"}
    assert set(out["variety"]) == {"usr", "usr_facts", "fcr", "div"}
    assert set(out["agreement"]) == {"bleu-1", "bleu-4", "rouge-1", "rouge-2", "rouge-l", "fmr"}
    assert out["n"]["reviews"] == 120
    assert 0 < out["n"]["texts"] < 120
    assert out["variety"]["usr"] < 1
    assert 0 < out["agreement"]["rouge-1"] < 50
