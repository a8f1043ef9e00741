"""Lists over HTTP are those of the engine."""

from __future__ import annotations

import pytest
from service_toys import NOW, ids, serving

from recsys.testing.worlds import shopper_id
from recsys.types import Event

WHO = shopper_id(3)


@pytest.fixture(scope="module")
def shop():
    with serving() as one:
        yield one


def test_a_list_is_that_of_the_engine(shop):
    body = shop.ask("/v1/recommend", {"user_id": WHO, "limit": 7, "now": NOW, "return_fields": ["title", "price"]})
    result = shop.engine.recommend(WHO, 7, now=NOW)
    assert ids(body) == [row.item_id for row in result]
    assert [row["rank"] for row in body["items"]] == list(range(1, 8))
    assert [row["fields"]["title"] for row in body["items"]] == [row.title for row in result]
    assert [row["score"] for row in body["items"]] == pytest.approx([row.score for row in result])
    assert body["model"] == {"name": "fused", "version": ""}
    assert body["took_ms"]["total"] > 0
    assert body["degraded"] == body["missing_ids"] == []


def test_a_stranger_gets_what_is_popular(shop):
    body = shop.ask("/v1/recommend", {"anonymous_id": "nobody-yet", "now": NOW})
    assert ids(body) == [row.item_id for row in shop.engine.recommend(None, 10, now=NOW)]


def test_unknown_ids_of_the_context_are_named(shop):
    body = shop.ask("/v1/recommend", {"context": {"item_ids": ["SKU-001", "no-such"], "cart": ["nor-this"]}})
    assert body["missing_ids"] == ["no-such", "nor-this"]
    assert "SKU-001" not in ids(body)


def test_pages_do_not_repeat_and_stay_the_same(shop):
    first = shop.ask("/v1/recommend", {"user_id": WHO, "limit": 5, "now": NOW})
    path, shown, body = f"/v1/recommend/{first['list_id']}/next", ids(first), first
    for _ in range(3):
        body = shop.ask(path, {"cursor": body["next_cursor"]})
        assert body["list_id"] == first["list_id"]
        assert not set(shown) & set(ids(body))
        shown += ids(body)
    assert len(shown) == 20
    again = shop.ask(path, {"cursor": first["next_cursor"]})
    assert ids(again) == shown[5:10]
    assert ids(shop.ask(path, {"cursor": body["next_cursor"]})) == ids(shop.ask(path, {"cursor": body["next_cursor"]}))
    assert ids(shop.ask(path, {"cursor": again["next_cursor"]})) == shown[10:15]


def test_a_cursor_is_bound_to_its_list(shop):
    one, other = (shop.ask("/v1/recommend", {"user_id": WHO, "limit": 5}) for _ in range(2))
    path = f"/v1/recommend/{one['list_id']}/next"
    for wrong in (other["next_cursor"], one["attribution_token"], one["next_cursor"][:-2], "at_x"):
        assert shop.ask(path, {"cursor": wrong}, status=422)["type"].endswith("invalid")
    assert shop.ask(f"/v1/recommend/l_{'0' * 24}/next", {"cursor": one["next_cursor"]}, status=422)


def test_an_event_changes_the_next_list_at_once(shop):
    before = shop.ask("/v1/recommend", {"anonymous_id": "walker", "now": NOW})
    top = ids(before)[0]
    event = {"type": "purchase", "anonymous_id": "walker", "item_id": top, "timestamp": NOW, "event_id": "walk-1"}
    assert shop.tell("/v1/events", {"events": [event]}, status=202)["accepted"] == 1
    after = shop.ask("/v1/recommend", {"anonymous_id": "walker", "now": NOW + 1})
    assert top not in ids(after)
    assert ids(after) != ids(before)[1:] + ids(after)[-1:]


def test_filters_in_both_forms_and_the_rules_of_a_call(shop):
    text = shop.ask("/v1/recommend", {"user_id": WHO, "filter": "price <= 40", "return_fields": ["price"]})
    tree = shop.ask("/v1/recommend", {"user_id": WHO, "filter": {"lte": ["price", 40]}, "return_fields": ["price"]})
    assert ids(text) == ids(tree) != []
    assert all(row["fields"]["price"] <= 40 for row in text["items"])
    pinned = shop.ask(
        "/v1/recommend", {"user_id": WHO, "rules": {"pin": [{"item_id": "SKU-020", "position": 2}]}, "diversity": 0.3}
    )
    assert ids(pinned)[1] == "SKU-020"
    assert pinned["applied_rules"]
    hidden = shop.ask("/v1/recommend", {"user_id": WHO, "exclude_item_ids": ids(text)[:3]})
    assert not set(ids(hidden)) & set(ids(text)[:3])


def test_what_is_wrong_with_a_body_is_named_and_not_repeated(shop):
    for body, field in (
        ({"limit": 0}, "body.limit"), ({"filter": "price <= secret-word"}, "body.filter"), ({"lmit": 3}, "body.lmit"),
        ({"rules": {"pin": [{"item_id": "x", "position": 0}]}}, "body.rules.pin.0.position"),
        ({"user_id": "guest:x"}, "body.user_id"), ({"now": "2026-13-40"}, "body.now"),
    ):  # fmt: skip
        problem = shop.ask("/v1/recommend", body, status=422)
        assert problem["field"] == field, problem
    unknown = shop.ask("/v1/recommend", {"variant": "no-such"}, status=422)
    assert "fused, popular" in unknown["detail"]


def test_a_variant_by_one_word(shop):
    body = shop.ask("/v1/recommend", {"user_id": WHO, "variant": "popular", "now": NOW})
    assert body["model"]["name"] == "popular"
    assert ids(body) == [row.item_id for row in shop.engine.recommend(WHO, variant="popular", now=NOW)]


def test_search_says_what_it_found(shop):
    body = shop.ask("/v1/search", {"query": "runing shoe under 90", "user_id": WHO, "facets": True, "limit": 4})
    result = shop.engine.search("runing shoe under 90", WHO, 4, facets=True)
    assert ids(body) == [row.item_id for row in result]
    assert body["total"] == result.total
    assert body["corrections"] == dict(result.corrections)
    assert body["facets"] == result.facets
    assert body["price"] == "price <= 90"
    assert shop.ask("/v1/search", {"query": "   "}, status=422)["detail"].startswith("text must not be empty")


def test_suggestions(shop):
    body = shop.ask("/v1/suggest?q=run", method="GET")
    assert [s["text"] for s in body["suggestions"]] == [s.text for s in shop.engine.suggest("run")]
    assert shop.ask("/v1/suggest?q=running&after=true", method="GET")["suggestions"] is not None


def test_similar_items(shop):
    body = shop.ask("/v1/items/SKU-017/similar", {"limit": 5})
    assert ids(body) == [row.item_id for row in shop.engine.similar_items("SKU-017", 5)]
    assert shop.ask("/v1/items/none/similar", {}, status=404)["detail"] == "there is no such item"


def test_rank_orders_what_is_given_and_names_what_is_not_there(shop):
    given = ["SKU-001", "SKU-030", "gone", "SKU-017", "SKU-001"]
    body = shop.ask("/v1/rank", {"user_id": WHO, "item_ids": given, "now": NOW})
    assert body["missing_ids"] == ["gone"]
    expected = shop.engine.rank(WHO, ["SKU-001", "SKU-030", "SKU-017"], now=NOW)
    assert ids(body) == [row.item_id for row in expected]
    assert ids(shop.ask("/v1/rank", {"item_ids": ["gone"]})) == []


def test_reasons_come_with_the_list_and_later_by_its_token(shop):
    body = shop.ask("/v1/recommend", {"user_id": WHO, "explain": "short", "limit": 3})
    for row in body["items"]:
        assert row["explanation"]["kind"] == "template"
        assert row["explanation"]["evidence"]
    asked = {"attribution_token": body["attribution_token"], "item_ids": [*ids(body), "gone"]}
    later = shop.ask("/v1/explain", asked)
    assert later["missing_ids"] == ["gone"]
    assert [one["item_id"] for one in later["explanations"]] == ids(body)
    assert all(one["explanation"]["text"] for one in later["explanations"])
    assert shop.ask("/v1/explain", {**asked, "attribution_token": "at_forged"}, status=422)


def test_lists_are_kept_with_what_made_them(shop):
    body = shop.ask("/v1/recommend", {"user_id": WHO, "placement": "home", "limit": 4})
    kept = shop.tenant.lists.get(body["list_id"])
    assert kept.user == WHO
    assert kept.placement == "home"
    assert list(kept.shown) == ids(body)
    assert WHO not in body["attribution_token"]


def test_events_of_the_engine_show_over_http(shop):
    shop.engine.add_events([Event(user_id="direct", item_id="SKU-018", kind="purchase", time=NOW)])
    assert "SKU-018" not in ids(shop.ask("/v1/recommend", {"user_id": "direct", "now": NOW + 1, "limit": 50}))


def test_rerank_in_the_shape_of_others(shop):
    texts = ["a frying pan of iron", "running shoe for trails", {"text": "trail running shoe, waterproof"}]
    body = shop.ask("/v1/rerank", {"model": "bm25", "query": "waterproof running shoe", "documents": texts, "top_n": 2})
    assert [one["index"] for one in body["results"]] == [2, 1]
    scores = [one["relevance_score"] for one in body["results"]]
    assert scores[0] > scores[1] > 0
    assert "document" not in body["results"][0]
    whole = shop.ask("/v1/rerank", {"query": "pan", "documents": texts, "return_documents": True, "user_id": WHO})
    assert whole["results"][0]["document"] == {"text": texts[0]}
    assert len(whole["results"]) == 3
    assert "bm25" in shop.ask("/v1/rerank", {"model": "gpt", "query": "x", "documents": ["y"]}, status=422)["detail"]
