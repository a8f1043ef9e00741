"""What a list says of how it came about: every stage's place and score, and they add up."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from engine_toys import CHEAP, CONFIG, LIGHTGBM, NOW, SHOPPERS, ids
from test_engine_safety import SEARCHES

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import StageError
from recsys.protocols import Decomposable
from recsys.rank.identity import Identity
from recsys.rank.lightgbm import PRIOR
from recsys.registry import Registry
from recsys.result import Result
from recsys.rules import Rules
from recsys.testing.worlds import DAY, small_shop
from recsys.types import Item
from recsys.workings import TOP_FEATURES, Workings

SETTINGS = EngineConfig.of(
    {
        **CHEAP,
        "rank": {
            "lightgbm": LIGHTGBM, "search": {"use": "lightgbm", "later": 0.3, **LIGHTGBM}, "shuffle": {}, "mmr": {},
        },
        "rerank": {"shuffle": {"top": 6}, "broken": {"top": 6}},
        "variants": {
            **CHEAP["variants"], "no-llm": {"rank": "lightgbm"}, "varied": {"rank": "mmr"},
            "reranked": {"rank": "lightgbm", "rerank": "shuffle"}, "broken": {"rank": "lightgbm", "rerank": "broken"},
        },
        "variant": "no-llm",
        "search": {"rank": "search"},
    }
)  # fmt: skip


class Broken(Identity):
    """A reranker that fails."""

    def rank(self, requests, slates, n):
        raise RuntimeError("no")


@pytest.fixture(scope="module")
def engine() -> Engine:
    registry = Registry()
    registry.register("rerankers", "broken", Broken)
    return Engine(SETTINGS, registry=registry).fit(replace(small_shop(), searches=tuple(SEARCHES)))


def shown(result: Result) -> list[Workings]:
    assert all(r.workings is not None for r in result)
    return [r.workings for r in result]


def adds_up(result: Result) -> None:
    """A row came to its place from its place in the fused list, by the moves; features add up to the score."""
    for r in result:
        w = r.workings
        assert Workings.of(json.loads(json.dumps(w.to_dict(), allow_nan=False))) == w
        if w.fused is not None:
            assert w.fused.rank - sum(w.moves.values()) == r.rank
            assert {name for name, source in w.sources.items() if source.found} == set(r.sources)
        for source in w.sources.values():
            assert source.rank >= 1
            assert 0 <= source.share <= 1 + 1e-6
        if w.prerank is not None and w.prerank.features:
            assert len(w.prerank.features) <= TOP_FEATURES
            total = w.prerank.expected + w.prerank.rest + sum(f.contribution for f in w.prerank.features)
            assert total == pytest.approx(w.prerank.score, abs=1e-5)
            sizes = [abs(f.contribution) for f in w.prerank.features]
            assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("variant", [*SETTINGS.variants])
@pytest.mark.parametrize("user", [None, SHOPPERS[2]])
def test_every_variant_tells_how_items_came_to_their_place(engine, variant, user):
    plain = engine.recommend(user, 8, variant=variant, now=NOW)
    told = engine.recommend(user, 8, variant=variant, now=NOW, workings=True)
    assert ids(told) == ids(plain)
    assert [r.score for r in told] == [r.score for r in plain]
    assert all(r.workings is None for r in plain)
    adds_up(told)
    plan = engine._current().funnels[variant].plan
    for w in shown(told):
        assert w.fused is not None
        assert (w.prerank is not None) == bool(plan.ranker_name)
        assert bool(w.prerank and w.prerank.features) == (plan.ranker_name == "lightgbm")
        assert w.prerank is None or w.prerank.name == plan.ranker_name
        weights = {g: plan.fusion.weights.get(g, plan.fusion.default) for g in plan.generators}
        parts = sum(weights[g] * s.share for g, s in w.sources.items())
        assert w.fused.score == pytest.approx(parts, abs=1e-5)


def test_a_reranker_is_shown_as_far_as_it_read_and_not_where_it_failed(engine):
    told = shown(engine.recommend(SHOPPERS[2], 9, variant="reranked", now=NOW, workings=True))
    assert [w.rerank.rank for w in told[:6]] == [1, 2, 3, 4, 5, 6]
    assert {w.rerank.name for w in told[:6]} == {"shuffle"}
    assert [w.rerank for w in told[6:]] == [None] * 3
    assert any(w.moves["rerank"] for w in told[:6])
    assert not any(w.moves["rerank"] for w in told[6:])
    broken = engine.recommend(SHOPPERS[2], 9, variant="broken", now=NOW, workings=True)
    assert any(d.startswith("rerank:broken:") for d in broken.trace.degraded)
    assert all(w.rerank is None and "rerank" not in w.moves and w.prerank for w in shown(broken))


def test_nothing_is_computed_that_nobody_asked_for(engine, monkeypatch):
    ranker = engine.fitted.rankers["lightgbm"]
    assert isinstance(ranker, Decomposable)
    asked = []
    monkeypatch.setattr(type(ranker), "feature_contributions", lambda *given: asked.append(given))
    assert not engine.recommend(SHOPPERS[2], now=NOW).trace.degraded
    assert not engine.search("lamp", SHOPPERS[2], now=NOW).trace.degraded
    assert asked == []
    fresh = Engine(CONFIG).fit(small_shop())
    fresh.recommend(SHOPPERS[2], now=NOW)
    assert "booster" not in vars(fresh.fitted.rankers["lightgbm"]._native)


def test_a_ranker_that_cannot_say_what_its_scores_are_made_of_takes_no_list_down(engine, monkeypatch):
    plain = ids(engine.recommend(SHOPPERS[2], 5, now=NOW))

    def fails(*given):
        raise RuntimeError("no")

    monkeypatch.setattr(type(engine.fitted.rankers["lightgbm"]), "feature_contributions", fails)
    for ask in (engine.recommend, partial(engine.search, "lamp")):
        result = ask(user=SHOPPERS[2], k=5, now=NOW, workings=True)
        assert [d.split(":")[::2] for d in result.trace.degraded] == [["workings", "RuntimeError"]]
        assert all(w.prerank.rank >= 1 and not w.prerank.features for w in shown(result))
        with pytest.raises(StageError, match="no"):
            ask(user=SHOPPERS[2], k=5, now=NOW, workings=True, strict=True)
    assert ids(engine.recommend(SHOPPERS[2], 5, now=NOW, workings=True)) == plain


def test_workings_are_those_of_the_reasoned_list_too_and_of_a_batch(engine):
    users = [SHOPPERS[2], None, SHOPPERS[5]]
    batch = engine.recommend_batch(users, 6, now=NOW, workings=True, explain=True)
    for user, one in zip(users, batch, strict=True):
        alone = engine.recommend(user, 6, now=NOW, workings=True)
        assert ids(alone) == ids(one)
        assert all(r.explanation is not None for r in one)
        for a, b in zip(shown(alone), shown(one), strict=True):
            assert (a.sources.keys(), a.moves, a.prerank.rank) == (b.sources.keys(), b.moves, b.prerank.rank)
            assert [f.name for f in a.prerank.features][:3] == [f.name for f in b.prerank.features][:3]


def test_rules_are_named_on_the_items_that_they_are_about(engine):
    plain = ids(engine.recommend(SHOPPERS[2], 8, now=NOW))
    rules = Rules.of(
        {
            "pin": [{"item_id": "SKU-030", "position": 2}],
            "boost": [{"item_ids": [plain[5]], "by": 50.0, "name": "up"}],
            "bury": [{"item_ids": [plain[0]], "by": 0.3, "name": "down"}],
        }
    )
    result = engine.recommend(SHOPPERS[2], 8, now=NOW, rules=rules, workings=True)
    by_id = {r.item_id: r.workings for r in result}
    assert by_id["SKU-030"].rules == ("pin:SKU-030@2",)
    assert by_id[plain[5]].rules == ("boost:up",)
    assert by_id[plain[5]].moves["rules"] == 5
    assert by_id[plain[0]].rules == ("bury:down",)
    assert by_id[plain[0]].moves["rules"] < 0
    assert [w.rules for i, w in by_id.items() if i not in ("SKU-030", plain[5], plain[0])] == [()] * 5
    adds_up(result)
    said = {name.split(" ")[0] for name in result.trace.applied_rules}
    assert {name for w in shown(result) for name in w.rules} <= said


def test_new_items_and_variety_are_named(engine):
    fresh = Engine(CONFIG).fit(small_shop())
    fresh.add_items([Item(item_id="NEW", title="Brand new", stock=3, created=NOW - DAY)])
    new = fresh.recommend(
        SHOPPERS[2], 6, now=NOW, workings=True, rules=Rules.of({"explore": {"days": 5, "positions": [2]}})
    )
    way = next(r.workings for r in new if r.item_id == "NEW")
    assert way.rules == ("explore",)
    # Where a rule alone brought it in, no stage before has a word about it.
    assert (way.fused is None) == (not way.sources)
    varied = engine.recommend(SHOPPERS[2], 8, now=NOW, workings=True, rules=Rules.of({"diversity": 0.8}))
    assert {name for w in shown(varied) for name in w.rules} == {"diversity:0.8"}
    for w in shown(varied):
        assert bool(w.rules) or w.moves["rules"] >= 0
    adds_up(varied)


def test_searches_tell_their_workings(engine):
    result = engine.search("steel lamp", SHOPPERS[2], 8, now=NOW, workings=True)
    adds_up(result)
    for w in shown(result):
        assert "text" in w.sources
        assert w.prerank.name == "search"
        assert w.prerank.features
    assert [r.item_id for r in result] == ids(engine.search("steel lamp", SHOPPERS[2], 8, now=NOW))
    cheap = engine.search("lamp", SHOPPERS[2], 4, sort="price-asc", now=NOW, workings=True)
    assert all(w == Workings() for w in shown(cheap))
    beyond = engine.search("lamp under 0.01", SHOPPERS[2], 4, now=NOW, workings=True)
    assert beyond.items
    adds_up(beyond)


def test_what_was_chosen_before_moves_to_the_front(engine):
    last = SEARCHES[0]
    result = engine.search(last.text, last.user_id, 5, workings=True)
    assert result.refound == (result[0].item_id,)
    assert all("refound" in w.moves for w in shown(result))
    adds_up(result)


def test_given_items_tell_their_workings(engine):
    result = engine.rank(SHOPPERS[2], ["SKU-001", "SKU-017", "SKU-030"], now=NOW, workings=True)
    assert len(shown(result)) == 3
    assert not any(s.found for w in shown(result) for s in w.sources.values())
    adds_up(result)


def test_workings_are_part_of_the_plain_rows(engine):
    rows = engine.recommend(SHOPPERS[2], 2, now=NOW, workings=True).to_dicts()
    assert rows[0]["workings"]["fused"]["rank"] >= 1
    first = rows[0]["workings"]["prerank"]["features"][0]
    assert set(first) == {"name", "label", "value", "contribution"}
    assert first["label"] not in ("", first["name"])
    assert "workings" not in engine.recommend(SHOPPERS[2], 2, now=NOW).to_dicts()[0]


def test_the_prior_is_a_feature_like_the_others(engine):
    result = engine.recommend(SHOPPERS[2], 8, now=NOW, workings=True)
    prior = [f for w in shown(result) for f in w.prerank.features if f.name == PRIOR]
    weight = engine.fitted.rankers["lightgbm"].config.prior
    assert prior
    for feature in prior:
        assert feature.contribution == pytest.approx(weight * feature.value, abs=1e-6)
    assert np.isfinite([f.value for f in prior]).all()
