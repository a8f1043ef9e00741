from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recsys.config import EngineConfig
from recsys.data.shop import make_shop
from recsys.data.shop.causes import CAUSES
from recsys.demo import Demo
from recsys.engine import Engine
from recsys.errors import DataError
from recsys.eval.explanations import (
    FLOORS,
    Reasoned,
    by_cause,
    curve,
    figures,
    reason,
    simple,
    truth_of_explanations,
)
from recsys.eval.explanations_acts import last_acts, only, ranked_with, refitted
from recsys.explain.causal import EPSILON
from recsys.types import KIND_CODES

CONFIG = EngineConfig.of(
    {
        "candidates": {"transitions": {}, "attributes": {}, "popularity": {"n": 30}}, "rank": {},
        "fusion": {"weights": {"transitions": 2.0, "popularity": 0.02}}, "variants": {"fused": {}}, "variant": "fused",
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def demo() -> Demo:
    shop = make_shop(0, 2500)
    return Demo(shop, Engine(CONFIG).fit(shop.dataset), int(shop.dataset.log.events.times.max()) + 1, True)


@pytest.fixture(scope="module")
def found(demo) -> Reasoned:
    return reason(demo.shop, demo.engine)


def test_the_acts_are_cut_out_of_what_is_learned_from(demo):
    acts, log = last_acts(demo.shop), demo.shop.dataset.log
    assert len(acts) > 1000
    for user, row, time in zip(acts.users[:200], acts.rows, acts.times, strict=False):
        known = acts.log.history(user)
        assert len(known) > 0
        assert (known.times <= time).all()
        # The act is the first touch of this item, and nothing of it, nor of what followed, is left.
        touched = known.rows[known.kinds != KIND_CODES["impression"]]
        assert row not in touched
        whole = log.history(user)
        assert row in whole.rows[whole.times == time]
        gone = whole.take(slice(len(known), None))
        assert (gone.times >= time).all()


def test_a_recorded_reason_is_in_the_history(demo):
    acts = last_acts(demo.shop)
    caused = acts.caused_by("complement")
    assert (acts.reasons >= 0).tolist() == caused.tolist()
    for user, row in zip(acts.users[caused][:200], acts.reasons[caused], strict=False):
        known = acts.log.history(user)
        assert row in known.rows[known.kinds == KIND_CODES["purchase"]]


def test_the_explained_item_is_ranked_among_the_candidates(demo):
    acts = last_acts(demo.shop).take(np.arange(40))
    funnel = refitted(demo.engine, demo.shop, acts.log)
    requests = acts.requests(len(demo.shop.dataset.items), 200)
    ranked, slates = ranked_with(funnel, requests, acts.rows)
    assert slates.items.tolist() == acts.rows.tolist()
    assert (ranked.lengths >= 1).all()
    assert set(slates.columns) >= {"transitions_score", "attributes_score", "popularity_score", "found"}
    for i, slate in enumerate(ranked):
        assert len(set(slate.items.tolist())) == len(slate.items)
        assert acts.rows[i] in slate.items
    assert only(ranked, acts.rows).scores.tolist() == slates.scores.tolist()


def test_the_engines_own_fit_is_left_alone(demo):
    before = demo.engine.recommend("shopper-00001").to_dicts()
    reason(demo.shop, demo.engine, n=5)
    assert demo.engine.recommend("shopper-00001").to_dicts() == before


def test_true_reasons_are_found_far_oftener_than_without_thinking(found):
    out = figures(found)
    for name in ("last_item", "same_category"):
        assert out["true_reason_share"] > out[f"true_reason_share_{name}"] + 0.15
        assert out["gain_ci95"][name][0] > 0
    assert out["false_reason_share"] < 0.15
    assert out["reason_precision"] > 0.75
    assert out["n_with_reason"] > 100
    assert out["true_reason_share_ci95"][0] < out["true_reason_share"] < out["true_reason_share_ci95"][1]


def test_reported_shoppers_are_not_those_that_anything_was_chosen_on(demo, found):
    assert set(found.acts.users % 2) == {1}
    tuning = reason(demo.shop, demo.engine, reported=False, n=20, causal=False)
    assert set(tuning.acts.users % 2) == {0}
    assert np.bincount(tuning.acts.causes).tolist() == [20 * (name in ("complement", "none")) for name in CAUSES]


def test_a_higher_floor_gives_fewer_reasons_of_either_kind(found):
    points = curve(found)
    assert [p["floor"] for p in points] == list(FLOORS)
    for name in ("true_reason_share", "false_reason_share"):
        values = [p[name] for p in points]
        assert values == sorted(values, reverse=True)
    assert points[0]["false_reason_share"] > 2 * points[5]["false_reason_share"]


def test_by_cause(found):
    out = by_cause(found)
    assert set(out) == set(CAUSES[1:])
    assert sum(one["n"] for one in out.values()) == len(found.acts)
    assert out["complement"]["event_cited"] > 3 * out["none"]["event_cited"]


def test_figures_are_those_of_a_hand_count(found):
    cited = found.cited(0.5)
    right = wrong = given = 0
    for cause, reason_row, row in zip(found.acts.causes, found.acts.reasons, cited, strict=True):
        right += CAUSES[cause] == "complement" and row == reason_row
        wrong += CAUSES[cause] == "complement" and row >= 0 and row != reason_row
        given += CAUSES[cause] == "none" and row >= 0
    out = figures(found, 0.5)
    assert out["true_reason_share"] == pytest.approx(right / out["n_with_reason"], abs=1e-4)
    assert out["false_reason_share"] == pytest.approx(given / out["n_without_cause"], abs=1e-4)
    assert out["reason_precision"] == pytest.approx(right / (right + wrong + given), abs=1e-4)


def test_what_is_shown_is_counted_in_the_texts(demo, found):
    every = np.ones(len(found.acts), dtype=np.bool_)
    rows, cited = found.shown(0.5, every), found.cited(0.5)
    out = figures(found, 0.5)
    caused, causeless = (found.acts.caused_by(name) for name in ("complement", "none"))
    assert out["true_reason_share_shown"] == pytest.approx((rows == found.acts.reasons)[caused].mean(), abs=1e-4)
    assert out["false_reason_share_shown"] == pytest.approx((rows >= 0)[causeless].mean(), abs=1e-4)
    low, high = out["false_reason_share_shown_ci95"]
    assert low <= out["false_reason_share_shown"] <= high
    # A cited event is named, or its item is under another name; and what failed the test of cause is never named.
    assert ((rows >= 0)[cited >= 0]).mean() > 0.95
    ids = demo.shop.dataset.items.ids
    for i in np.flatnonzero(rows >= 0).tolist():
        events = [f for f in found.facts[i] if f.kind == "event" and f.strength >= 0.5]
        failed = {f.evidence[0].item_id for f in events if f.causal_drop is not None and f.causal_drop <= EPSILON}
        assert ids[rows[i]] not in failed


def test_reasons_are_found_as_the_engine_finds_them(demo):
    facts = {**CONFIG.explain.facts, "max_events": 1, "event_floor": 0.7}
    explain = CONFIG.explain.model_copy(update={"measured": 1, "facts": facts})
    engine = demo.engine
    kept, engine.config = engine.config, engine.config.model_copy(update={"explain": explain})
    try:
        found = reason(demo.shop, engine, n=30)
    finally:
        engine.config = kept
    assert found.floor == 0.7
    events = [[f for f in one if f.kind == "event"] for one in found.facts]
    assert max(map(len, events)) == 1
    assert any(f.causal_drop is not None for one in events for f in one)
    more = reason(demo.shop, demo.engine, n=30)
    events = [[f for f in one if f.kind == "event"] for one in more.facts]
    assert max(map(len, events)) > CONFIG.explain.measured == 2
    assert all(f.causal_drop is None for one in events for f in one[2:])


def test_simple_rules_cite_what_they_say(demo, found):
    rules, items = simple(found.requests, found.acts, demo.shop.dataset.items), demo.shop.dataset.items
    for i, request in enumerate(found.requests[:100]):
        rows = request.history.rows.tolist()
        assert rules["last_item"][i] == rows[-1]
        own = items.categories[found.acts.rows[i]]
        alike = [r for r in rows if items.categories[r] == own]
        assert rules["same_category"][i] == (alike[-1] if alike else rows[-1])
        assert rules["last_purchase"][i] in rows


def test_acts_of_one_kind_alone_decide_nothing(found):
    some = replace(found, acts=found.acts.take(found.acts.caused_by("trend")))
    with pytest.raises(DataError, match="too few acts"):
        figures(some)


def test_what_the_demo_prints(demo):
    out = truth_of_explanations(demo, n=60)
    assert set(out) == {
        "true_reason_share", "true_reason_share_last_item", "true_reason_share_same_category",
        "true_reason_share_last_purchase", "false_reason_share", "true_reason_share_shown",
        "false_reason_share_shown",
    }  # fmt: skip
    assert all(0 <= v <= 1 for v in out.values())
    assert truth_of_explanations(demo, n=60) == out
