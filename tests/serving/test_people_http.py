"""Shoppers over HTTP: consent, profiles, merging, export, erasure."""

from __future__ import annotations

import pytest
from service_toys import NOW, ids
from stored_toys import stored

from recsys.serving.shapes.base import guest
from recsys.testing.worlds import shopper_id
from recsys.types import now_seconds

WHO = shopper_id(3)


@pytest.fixture
def shop(tmp_path):
    with stored(tmp_path) as (one, _):
        yield one


def bought(who: str, *items: str, **more):
    return [
        {"type": "purchase", "user_id": who, "item_id": item, "timestamp": NOW + n, "event_id": f"{who}-{item}", **more}
        for n, item in enumerate(items)
    ]


def test_without_consent_nothing_is_stored_and_the_session_counts(shop, tmp_path):
    told = shop.tell("/v1/users/shy-person", {"consent": False}, method="PUT")
    assert told == {"user_id": "shy-person", "consent": False, "attributes": {}, "events": 0}
    assert shop.tell("/v1/events", {"events": bought("shy-person", "SKU-017")}, status=202)["accepted"] == 1
    assert "SKU-017" not in ids(shop.ask("/v1/recommend", {"user_id": "shy-person", "now": NOW + 9, "limit": 60}))
    shop.tenant.lists.flush()
    with shop.tenant.shelf.database.read() as connection:
        rows = connection.exec_driver_sql("select count(*) from events where user_id = 'shy-person'").scalar()
        lists = connection.exec_driver_sql("select count(*) from lists where user_id = 'shy-person'").scalar()
    assert (rows, lists) == (0, 0)
    problem = shop.tell("/v1/users/shy-person", {"attributes": {"a": 1}}, method="PATCH", status=422)
    assert "without consent" in problem["detail"]


def test_attributes_are_replaced_or_changed(shop):
    shop.tell("/v1/users/ann", {"attributes": {"language": "en", "size": 42}}, method="PUT")
    assert shop.tell("/v1/users/ann", {"attributes": {"size": None, "club": True}}, method="PATCH")["attributes"] == {
        "language": "en", "club": True,
    }  # fmt: skip
    assert shop.tell("/v1/users/ann", {"attributes": {"x": 1}}, method="PUT")["attributes"] == {"x": 1}


def test_a_visitor_becomes_a_customer(shop):
    events = [{"type": "view", "anonymous_id": "a-9", "item_id": "SKU-018", "timestamp": NOW}]
    shop.tell("/v1/events", {"events": events}, status=202)
    assert shop.tell("/v1/users/bob:merge", {"anonymous_id": "a-9"}) == {"user_id": "bob", "moved": 1}
    assert shop.tell("/v1/users/bob", method="GET")["events"] == 1
    assert len(shop.engine.store.history(guest("a-9"))) == 0


def test_what_is_known_can_be_carried_away(shop):
    shop.tell("/v1/events", {"events": bought("carol", "SKU-001", colour="red")}, status=202)
    shop.tell("/v1/events", {"events": [{"type": "search", "user_id": "carol", "query": "red shoes"}]}, status=202)
    shop.ask("/v1/recommend", {"user_id": "carol"})
    shop.tenant.lists.flush()
    records = shop.tell("/v1/users/carol/export", method="GET")["records"]
    assert {one["type"] for one in records} == {"event", "search", "list"}
    event = next(one for one in records if one["type"] == "event")
    assert event["item_id"] == "SKU-001"
    assert event["extra"] == {"colour": "red"}


def test_erasing_leaves_no_byte_of_the_shopper(shop, tmp_path):
    who = "erase-me-7f3a9c@mail.example"
    shop.tell("/v1/users/" + who, {"attributes": {"note": "vip"}}, method="PUT")
    events = [
        *bought(who, "SKU-001", "SKU-017"),
        {"type": "search", "user_id": who, "query": "shoes", "event_id": f"{who}-s"},
        {"type": "review", "user_id": who, "item_id": "SKU-001", "text": "good grip", "event_id": f"{who}-r"},
    ]
    assert shop.tell("/v1/events", {"events": events}, status=202)["accepted"] == 4
    lists = [shop.ask("/v1/recommend", {"user_id": who, "explain": "short"}) for _ in range(3)]
    shop.ask("/v1/search", {"query": "shoes", "user_id": who})
    shop.tell("/v1/feedback", {"user_id": who, "item_id": ids(lists[0])[0], "action": "not_interested"})
    shop.tenant.lists.flush()
    assert holders(tmp_path, who)
    proof = shop.tell("/v1/users/" + who, method="DELETE")
    assert proof["removed"]["events"] >= 3
    shop.tenant.lists.flush()
    assert holders(tmp_path, who) == []
    assert who not in str(proof)
    assert shop.tenant.lists.get(lists[0]["list_id"]) is None
    erased = shop.tenant.shelf.erasures.get(proof["proof_id"])
    assert erased.proves(who, proof["receipt"])
    assert not erased.proves("another", proof["receipt"])
    assert shop.tell("/v1/users/" + who, method="GET")["events"] == 0


def holders(folder, text):
    """Files that hold a text: database, write-ahead log, bundles."""
    return [str(p) for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def test_a_profile_is_read_corrected_and_forgotten(shop):
    path = f"/v1/users/{WHO}/profile"
    profile = shop.ask(path, method="GET")
    line = profile["lines"][0]
    assert line["evidence"]
    edits = {"edits": [{"line_id": line["line_id"], "text": "Runs at night"}]}
    assert shop.tell(path, edits, method="PUT")["lines"][0]["text"] == "Runs at night"
    forgotten = shop.tell(path, {"edits": [{"line_id": line["line_id"], "action": "forget"}]}, method="PUT")
    assert line["line_id"] not in {one["line_id"] for one in forgotten["lines"]}
    assert shop.tell(path, {"edits": [{"line_id": "x", "action": "edit"}]}, method="PUT", status=422)
    assert shop.tell(path, method="DELETE")["lines"] == []


def test_feedback_changes_the_next_list(shop):
    before = shop.ask("/v1/recommend", {"user_id": WHO, "explain": "short", "now": NOW})
    top = ids(before)[0]
    shop.tell("/v1/feedback", {"user_id": WHO, "item_id": top, "action": "not_interested", "now": NOW})
    after = shop.ask("/v1/recommend", {"user_id": WHO, "explain": "short", "now": NOW + 1})
    assert top not in ids(after)
    cited = next(e["item_id"] for row in after["items"] for e in row["explanation"]["evidence"] if e["kind"] == "event")
    body = {"user_id": WHO, "item_id": cited, "action": "remove_reason", "now": NOW + 1}
    assert shop.tell("/v1/feedback", body)["item_ids"] == [cited]
    last = shop.ask("/v1/recommend", {"user_id": WHO, "explain": "short", "now": NOW + 2})
    assert cited not in {e["item_id"] for row in last["items"] for e in row["explanation"]["evidence"]}
    mine = ids(last)[1]
    shop.tell("/v1/feedback", {"user_id": WHO, "item_id": mine, "action": "already_have", "now": NOW + 2})
    assert mine not in ids(shop.ask("/v1/recommend", {"user_id": WHO, "now": NOW + 3, "limit": 60}))


def test_lists_are_kept_for_a_while_and_then_dropped(tmp_path):
    with stored(tmp_path, keep_lists_days=1) as (shop, opener):
        old = shop.ask("/v1/recommend", {"user_id": WHO, "now": now_seconds() - 2 * 86_400})
        new = shop.ask("/v1/recommend", {"user_id": WHO})
        shop.tenant.lists.flush()
        opener.bring(shop.tenant)
        lists = shop.tenant.shelf.lists
        assert lists.get(old["list_id"]) is None
        assert lists.get(new["list_id"]) is not None
