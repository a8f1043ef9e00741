"""Bundles: swapped, run in the shadow, rolled back, made anew, while the service serves."""

from __future__ import annotations

import threading
import time

import pytest
from service_toys import NOW, ids
from stored_toys import POPULAR, bundle, stored

from recsys.testing.worlds import shopper_id

WHO = shopper_id(3)


@pytest.fixture
def served(tmp_path):
    with stored(tmp_path) as one:
        yield one


def test_a_bundle_is_activated_and_rolled_back(served, tmp_path):
    shop, opener = served
    first = shop.ask("/v1/recommend", {"user_id": WHO, "now": NOW})
    second = bundle(opener, tmp_path / "second", POPULAR)
    told = shop.rule("/v1/models/default:activate", {"version": second})
    assert told["active"] == second
    assert {one["version"]: one["role"] for one in told["bundles"]} == {
        second: "active", first["model"]["version"]: "previous",
    }  # fmt: skip
    body = shop.ask("/v1/recommend", {"user_id": WHO, "now": NOW})
    assert body["model"] == {"name": "popular", "version": second}
    assert ids(body) != ids(first)
    back = shop.rule("/v1/models/default:rollback")
    assert back["active"] == first["model"]["version"]
    assert ids(shop.ask("/v1/recommend", {"user_id": WHO, "now": NOW})) == ids(first)
    assert "nothing to go back to" in shop.rule("/v1/models/default:rollback", status=422)["detail"]


def test_a_bundle_that_cannot_serve_is_refused_before_anything_changes(served, tmp_path):
    shop, opener = served
    active = shop.rule("/v1/models", method="GET")["active"]
    assert shop.rule("/v1/models/default:activate", {"version": "0" * 16}, status=404)
    bad = bundle(opener, tmp_path / "bad", POPULAR)
    file = next((tmp_path / "bundles" / "default" / bad).glob("versions/*/items.jsonl"))
    file.write_text(file.read_text().replace("SKU-001", "SKU-00X"))
    problem = shop.rule("/v1/models/default:activate", {"version": bad}, status=422)
    assert problem["field"] == "body.version"
    assert shop.rule("/v1/models", method="GET")["active"] == active
    assert ids(shop.ask("/v1/recommend", {"user_id": WHO}))


def test_no_request_is_lost_or_mixed_while_bundles_are_swapped(served, tmp_path):
    shop, opener = served
    first = shop.rule("/v1/models", method="GET")["active"]
    second = bundle(opener, tmp_path / "second", POPULAR)
    expected = {first: ids(shop.ask("/v1/recommend", {"user_id": WHO, "now": NOW}))}
    shop.rule("/v1/models/default:activate", {"version": second})
    expected[second] = ids(shop.ask("/v1/recommend", {"user_id": WHO, "now": NOW}))
    seen, wrong, stop = set(), [], threading.Event()

    def ask():
        while not stop.is_set():
            body = shop.ask("/v1/recommend", {"user_id": WHO, "now": NOW})
            seen.add(body["model"]["version"])
            if ids(body) != expected[body["model"]["version"]]:
                wrong.append(body)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in (first, second, first):
        shop.rule("/v1/models/default:activate", {"version": version})
        time.sleep(0.1)
    shop.rule("/v1/models/default:rollback")
    stop.set()
    for thread in threads:
        thread.join(10)
    assert not wrong
    assert seen == {first, second}


def test_a_shadow_is_compared_and_never_shown(served, tmp_path):
    shop, opener = served
    first = shop.rule("/v1/models", method="GET")["active"]
    second = bundle(opener, tmp_path / "second", POPULAR)
    assert shop.rule("/v1/models/default:shadow", {"version": second})["shadow"]["compared"] == 0
    for user in range(8):
        body = shop.ask("/v1/recommend", {"user_id": shopper_id(user), "now": NOW})
        assert body["model"]["version"] == first
    assert shop.tenant.generation.shadow.wait()
    figures = shop.rule("/v1/models", method="GET")["shadow"]
    assert figures["compared"] == 8
    assert figures["failed"] == 0
    assert 0 <= figures["overlap_at_10"] < 1
    assert shop.rule("/v1/models/default:shadow", {})["shadow"] is None


def test_learning_anew_serves_what_came_since(served):
    shop, _ = served
    before = shop.rule("/v1/models", method="GET")["active"]
    new = {"title": "Trail running shoe of the new season", "brand": "Acme", "categories": ["Running"], "price": 70.0}
    shop.tell("/v1/items/NEW-1", new, method="PUT")
    assert "NEW-1" in ids(shop.ask("/v1/search", {"query": "running shoe of the new season"}))
    events = [{"type": "purchase", "user_id": f"new-{i}", "item_id": "NEW-1", "timestamp": NOW + i} for i in range(30)]
    assert shop.tell("/v1/events", {"events": events}, status=202)["accepted"] == 30
    job = shop.rule("/v1/models/default:refit", {}, status=202)
    end = time.monotonic() + 120
    while job["state"] == "running" and time.monotonic() < end:
        time.sleep(0.2)
        job = shop.rule("/v1/models", method="GET")["jobs"][0]
    assert job["state"] == "done", job
    assert job["progress"]
    assert job["version"] != before
    shop.rule("/v1/models/default:shadow", {})  # brings this process to what the fit has activated
    body = shop.ask("/v1/recommend", {"now": NOW + 60, "variant": "popular"})
    assert body["model"]["version"] == job["version"]
    assert ids(body)[0] == "NEW-1"


def test_a_shop_without_a_bundle_takes_items_and_events(tmp_path):
    with stored(tmp_path, active=False) as (shop, _):
        shop.tell("/v1/items/A", {"title": "A thing"}, method="PUT")
        told = shop.tell("/v1/events", {"events": [{"type": "view", "user_id": "u", "item_id": "A"}]}, status=202)
        assert told["accepted"] == 1
        problem = shop.ask("/v1/recommend", {"user_id": "u"}, status=503)
        assert problem["type"].endswith("not-fitted")
        assert shop.rule("/v1/models", method="GET")["active"] is None
