"""What a client needs to have the engine's results whole, and what a batch does that is all or nothing."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import quote

import pytest
from service_toys import NOW, ids, serving

from recsys.testing.worlds import shopper_id

WHO = shopper_id(3)


@pytest.fixture(scope="module")
def shop():
    with serving() as one:
        yield one


def test_the_next_page_keeps_filter_rules_and_exclusions(shop):
    asked = {
        "user_id": WHO, "limit": 4, "now": NOW, "filter": "price <= 60", "diversity": 0,
        "rules": {"hide": [{"if": {"eq": ["brand", "Tarn"]}}]}, "exclude": {"event_kinds": [], "item_ids": ["SKU-002"]},
    }  # fmt: skip
    first = shop.ask("/v1/recommend", asked)
    second = shop.ask(f"/v1/recommend/{first['list_id']}/next", {"cursor": first["next_cursor"], "limit": 30})
    shown = ids(first) + ids(second)
    items = {item.item_id: item for item in map(shop.engine.store.items().item, range(40))}
    assert len(shown) == len(set(shown)) > 8
    assert all(items[i].price <= 60 and items[i].brand != "Tarn" for i in shown)
    assert "SKU-002" not in shown
    shop.ask("/v1/recommend", {**asked, "exclude_events": ["purchase"]}, status=422)


def test_what_a_page_shows_is_not_repeated(shop):
    for path, body in (("/v1/recommend", {"user_id": WHO}), ("/v1/search", {"query": "shoe"}),
                       ("/v1/items/SKU-017/similar", {})):  # fmt: skip
        first = shop.ask(path, {**body, "limit": 2, "now": NOW})
        more = shop.ask(path, {**body, "limit": 2, "now": NOW, "shown_item_ids": ids(first)})
        assert not set(ids(first)) & set(ids(more))


def test_a_trace_only_for_who_asks(shop):
    asked = {"user_id": WHO, "explain": "short", "explainer": "extract", "now": NOW}
    plain, traced = (shop.ask("/v1/recommend", {**asked, **more}) for more in ({}, {"trace": True}))
    result = shop.engine.recommend(WHO, explain="extract", now=NOW)
    assert plain["trace"] is None
    assert all(row["explanation"]["removed"] is None for row in plain["items"])
    assert [row["explanation"]["text"] for row in traced["items"]] == [row.explanation.text for row in result]
    assert all(row["explanation"]["removed"] == [] for row in traced["items"])
    stages = [asdict(stage) | {"took_ms": 0} for stage in result.trace.stages]
    assert [stage | {"took_ms": 0} for stage in traced["trace"]["stages"]] == stages
    assert traced["trace"]["counts"] == dict(result.trace.counts)


def test_a_batch_may_be_all_or_none(shop):
    event = {"type": "view", "anonymous_id": "wary", "item_id": "SKU-001", "event_id": "w1"}
    batch = {"events": [event, {**event, "event_id": "w2", "item_id": "no-such"}], "all_or_none": True}
    said = shop.tell("/v1/events", batch, status=422)
    assert said["field"] == "body.events.1.item_id"
    assert len(shop.engine.store.history("guest:wary")) == 0
    assert shop.tell("/v1/events", {**batch, "all_or_none": False}, status=202)["accepted"] == 1
    items = {"items": [{"item_id": "all-1", "title": "One"}, {"item_id": "all-2", "price": -1}], "all_or_none": True}
    assert shop.tell("/v1/items:batch", items, status=422)["field"] == "body.items.1.price"
    assert "all-1" not in shop.engine.store.items().vocabulary
    assert shop.tell("/v1/items:batch", {**items, "all_or_none": False})["accepted"] == 1
    assert "all-1" in shop.engine.store.items().vocabulary


def test_items_are_withdrawn_together(shop):
    gone = ["SKU-030", "SKU-031"]
    said = shop.tell("/v1/items:withdraw", {"item_ids": [*gone, "no-such"]}, status=422)
    assert "no-such" in said["detail"]
    assert shop.tell("/v1/items:withdraw", {"item_ids": gone}) == {"withdrawn": 2}
    assert not set(gone) & set(ids(shop.ask("/v1/recommend", {"limit": 40})))


def test_changes_of_a_profile_say_what_they_did(shop):
    path = f"/v1/users/{WHO}/profile"
    line = shop.ask(path, method="GET")["lines"][0]
    assert line["item_ids"]
    edits = [{"line_id": line["line_id"], "action": "forget"}, {"line_id": "brand:none", "action": "restore"}]
    said = shop.tell(path, {"edits": edits}, method="PUT")["edits"]
    assert [one["changed"] for one in said] == [True, False]
    assert set(said[0]["item_ids"]) <= set(line["item_ids"])


def test_accounts_of_one_customer_are_merged(shop):
    event = {"type": "view", "user_id": "second", "item_id": "SKU-001", "event_id": "m1"}
    shop.tell("/v1/events", {"events": [event]}, status=202)
    assert shop.tell("/v1/users/first:merge", {"user_id": "second"})["moved"] == 1
    assert shop.tell("/v1/users/first:merge", {}, status=422)


def test_a_setting_that_is_not_there_is_another_problem_than_a_wrong_value(shop):
    kinds = [
        shop.ask("/v1/recommend", body, status=422)["type"].rpartition(":")[2]
        for body in ({"variant": "no-such"}, {"explain": "short", "explainer": "no-such"}, {"limit": 0})
    ]
    assert kinds == ["invalid-setting", "unknown-plugin", "invalid"]


@pytest.mark.parametrize("odd", ["AB/12", "a/b/export", "..", "a b?c#d", "/", "ü/1:merge"])
def test_an_id_of_any_signs_is_one_part_of_a_path(shop, odd):
    part = quote(odd, safe="").replace(".", "%2E")
    shop.tell(f"/v1/items/{part}", {"title": "Odd"}, method="PUT")
    assert shop.ask(f"/v1/items/{part}", method="GET")["item_id"] == odd
    assert shop.ask(f"/v1/items/{part}/similar", {})["list_id"]
    shop.tell("/v1/events", {"events": [{"type": "view", "user_id": odd, "item_id": "SKU-001"}]}, status=202)
    assert [r["type"] for r in shop.tell(f"/v1/users/{part}/export", method="GET")["records"]] == ["event"]
    assert shop.tell(f"/v1/users/{part}", method="DELETE")["removed"] == {"event": 1}


def test_no_id_holds_a_control_character(shop):
    shop.tell("/v1/items/a%1Fb%00", {"title": "Odd"}, method="PUT", status=422)
    body = {"items": [{"item_id": "a\x1fb"}], "all_or_none": True}
    assert shop.tell("/v1/items:batch", body, status=422)["field"] == "body.items.0.item_id"
