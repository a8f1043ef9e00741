"""The engine, the client and the client that is awaited pass the same tests: results are equal field by field."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from client_toys import WAYS, asked, bare
from engine_toys import CONFIG, NOW, fitted, ids

from recsys import Event, Exclusions, Filter, Item, Page, Rules, Search
from recsys.errors import ConfigError, DataError, NotFittedError, StageError, UnknownPlugin
from recsys.explanation import Explanation
from recsys.filters import And, Compare
from recsys.rank.shuffle import Shuffle
from recsys.testing.worlds import shopper_id

WHO, OTHER = shopper_id(3), shopper_id(7)
RULES = Rules.of(
    {"pin": [{"item_id": "SKU-020", "position": 2}], "boost": [{"if": {"eq": ["brand", "Tarn"]}, "by": 3}],
     "hide": [{"item_ids": ["SKU-001"], "until": "2030-01-01T00:00:00Z"}], "caps": [{"field": "brand", "at_most": 3}]}
)  # fmt: skip


@pytest.fixture(scope="module", params=WAYS)
def shop(request):
    with asked(request.param, fitted(CONFIG)) as world:
        yield world


ASKED = {
    "known": lambda s: s.recommend(WHO, 7, now=NOW),
    "stranger": lambda s: s.recommend("nobody-yet", now=NOW),
    "nobody": lambda s: s.recommend(now=NOW),
    "visitor": lambda s: s.recommend("guest:a_9", 3, now=NOW),
    "moment": lambda s: s.recommend(WHO, now=datetime.fromtimestamp(NOW - 40 * 86_400, UTC)),
    "filter": lambda s: s.recommend(WHO, where=Filter(max_price=60, brands=("Tarn", "Swiftline")), now=NOW),
    "filter, sold out too": lambda s: s.recommend(WHO, 40, where=Filter(in_stock=False), now=NOW),
    "filter, sold out and cheap": lambda s: s.recommend(WHO, 40, where=Filter(in_stock=False, max_price=40), now=NOW),
    "filter, nothing": lambda s: s.recommend(WHO, where=Filter(max_price=-1), now=NOW),
    "filter as text": lambda s: s.recommend(WHO, where='price <= 40 AND brand != "Tarn"', now=NOW),
    "filter as JSON text": lambda s: s.recommend(WHO, where='{"lte": ["price", 40]}', now=NOW),
    "filter as JSON": lambda s: s.recommend(WHO, where={"lte": ["price", 40]}, now=NOW),
    "filter as a tree": lambda s: s.recommend(
        WHO, where=And((Compare("lte", "price", 40.0), Compare("eq", "attributes.gift", True))), now=NOW
    ),
    "context": lambda s: s.recommend(WHO, context=("SKU-017", "SKU-018"), now=NOW),
    "exclusions": lambda s: s.recommend(WHO, 30, exclude=Exclusions(item_ids=("SKU-002",), event_kinds=()), now=NOW),
    "usual exclusions": lambda s: s.recommend(WHO, 30, exclude=Exclusions(), now=NOW),
    "rules": lambda s: s.recommend(WHO, 12, rules=RULES, now=NOW),
    "diverse": lambda s: s.recommend(WHO, 12, rules=Rules(diversity=0.4), now=NOW),
    "reasons": lambda s: s.recommend(WHO, 6, explain=True, now=NOW),
    "reasons by another": lambda s: s.recommend(WHO, 6, explain="extract", now=NOW),
    "reasons with rules": lambda s: s.recommend(OTHER, 6, explain=True, rules=RULES, now=NOW),
    "variant": lambda s: s.recommend(WHO, variant="popular", now=NOW),
    "workings": lambda s: s.recommend(WHO, 5, workings=True, rules=RULES, now=NOW),
    "all at once": lambda s: s.recommend(
        WHO, 5, where="price < 90", context=["SKU-017"], rules=RULES, explain=True, workings=True, strict=True, now=NOW
    ),
    "long budget": lambda s: s.recommend(WHO, budget_ms=30_000, now=NOW),
    "similar": lambda s: s.similar_items("SKU-017", 5, now=NOW),
    "similar, cheaper": lambda s: s.similar_items("SKU-017", 5, where="price < 60", rules=RULES, now=NOW, strict=True),
    "search": lambda s: s.search("runing shoe under 90", WHO, 4, facets=True, now=NOW),
    "search, sorted": lambda s: s.search("steel", k=6, sort="price-desc", fold=False, now=NOW),
    "search, with reasons": lambda s: s.search("shoe", WHO, 4, explain=True, workings=True, rules=RULES, now=NOW),
    "search, relaxed": lambda s: s.search("purple mesh running shoe", WHO, now=NOW, where=Filter()),
    "suggestions": lambda s: s.suggest("run"),
    "own suggestions": lambda s: s.suggest("", WHO, 5),
    "long suggestions": lambda s: s.suggest("running shoe " * 40, k=3),
    "next questions": lambda s: s.suggest_next("running shoe", WHO),
    "rank": lambda s: s.rank(WHO, ["SKU-001", "SKU-030", "SKU-017"], now=NOW),
    "rank, the best": lambda s: s.rank(WHO, ["SKU-001", "SKU-017"], 1, variant="like", workings=True, now=NOW),
    "reasons of given items": lambda s: s.explain(WHO, ["SKU-017", "SKU-001", "SKU-030"], now=NOW),
    "no reasons": lambda s: s.explain(WHO, []),
    "profile": lambda s: s.profile(WHO, NOW),
    "profile of a visitor": lambda s: s.profile("guest:a_9", NOW),
    "export": lambda s: s.export(WHO),
    "export of a stranger": lambda s: s.export("nobody/?&=#%.."),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked(shop, name):
    expected = bare(ASKED[name](shop.engine))
    assert bare(ASKED[name](shop.api)) == expected


def test_the_table_is_not_empty_handed(shop):
    """The answers that are compared have what could differ in them."""
    reasons = shop.api.recommend(WHO, 6, explain=True, now=NOW)
    assert {e.kind for row in reasons for e in row.explanation.evidence} >= {"event", "attribute"}
    assert reasons[0].price is not None
    assert reasons[0].title
    workings = ASKED["all at once"](shop.api)
    assert workings[0].workings.sources
    assert workings[0].workings.prerank.features
    assert workings.trace.applied_rules
    assert {s.stage for s in workings.trace.stages} >= {"candidates", "rules", "explain"}
    assert all(stage.plugin and stage.n_in is not None for stage in workings.trace.stages)
    found = ASKED["search"](shop.api)
    assert found.corrections
    assert found.facets
    assert found.price
    assert found.total
    assert ASKED["search, relaxed"](shop.api).relaxed
    lines = shop.api.profile(WHO, NOW).lines
    assert any(line.evidence for line in lines)
    assert any(line.item_ids for line in lines)
    assert {"SKU-005", "SKU-026"} <= {r.item_id for r in ASKED["filter, sold out too"](shop.api)}
    assert len(ASKED["filter, nothing"](shop.api)) == 0
    assert ASKED["suggestions"](shop.api)
    assert ASKED["export"](shop.api)


def test_many_at_once(shop):
    users = [WHO, None, OTHER, "guest:a_9"]
    lists = shop.api.recommend_batch(users, 4, now=NOW, where="price < 80", budget_ms=60_000)
    assert [ids(one) for one in lists] == [ids(shop.engine.recommend(u, 4, now=NOW, where="price < 80")) for u in users]
    assert shop.api.recommend_batch([]) == []


def test_a_page_is_shown_once(shop):
    pages, lists = [Page(["SKU-020"]), Page(["SKU-020"])], []
    for api, page in zip((shop.api, shop.engine), pages, strict=True):
        lists.append(
            [
                bare(api.recommend(WHO, 4, page=page, now=NOW)),
                bare(api.similar_items("SKU-017", 4, page=page, now=NOW)),
                bare(api.search("shoe", WHO, 3, page=page, now=NOW)),
                bare(api.recommend_batch([WHO], 4, page=page, now=NOW)),
            ]
        )
    assert lists[0] == lists[1]
    assert pages[0].item_ids == pages[1].item_ids
    assert len(pages[0].item_ids) > 8
    assert len(set(pages[0].item_ids)) == len(pages[0])


def test_a_rule_may_take_the_shops_own_away():
    config = CONFIG.model_copy(update={"rules": {"diversity": 0.9}})
    for way in WAYS:
        with asked(way, fitted(config)) as shop:
            plain, reset = shop.api.recommend(WHO, now=NOW), shop.api.recommend(WHO, rules=Rules(diversity=0), now=NOW)
            assert bare(reset) == bare(shop.engine.recommend(WHO, rules=Rules(diversity=0), now=NOW))
            assert ids(plain) != ids(reset)


WRONG = {
    "k": (lambda s: s.recommend(WHO, 0), DataError, "k"),
    "filter": (lambda s: s.recommend(WHO, where="price <= much"), DataError, "quotes"),
    "filter as JSON": (lambda s: s.recommend(WHO, where={"lte": ["prise", 3]}), DataError, "prise"),
    "bounds": (lambda s: s.recommend(WHO, where=Filter(min_price=9, max_price=3)), DataError, "min_price"),
    "variant": (lambda s: s.recommend(WHO, variant="no-such"), ConfigError, "fused"),
    "odd variant": (lambda s: s.recommend(WHO, variant="no such!"), ConfigError, "variant"),
    "budget": (lambda s: s.recommend(WHO, budget_ms=0), ConfigError, "budget_ms"),
    "naive moment": (lambda s: s.recommend(WHO, now=datetime(2026, 1, 1)), DataError, "now"),
    "context": (lambda s: s.recommend(WHO, context=["no-such"]), DataError, "no-such"),
    "explainer": (lambda s: s.recommend(WHO, explain="nobody"), UnknownPlugin, "nobody"),
    "page": (lambda s: s.recommend_batch([WHO, OTHER], page=Page()), ConfigError, "page"),
    "similar": (lambda s: s.similar_items("no-such"), DataError, "no-such"),
    "search": (lambda s: s.search("   "), DataError, "text"),
    "sort": (lambda s: s.search("shoe", sort="colour"), ConfigError, "sort"),
    "rank": (lambda s: s.rank(WHO, ["SKU-001", "no-such"]), DataError, "no-such"),
    "rank twice": (lambda s: s.rank(WHO, ["SKU-001", "SKU-001"]), DataError, "twice"),
    "explain": (lambda s: s.explain(WHO, ["no-such"]), DataError, "no-such"),
    "explain twice": (lambda s: s.explain(WHO, ["SKU-001", "SKU-001"]), DataError, "twice"),
    "line": (lambda s: s.forget(WHO, "brand:none"), DataError, "brand:none"),
    "words": (lambda s: s.edit_profile(WHO, "brand:none", ""), DataError, "text|line"),
    "reason": (lambda s: s.remove_reason(WHO, "no-such"), DataError, "no-such|events"),
    "empty reason": (lambda s: s.remove_reason(WHO, Explanation(text="just so")), DataError, "no event"),
    "not interested": (lambda s: s.not_interested(WHO, "no-such"), DataError, "no-such"),
    "withdraw": (lambda s: s.withdraw(["SKU-001", "no-such"]), DataError, "no-such"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong(shop, name):
    call, error, said = WRONG[name]
    for api in (shop.engine, shop.api):
        with pytest.raises(error, match=said):
            call(api)
    assert shop.engine.store.items().available[1], "nothing was withdrawn"


@pytest.mark.parametrize("way", WAYS)
def test_an_engine_that_knows_nothing_yet(way):
    from recsys import Engine

    with asked(way, Engine()) as shop, pytest.raises(NotFittedError):
        shop.api.recommend(WHO)


def test_a_stage_that_fails(shop, monkeypatch):
    def broken(self, requests, slates, n):
        raise RuntimeError("no")

    monkeypatch.setattr(Shuffle, "rank", broken)
    soft = shop.api.recommend(WHO, variant="mixed-up", now=NOW)
    assert bare(soft) == bare(shop.engine.recommend(WHO, variant="mixed-up", now=NOW))
    assert soft.trace.degraded
    with pytest.raises(StageError) as seen:
        shop.api.recommend(WHO, variant="mixed-up", strict=True, now=NOW)
    assert seen.value.stage
    assert seen.value.plugin == "shuffle"


# -- what is told ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=WAYS)
def told(request):
    """A shop to change, and an engine beside it to which the same is told."""
    with asked(request.param, fitted()) as world:
        yield world.api, fitted()


def both(told, act):
    """Do the same to both and return what came of it, once it is the same."""
    found, expected = bare(act(told[0])), bare(act(told[1]))
    assert found == expected
    return found


def bought(item_id, n=0, user="guest:walker", **more):
    return Event(user_id=user, item_id=item_id, kind="purchase", time=NOW + n, event_id=f"walk-{item_id}-{n}", **more)


def test_events_change_the_next_list(told):
    before = both(told, lambda s: s.recommend("guest:walker", now=NOW + 9))
    batch = [bought("SKU-017"), bought("SKU-018", 1, value=2.0, position=3), bought("SKU-017")]
    assert both(told, lambda s: s.add_events(batch)) == 2
    assert both(told, lambda s: s.add_events(batch)) == 0
    after = both(told, lambda s: s.recommend("guest:walker", now=NOW + 9, explain=True))
    assert ids(after) != ids(before)
    assert "SKU-017" not in ids(after)
    assert [one["item_id"] for one in both(told, lambda s: s.export("guest:walker"))] == ["SKU-017", "SKU-018"]
    assert both(told, lambda s: s.add_events([])) == 0


def test_one_wrong_event_keeps_all_out(told):
    for api in told:
        with pytest.raises(DataError, match=r"no-such|item_id"):
            api.add_events([bought("SKU-017"), bought("no-such")])
    assert both(told, lambda s: s.export("guest:walker")) == []


def test_events_without_ids_count_each(told):
    event = Event(user_id="walker", item_id="SKU-017", kind="view", time=NOW)
    assert both(told, lambda s: s.add_events([event, event])) == 2


def test_more_events_than_one_request_takes(told):
    many = [bought(f"SKU-{i % 30:03d}", i) for i in range(1_200)]
    assert both(told, lambda s: s.add_events(many)) == 1_200
    assert len(both(told, lambda s: s.export("guest:walker"))) == 1_200
    for api in told:
        with pytest.raises(DataError) as seen:
            api.add_events([*(bought("SKU-001", 10_000 + i) for i in range(1_000)), bought("no-such")])
    assert seen.value


def test_items_come_and_go(told):
    new = Item(
        item_id="N/1 ü", title="Zebra <b>striped</b> kettle", text="A kettle.", brand="Hearthly", price=19.99, stock=4,
        categories=("Home", "Kitchen"), parent_id="zebra", created=datetime(2026, 5, 1, tzinfo=UTC),
        attributes={"material": "steel", "weight_g": 120.5, "gift": True, "sizes": ("s", "m")},
    )  # fmt: skip
    both(told, lambda s: s.add_items([new]))
    found = both(told, lambda s: s.search("zebra striped kettle", k=3, now=NOW))
    assert found[0].item_id == new.item_id
    assert found[0].title == "Zebra striped kettle"
    assert (found[0].price, found[0].stock) == (19.99, 4)
    assert len(both(told, lambda s: s.similar_items(new.item_id, 3, now=NOW))) == 3
    both(told, lambda s: s.withdraw([new.item_id]))
    assert new.item_id not in ids(both(told, lambda s: s.search("zebra striped kettle", k=3, now=NOW)))
    both(told, lambda s: s.add_items([]))


def test_searches_are_kept(told):
    searches = [
        Search(user_id="guest:walker", text="running shoe", time=NOW, chosen=("SKU-017",), search_id="q1"),
        Search(user_id="guest:walker", text="running shoe", time=NOW, chosen=("SKU-017",), search_id="q1"),
        Search(user_id="walker", text="rain jacket", time=NOW),
    ]
    assert both(told, lambda s: s.add_searches(searches)) == 2
    assert both(told, lambda s: s.search("running shoe", "guest:walker", 4, now=NOW + 5)).refound == ("SKU-017",)
    assert "running shoe" in [s.text for s in both(told, lambda s: s.suggest("", "guest:walker"))]


def test_a_guest_turns_out_to_be_a_customer(told):
    both(told, lambda s: s.add_events([bought("SKU-017"), bought("SKU-018", 1, user="second account")]))
    assert both(told, lambda s: s.merge("guest:walker", WHO)) == 1
    assert both(told, lambda s: s.merge("second account", WHO)) == 1
    assert both(told, lambda s: s.merge(WHO, "guest:shared tablet")) > 2
    assert both(told, lambda s: s.export(WHO)) == []
    assert both(told, lambda s: s.recommend("guest:shared tablet", now=NOW + 9))


def test_somebody_is_forgotten(told):
    gone = both(told, lambda s: s.erase(WHO))
    assert gone > 0
    assert both(told, lambda s: s.erase(WHO)) == 0
    assert both(told, lambda s: s.export(WHO)) == []


def test_a_profile_is_corrected(told):
    lines = both(told, lambda s: s.profile(WHO, NOW)).lines
    first, second = lines[0].line_id, lines[1].line_id
    assert both(told, lambda s: s.edit_profile(WHO, first, "I cycle now", NOW)) is None
    edited = both(told, lambda s: s.profile(WHO, NOW)).line(first)
    assert (edited.text, edited.edited) == ("I cycle now", True)
    assert both(told, lambda s: s.restore_line(WHO, first)) is True
    assert both(told, lambda s: s.restore_line(WHO, first)) is False
    assert both(told, lambda s: s.forget(WHO, second, NOW))
    after = both(told, lambda s: s.profile(WHO, NOW))
    assert after.line(second) is None
    assert second in after.hidden
    both(told, lambda s: s.recommend(WHO, now=NOW + 1))


def test_a_reason_is_removed(told):
    listed = both(told, lambda s: s.recommend(WHO, 8, explain=True, now=NOW))
    reason = next(r.explanation for r in listed if any(e.kind == "event" for e in r.explanation.evidence))
    removed = both(told, lambda s: s.remove_reason(WHO, reason, NOW))
    assert set(removed) <= {e.item_id for e in reason.evidence}
    after = both(told, lambda s: s.recommend(WHO, 8, explain=True, now=NOW + 1))
    cited = {e.item_id for r in after for e in r.explanation.evidence if e.kind == "event"}
    assert not cited & set(removed)
    left = [r["item_id"] for r in both(told, lambda s: s.export(WHO)) if r["type"] == "event"]
    assert both(told, lambda s: s.remove_reason(WHO, next(i for i in left if i not in removed), NOW))


def test_not_interested(told):
    top = both(told, lambda s: s.recommend(WHO, now=NOW))[0].item_id
    assert both(told, lambda s: s.not_interested(WHO, top, NOW)) is None
    assert top not in ids(both(told, lambda s: s.recommend(WHO, 30, now=NOW + 1)))
