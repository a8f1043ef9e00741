"""Lists beside other lists: pages, items that rules bring in, similar items, and stages that fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engine_toys import CHEAP, CONFIG, NOW, SHOPPERS, fitted, ids

from recsys.candidates.transitions import Transitions
from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import DataError, StageError
from recsys.explain.template import Template
from recsys.explaining import checked
from recsys.explanation import Case, Evidence, Explanation
from recsys.registry import Registry
from recsys.rules import Page, Rules
from recsys.testing.worlds import DAY, small_shop
from recsys.types import Item, Request, Review

WORLD_IDS = small_shop().items.ids


@pytest.fixture(scope="module")
def engine() -> Engine:
    return fitted(CONFIG)


# -- pages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("explain", [False, True])
def test_the_second_list_of_a_page_is_as_long_as_the_first(engine, explain):
    page = Page()
    lists = [engine.recommend(SHOPPERS[0], 6, page=page, now=NOW, explain=explain) for _ in range(3)]
    assert [len(one) for one in lists] == [6, 6, 6]
    assert len({i for one in lists for i in ids(one)}) == 18 == len(page)
    assert "shown already (12 items)" in lists[2].trace.applied_rules
    whole = ids(engine.recommend(SHOPPERS[0], 6, now=NOW))
    assert ids(lists[0]) == whole


def test_a_page_may_be_longer_than_any_list_of_candidates(engine):
    every = engine.store.items().ids
    left = [i for i in ids(engine.recommend(None, 40, now=NOW)) if i][-3:]
    page = Page([i for i in every if i not in left])
    assert set(ids(engine.recommend(None, 3, page=page, now=NOW))) == set(left)


def test_a_page_may_repeat_where_rules_say_so(engine):
    page, again = Page(), Rules(exclude_shown=False)
    first = engine.recommend(SHOPPERS[0], 5, page=page, rules=again, now=NOW)
    assert ids(engine.recommend(SHOPPERS[0], 5, page=page, rules=again, now=NOW)) == ids(first)


# -- what rules bring in ---------------------------------------------------------------------------------------------


def narrow() -> Engine:
    """An engine that knows few candidates of each shopper, so that a rule may bring in what is none."""
    few = {"candidates": {"transitions": {"n": 5}}, "variants": {"few": {}}, "variant": "few", "rank": {}}
    return fitted(EngineConfig.of(few))


def test_what_a_rule_brings_in_has_a_public_reason_or_none():
    engine = narrow()
    engine.add_items([Item(item_id="NEW-1", title="Steel lamp", brand="Tarn", created=NOW - DAY)])
    users = SHOPPERS[:6]
    gone = {i for one in engine.recommend_batch(users, 5, now=NOW) for i in ids(one)}
    for user in users:
        gone |= set(engine.store.items().vocabulary.ids(engine.store.history(user).rows))
    pinned = next(r.item_id for r in engine.rank(None, WORLD_IDS, now=NOW) if r.item_id not in gone and r.stock != 0)
    asked = Rules.of({"pin": [{"item_id": pinned, "position": 2}], "explore": {"days": 30, "positions": [3]}})
    for one in engine.recommend_batch(users, 5, rules=asked, now=NOW, explain=True):
        assert not one.trace.degraded
        said = {r.item_id: r.explanation for r in one}
        assert {pinned, "NEW-1"} <= set(said)
        for brought in (pinned, "NEW-1"):
            assert {e.kind for e in said[brought].evidence} <= {"popularity", "novelty"}
        assert said["NEW-1"].text
        assert any(e.kind == "event" for i in said if i not in (pinned, "NEW-1") for e in said[i].evidence)
    alone = engine.recommend(users[0], 5, rules=asked, now=NOW, explain=True, strict=True)
    assert ids(alone)[1] == pinned
    found = engine.search(
        "steel", users[0], 5, now=NOW, explain=True,
        rules=Rules.of({"pin": [{"item_id": pinned, "position": 1, "query": "steel"}]}),
    )  # fmt: skip
    assert ids(found)[0] == pinned
    assert all(e.kind != "event" for e in found[0].explanation.evidence)


def test_a_list_of_one_keeps_its_reason():
    """One score has no range to fall through: nothing is measured there, and nothing is disproved."""
    engine = fitted(EngineConfig.of({**CHEAP, "explain": {"facts": {"max_attributes": 0}}}))
    told = 0
    for user in SHOPPERS[:40]:
        for row in engine.recommend(user, 5, now=NOW, explain=True):
            if (row.explanation.causal_drop or 0) > 0.1:
                where = f'item_id = "{row.item_id}"'
                only = engine.recommend(user, 5, where=where, now=NOW, explain=True)
                assert ids(only) == [row.item_id]
                assert any(e.kind == "event" for e in only[0].explanation.evidence)
                assert only[0].explanation.causal_drop is None
                told += 1
    assert told > 5


# -- similar items ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, -1])
def test_similar_items_are_at_least_one(engine, k):
    with pytest.raises(DataError, match="k must be at least 1"):
        engine.similar_items("SKU-001", k)


def test_rules_hold_for_similar_items(engine):
    plain = ids(engine.similar_items("SKU-001", 8, now=NOW))
    brands = {i: engine.store.items().brands[engine.store.items().vocabulary.row(i)] for i in plain}
    last = plain[-1]
    lifted = engine.similar_items("SKU-001", 8, rules=Rules.of({"boost": [{"item_ids": [last], "by": 50}]}), now=NOW)
    assert ids(lifted)[0] == last
    assert lifted.trace.applied_rules
    capped = engine.similar_items("SKU-001", 8, rules=Rules.of({"caps": [{"field": "brand", "at_most": 1}]}), now=NOW)
    shown = [engine.store.items().brands[engine.store.items().vocabulary.row(i)] for i in ids(capped)]
    assert len(set(shown)) == len(shown)
    assert len(set(brands.values())) < len(plain)
    page = Page(plain[:3])
    assert not set(plain[:3]) & set(ids(engine.similar_items("SKU-001", 4, page=page, now=NOW)))


def test_pins_of_the_settings_are_for_other_lists():
    ruled = EngineConfig.of({**CHEAP, "rules": {"pin": [{"item_id": "SKU-039", "position": 1}],
                                                "bury": [{"item_ids": ["SKU-002"], "by": 0}]}})  # fmt: skip
    engine, plain = fitted(ruled), fitted()
    assert ids(engine.recommend(None, 3, now=NOW))[0] == "SKU-039"
    assert ids(engine.similar_items("SKU-001", 3, now=NOW))[0] != "SKU-039"
    before, after = (ids(e.similar_items("SKU-001", 40, now=NOW)) for e in (plain, engine))
    assert after == [i for i in before if i != "SKU-002"] + ["SKU-002"]


# -- stages that fail ------------------------------------------------------------------------------------------------


class Broken(Transitions):
    """A generator that answers until it is told to fail."""

    fails: frozenset[str] = frozenset()

    def generate(self, requests, n):
        if "generate" in self.fails:
            raise RuntimeError("gone")
        return super().generate(requests, n)

    def score(self, requests, slates):
        if "score" in self.fails:
            raise RuntimeError("gone")
        return super().score(requests, slates)


class Shy:
    """An explainer plug-in that fails in one of three ways."""

    def __init__(self, how: str) -> None:
        self.how = how

    def explain(self, cases):
        if self.how == "raises":
            raise RuntimeError("gone")
        said = Template().explain(cases)
        return said[:-1] if self.how == "short" else ["a text" for _ in said]


@pytest.mark.parametrize("how", ["raises", "short", "texts"])
def test_where_an_explainer_fails_the_template_speaks(engine, how):
    wanted = engine.recommend(SHOPPERS[0], 5, now=NOW, explain=True)
    held = engine._reasons(engine._current())
    held.made["shy"] = Shy(how)
    try:
        result = engine.recommend(SHOPPERS[0], 5, now=NOW, explain="shy")
        assert [r.explanation for r in result] == [r.explanation for r in wanted]
        name = "RuntimeError" if how == "raises" else "ContractError"
        assert result.trace.degraded == (f"explain:shy:{name}",)
        searched = engine.search("lamp", SHOPPERS[0], 5, now=NOW, explain="shy")
        assert searched.trace.degraded == (f"explain:shy:{name}",)
        with pytest.raises(StageError, match="explain 'shy' failed"):
            engine.recommend(SHOPPERS[0], 5, now=NOW, explain="shy", strict=True)
    finally:
        del held.made["shy"]


def test_where_the_template_fails_the_list_stays(engine):
    wanted = engine.recommend(SHOPPERS[0], 5, now=NOW)
    held = engine._reasons(engine._current())
    kept = held.explainer("template")
    held.made["template"] = Shy("raises")
    try:
        result = engine.recommend(SHOPPERS[0], 5, now=NOW, explain=True)
        assert ids(result) == ids(wanted)
        assert {r.explanation.kind for r in result} == {"none"}
        assert result.trace.degraded == ("explain:template:RuntimeError",)
        with pytest.raises(StageError):
            engine.explain(SHOPPERS[0], ids(wanted), now=NOW, strict=True)
    finally:
        held.made["template"] = kept


@pytest.fixture(scope="module")
def fragile() -> Engine:
    registry = Registry()
    registry.register("candidates", "broken", Broken)
    config = {
        "candidates": {"popularity": {"n": 30}, "broken": {}}, "variants": {"all": {}}, "variant": "all", "rank": {},
        "search": {"also": ["broken"], "weights": {"text": 1.0, "broken": 0.3, "personal": 0.3}},
    }  # fmt: skip
    data = replace(small_shop(), reviews=(Review(user_id="u", item_id="SKU-001", text="Good."),))
    return Engine(EngineConfig.of(config), registry=registry).fit(data)


@pytest.mark.parametrize(
    ("fails", "degraded"),
    [
        ({"generate"}, {"candidates:broken:RuntimeError"}),
        ({"score"}, {"score:broken:RuntimeError"}),
        ({"generate", "score"}, {"candidates:broken:RuntimeError", "score:broken:RuntimeError"}),
    ],
)
def test_a_search_goes_on_without_a_finder_that_fails(fragile, fails, degraded):
    generator = fragile.fitted.generators["broken"]
    whole = fragile.search("lamp", SHOPPERS[0], 5, now=NOW)
    assert not whole.trace.degraded
    generator.fails = frozenset(fails)
    try:
        result = fragile.search("lamp", SHOPPERS[0], 5, now=NOW)
        assert len(result)
        assert set(result.trace.degraded) == degraded
        with pytest.raises(StageError):
            fragile.search("lamp", SHOPPERS[0], 5, now=NOW, strict=True)
    finally:
        generator.fails = frozenset()


def test_a_search_goes_on_without_the_personal_side():
    registry = Registry()
    registry.register("candidates", "broken", Broken)
    config = {
        "candidates": {"broken": {}}, "variants": {"all": {}}, "variant": "all", "rank": {},
        "search": {"weights": {"text": 1.0, "personal": 0.5}},
    }  # fmt: skip
    engine = Engine(EngineConfig.of(config), registry=registry).fit(small_shop())
    engine.fitted.generators["broken"].fails = frozenset({"score"})
    result = engine.search("lamp", SHOPPERS[0], 5, now=NOW, explain=True)
    assert len(result)
    assert "personal:broken:StageError" in result.trace.degraded
    assert ids(result) == ids(engine.search("lamp", None, 5, now=NOW))
    with pytest.raises(StageError):
        engine.search("lamp", SHOPPERS[0], 5, now=NOW, strict=True)


def test_events_are_no_reason_where_the_shopper_chose_the_order(engine):
    snapshot, row = engine._current(), 3
    request = Request(
        user=SHOPPERS[0], history=engine.store.history(SHOPPERS[0]), now=NOW, allowed=np.ones(len(WORLD_IDS), np.bool_)
    )  # fmt: skip
    listed = snapshot.funnels["no-llm"].run([request], row)

    def never(requests, slates):
        raise AssertionError("nothing is measured")

    facts = engine._reasons(snapshot).facts([request], listed, listed, never, personal=False)
    assert [len(one) > 0 for one in facts] == [True] * row
    assert {f.kind for one in facts for f in one} == {"attribute"}
    said = engine._reasons(snapshot).said([request], listed, listed, never, personal=False, strict=True).explanations
    assert all(one.text and one.causal_drop is None for one in said)
    assert not any(one.text.startswith(("Because", "Since", "We chose", "Here is")) for one in said)


def test_what_another_variant_is_does_not_speak_for_an_item():
    bought = Evidence(kind="event", item_id="lamp-red", title="Lamp", event_kind="purchase", time=1)
    red = Evidence(kind="attribute", item_id="lamp-red", title="Lamp", field="colour", value="crimson")
    said = Explanation(text="It is crimson.", kind="extract", evidence=(red, bought))
    own = replace(red, item_id="lamp-blue")
    for item_id, evidence, holds in (("lamp-blue", (red, bought), False), ("lamp-blue", (own, bought), True)):
        case = Case(item_id=item_id, title="Lamp")
        assert bool(checked(replace(said, evidence=evidence), case, NOW, Template()).text) is holds
