"""Searches through the engine: words, typos, shoppers, filters, new items, bundles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from engine_toys import CHEAP, NOW, SHOPPERS, fitted, ids, pairs

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import ConfigError, DataError, NotFittedError, UnknownPlugin
from recsys.explaining import Reasons
from recsys.rules import Boost, Page, Pin, Rules
from recsys.types import Event, Filter, Item, Search


@pytest.fixture(scope="module")
def engine() -> Engine:
    return fitted()


def word(engine: Engine) -> str:
    """A word of some title."""
    return engine.store.items().titles[0].split()[-1]


def test_what_is_found_holds_the_word(engine: Engine) -> None:
    asked = engine.store.items().titles[3]
    assert ids(engine.search(asked, k=3))[0] == engine.store.items().ids[3]


def test_filters_hold(engine: Engine) -> None:
    asked, shut = engine.store.items().titles[3], engine.store.items().ids[3]
    found = engine.search(asked, k=50, where=Filter(exclude_item_ids=(shut,)))
    assert shut not in ids(found)


def test_chosen_items_are_found_again(engine: Engine) -> None:
    user = SHOPPERS[0]
    item = engine.store.items().ids[int(engine.store.history(user).rows[-1])]
    assert item not in ids(engine.recommend(user, 50, now=NOW))
    title = engine.store.items().item(int(engine.store.items().vocabulary.rows([item])[0])).title
    assert item in ids(engine.search(title, user, 50, now=NOW))


def test_shoppers_differ_in_order_alone() -> None:
    personal = EngineConfig.of({**CHEAP, "search": {"weights": {"text": 0.2, "personal": 1.0}}})
    engine = fitted(personal)
    asked = word(engine)
    lists = [ids(engine.search(asked, user, 100, now=NOW)) for user in (None, *SHOPPERS[:8])]
    assert len({tuple(sorted(found)) for found in lists}) == 1
    assert len({tuple(found) for found in lists}) > 1


def test_a_new_item_is_found_at_once() -> None:
    engine = fitted()
    engine.add_items([Item(item_id="new-1", title="Zeppelin tent pegs", price=9.5, stock=3)])
    assert ids(engine.search("zeppelin", k=5))[0] == "new-1"


def test_a_bundle_searches_as_before(engine: Engine, tmp_path) -> None:
    engine.save(tmp_path / "bundle")
    again = Engine.load(tmp_path / "bundle", engine.store)
    for asked in (word(engine), engine.store.items().titles[5]):
        assert pairs(again.search(asked, SHOPPERS[1], 10, now=NOW)) == pairs(
            engine.search(asked, SHOPPERS[1], 10, now=NOW)
        )


def test_what_cannot_be_searched_is_said(engine: Engine) -> None:
    with pytest.raises(DataError, match="text must not be empty"):
        engine.search("  ")
    with pytest.raises(ConfigError, match="variant"):
        engine.search("rope", variant="no-such")
    without = fitted(EngineConfig.of({**CHEAP, "search": {"candidates": {}}}))
    with pytest.raises(NotFittedError, match="text index"):
        without.search("rope")


def test_settings_of_searches_are_checked() -> None:
    with pytest.raises(ConfigError, match="name it in also"):
        EngineConfig.of({**CHEAP, "search": {"candidates": {"attributes": {}}}})
    with pytest.raises(ConfigError, match=r"search.rank: unknown 'nobody'"):
        EngineConfig.of({**CHEAP, "search": {"rank": "nobody"}})
    plain = EngineConfig.of(CHEAP)
    assert plain.hash != EngineConfig.of({**CHEAP, "search": {"n": 7}}).hash
    assert plain.hash == EngineConfig.of({**CHEAP, "search": {}}).hash


SHIRTS = [
    Item(item_id=f"shirt-{size}", title=f"Zephyrine shirt {size}", brand="Zeph", categories=("Shirts",), price=price,
         stock=stock, parent_id="shirt")
    for size, price, stock in (("small", 20.0, 4), ("medium", 22.0, 2), ("large", 24.0, 0))
]  # fmt: skip


@pytest.fixture(scope="module")
def shirts() -> Engine:
    engine = fitted()
    engine.add_items([*SHIRTS, Item(item_id="scarf", title="Zephyrine scarf", price=9.0, stock=1)])
    return engine


def test_variants_are_folded_under_the_best(shirts: Engine) -> None:
    found = shirts.search("zephyrine shirt", k=5)
    assert ids(found)[0] in {"shirt-small", "shirt-medium"}
    assert len(found[0].variants) == 1  # the large one is sold out
    assert found.to_dicts()[0]["variants"] == list(found[0].variants)
    apart = shirts.search("zephyrine shirt", k=5, fold=False, where="stock >= 0")
    assert {"shirt-small", "shirt-medium", "shirt-large"} <= set(ids(apart))


def test_rules_see_the_variants_that_are_folded(shirts: Engine) -> None:
    usual = ids(shirts.search("zephyrine shirt", k=5))
    (other,) = {"shirt-small", "shirt-medium"} - set(usual)
    pinned = Rules(pin=[Pin(item_id=other, position=1, query="shirt")])
    boosted = Rules(boost=[Boost(item_ids=(other,), by=9)])
    for rules in (pinned, boosted):
        found = shirts.search("zephyrine shirt", k=5, rules=rules)
        assert sum(i.startswith("shirt") for i in ids(found)) == 1
        assert ids(found)[0] == other
        assert found[0].variants == tuple({"shirt-small", "shirt-medium"} - {other})
    page = Page([other])
    assert not any(i.startswith("shirt") for i in ids(shirts.search("zephyrine", k=5, page=page)))
    assert "scarf" in page.item_ids
    assert ids(shirts.search("zephyrine shirt", k=5, rules=pinned, fold=False))[:1] == [other]
    dear = shirts.search("zephyrine", k=5, sort="price-desc", rules=pinned)
    assert [i for i in ids(dear) if i.startswith("shirt")] == ["shirt-medium"]


def test_facets_count_what_matches(shirts: Engine) -> None:
    found = shirts.search("zephyrine", k=1, facets=True)
    assert found.total == 3
    assert found.facets["fields"]["categories"] == {"Shirts": 2}
    assert not shirts.search("zephyrine").facets


def test_sorted_answers_hold_every_word(shirts: Engine) -> None:
    assert ids(shirts.search("zephyrine", sort="price-asc", fold=False)) == ["scarf", "shirt-small", "shirt-medium"]
    assert ids(shirts.search("zephyrine", sort="price-desc"))[-1] == "scarf"
    assert set(ids(shirts.search("zephyrine", sort="popularity", fold=False))) == {
        "scarf",
        "shirt-small",
        "shirt-medium",
    }
    with pytest.raises(ConfigError, match="sort must be one of"):
        shirts.search("zephyrine", sort="cheapest")  # type: ignore[arg-type]


def test_typing_errors_are_corrected_and_said(shirts: Engine) -> None:
    found = shirts.search("zephirine scrf", k=1)
    assert ids(found) == ["scarf"]
    assert found.corrections.get("zephirine") == "zephyrine"


def test_what_had_to_be_given_up_is_said(shirts: Engine) -> None:
    found = shirts.search("zephyrine scarf qqqqq", k=1)
    assert ids(found) == ["scarf"]
    assert found.relaxed


def test_refinding_puts_the_earlier_choice_first(shirts: Engine) -> None:
    plain = ids(shirts.search("zephyrine", SHOPPERS[4], 3, now=NOW, fold=False))
    shirts.add_searches([Search(user_id=SHOPPERS[4], text="Zephyrine", time=NOW - 9, chosen=(plain[-1],))])
    again = shirts.search("zephyrine", SHOPPERS[4], 3, now=NOW, fold=False)
    assert ids(again) == [plain[-1], *plain[:-1]]
    assert again.refound == (plain[-1],)
    assert ids(shirts.search("zephyrine", SHOPPERS[5], 3, now=NOW, fold=False))[0] != plain[-1]
    shirts.erase(SHOPPERS[4])
    assert shirts.search("zephyrine", SHOPPERS[4], now=NOW).refound == ()


def refound(engine: Engine, user: str, **how: Any) -> tuple[str, ...]:
    return engine.search("zephyrine", user, 3, fold=False, **how).refound


def test_what_was_refused_or_forgotten_is_not_found_again() -> None:
    engine, user = fitted(), SHOPPERS[3]
    engine.add_items(SHIRTS)
    engine.add_searches([Search(user_id=user, text="zephyrine", time=NOW, chosen=("shirt-small", "shirt-medium"))])
    assert refound(engine, user) == ("shirt-small", "shirt-medium")
    for n, kind in enumerate(("not-interested", "return", "dislike", "forget", "rating")):
        at = NOW + 10 * n
        engine.add_events([Event(user_id=user, item_id="shirt-small", kind=kind, value=1.0, time=at + 1)])
        engine.add_events([Event(user_id=user, item_id="shirt-small", kind="impression", time=at + 2)])
        assert refound(engine, user) == ("shirt-medium",)
        assert refound(engine, user, now=at + 1) == ("shirt-small", "shirt-medium")
        engine.add_events([Event(user_id=user, item_id="shirt-small", kind="purchase", time=at + 3)])
        assert refound(engine, user) == ("shirt-small", "shirt-medium")


def test_a_search_of_the_past_knows_nothing_of_later() -> None:
    engine, user = fitted(), SHOPPERS[3]
    engine.add_items(SHIRTS)
    engine.add_searches([Search(user_id=user, text="zephyrine", time=NOW, chosen=("shirt-medium",))])
    assert refound(engine, user, now=NOW) == ()
    assert refound(engine, user, now=NOW + 1) == ("shirt-medium",)


def test_popularity_is_that_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = fitted()
    engine.add_items(SHIRTS)
    log, read = engine.store.log, []
    monkeypatch.setattr(engine.store, "log", lambda: [read.append(1), log()][1])

    def found(**how: Any) -> list[str]:
        return ids(engine.search("zephyrine", sort="popularity", fold=False, **how))

    for n, item in enumerate(("shirt-medium", "shirt-small", "shirt-small")):
        engine.add_events([Event(user_id=SHOPPERS[n], item_id=item, kind="purchase", time=NOW + 10 * n)])
    assert found() == ["shirt-small", "shirt-medium"]
    assert not read  # one list is not worth looking through all events
    assert found(now=NOW + 1) == ["shirt-medium", "shirt-small"]
    assert found(now=NOW + 100) == ["shirt-small", "shirt-medium"]


def test_popularity_without_its_generator_is_counted() -> None:
    engine = fitted(EngineConfig.of({"candidates": {"transitions": {}}, "rank": {}, "variants": {"no-llm": {}}}))
    engine.add_items(SHIRTS)
    engine.add_events([Event(user_id=SHOPPERS[0], item_id="shirt-medium", kind="purchase", time=NOW)])
    assert ids(engine.search("zephyrine", sort="popularity", fold=False))[0] == "shirt-medium"


def test_suggestions_find_something(shirts: Engine) -> None:
    offered = shirts.suggest("zeph")
    assert offered
    for one in [*offered, *shirts.suggest_next("shirt", SHOPPERS[1])]:
        assert len(shirts.search(one.text))


def test_sold_out_products_are_not_suggested_and_new_ones_are() -> None:
    engine = fitted()
    engine.add_items(SHIRTS)
    assert "shirts" in [one.text for one in engine.suggest("shir")]
    engine.add_items([replace(one, stock=0) for one in SHIRTS])
    assert engine.suggest("shir") == []
    engine.add_items([replace(SHIRTS[0], item_id="shirt-blue"), replace(SHIRTS[1], categories=("Shirting",))])
    assert {"shirts", "shirting"} & {one.text for one in engine.suggest("shir")} == {"shirts", "shirting"}


def test_what_the_merchant_hides_is_not_suggested() -> None:
    hidden = EngineConfig.of({**CHEAP, "rules": {"hide": [{"if": 'category = "Shirts"'}]}})
    for config, offered in ((EngineConfig.of(CHEAP), True), (hidden, False)):
        engine = fitted(config)
        engine.add_items(SHIRTS)
        assert any("shirt" in one.text for one in engine.suggest("shir")) is offered
        assert (engine.search("shirts").total > 0) is offered


def test_an_explainer_is_named_by_one_word(engine: Engine) -> None:
    user = SHOPPERS[0]
    for how, kinds in (
        (True, {"template", "none"}),
        ("template", {"template", "none"}),
        ("extract", {"extract", "none"}),
    ):
        said = [r.explanation for r in engine.recommend(user, 5, now=NOW, explain=how)]
        assert {one.kind for one in said if one is not None} <= kinds
        assert len(said) == 5
    assert engine.recommend(user, 5, now=NOW)[0].explanation is None
    with pytest.raises(UnknownPlugin, match="nobody"):
        engine.recommend(user, 5, now=NOW, explain="nobody")


def test_reasons_come_in_any_order_of_a_search(engine: Engine) -> None:
    asked = word(engine)
    for sort in ("relevance", "price-asc"):
        found = engine.search(asked, SHOPPERS[0], 5, now=NOW, sort=sort, explain=True)
        assert len(found)
        assert all(r.explanation is not None for r in found)
        assert any(e.kind == "query" for r in found for e in r.explanation.evidence)


def test_events_are_no_reason_for_a_place_by_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shopper did may be named there as what an item is like, never as why it stands where it does."""
    engine = fitted(EngineConfig.of({**CHEAP, "search": {"weights": {"text": 0.01, "personal": 1.0}}}))
    cases, seen = Reasons.cases, []

    def watched(self: Reasons, requests: Any, listed: Any, facts: Any) -> Any:
        seen.extend(fact for one in facts for fact in one)
        return cases(self, requests, listed, facts)

    monkeypatch.setattr(Reasons, "cases", watched)
    for sort, caused in (("relevance", True), ("price-asc", False)):
        seen.clear()
        for user in SHOPPERS[:20]:
            engine.search("steel kettle", user, 10, now=NOW, sort=sort, explain=True)
        assert {"query", "attribute"} <= {fact.kind for fact in seen}
        assert any(fact.kind == "event" for fact in seen) is caused
