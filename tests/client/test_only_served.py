"""What only a service has: pages, keys, what became of each event, texts in order, connections."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from client_toys import URL, WAYS, Inside, asked, served
from engine_toys import CONFIG, NOW, fitted, ids

from recsys import Client, Event, Exclusions, Page, Rules
from recsys.client import AsyncClient, EventResult
from recsys.errors import ConfigError, DataError, ServiceError
from recsys.testing.worlds import shopper_id

WHO = shopper_id(3)


@pytest.fixture(scope="module", params=WAYS[1:])
def shop(request):
    with asked(request.param, fitted(CONFIG)) as world:
        yield world


def test_pages_go_on_where_the_list_ends(shop):
    options = {
        "where": {"lte": ["price", 90]}, "rules": Rules.of({"boost": [{"if": {"eq": ["brand", "Tarn"]}, "by": 3}]}),
        "exclude": Exclusions(item_ids=("SKU-002",)), "now": NOW, "explain": True, "variant": "fused",
    }  # fmt: skip
    first = shop.api.recommend(WHO, 5, **options)
    pages = [first, shop.api.next(first)]
    pages += [shop.api.next(pages[1], 3)]
    shown = [item_id for page in pages for item_id in ids(page)]
    assert [len(page) for page in pages] == [5, 5, 3]
    assert len(set(shown)) == len(shown)
    page = Page(ids(first))
    second = shop.engine.recommend(WHO, 5, page=page, **options)
    assert pages[1].items == second.items
    assert pages[1].trace.applied_rules == second.trace.applied_rules
    assert {p.served.list_id for p in pages} == {first.served.list_id}
    while len(pages[-1]):
        pages.append(shop.api.next(pages[-1], 30))
    with pytest.raises(DataError, match="no next page"):
        shop.api.next(pages[-1])
    everything = shop.engine.recommend(WHO, 100, **options)
    assert {i for page in pages for i in ids(page)} == set(ids(everything))
    assert shop.api.next(first).items == pages[1].items, "an answer that was lost is asked for again"


def test_a_page_of_no_list(shop):
    for listed in (shop.engine.recommend(WHO), shop.api.search("shoe"), shop.api.recommend(WHO, where="price < 0")):
        with pytest.raises(DataError, match="no next page"):
            shop.api.next(listed)
    listed = shop.api.recommend(WHO)
    shop.tenant.lists._lists.clear()
    with pytest.raises(ServiceError) as seen:
        shop.api.next(listed)
    assert (seen.value.status, seen.value.type) == (404, "not-found")
    assert seen.value.request_id


def test_how_a_list_is_known(shop):
    listed = shop.api.recommend(WHO, 3, now=NOW)
    assert listed.served.list_id.startswith("l_")
    assert listed.served.attribution_token.startswith("at_")
    assert listed.served.variant == "no-llm"
    assert listed.served.experiment is None
    assert listed.served.took_ms > 0
    assert shop.engine.recommend(WHO, 3, now=NOW).served is None


def test_what_became_of_each_event(shop):
    events = [
        Event(user_id="guest:one", item_id="SKU-001", event_id="one-1", time=NOW),
        Event(user_id="guest:one", item_id="no-such", event_id="one-2", time=NOW),
        Event(user_id="guest:one", item_id="SKU-001", event_id="one-1", time=NOW),
        Event(user_id="guest:one", item_id="SKU-002", time=NOW),
        *(Event(user_id="guest:one", item_id="SKU-003", event_id=f"one-3-{n}", time=NOW) for n in range(1_000)),
        Event(user_id="guest:one", item_id="nor-this", event_id="one-4", time=NOW),
    ]
    found = shop.api.add_events(events, each=True)
    assert [one.status for one in found[:4]] == ["accepted", "rejected", "duplicate", "accepted"]
    assert [one.index for one in found] == list(range(len(events)))
    assert found[0] == EventResult(0, "accepted", "one-1")
    assert (found[1].field, found[-1].index, found[-1].status) == ("item_id", 1_004, "rejected")
    assert "not known" in found[1].error
    assert found[3].event_id
    assert len(shop.engine.store.history("guest:one")) == 1_002


def test_events_carry_the_list_that_they_come_from(shop):
    listed = shop.api.recommend(WHO, 3, now=NOW)
    event = Event(user_id=WHO, item_id=ids(listed)[0], kind="click", event_id=f"click-{id(shop)}")
    assert shop.api.add_events([event], listed=listed, each=True)[0].error is None
    with pytest.raises(DataError, match="listed"):
        shop.api.add_events([event], listed=shop.engine.recommend(WHO))


def test_texts_in_the_order_of_an_answer(shop):
    found = shop.api.rerank("trail shoe", ["a pan", "a running shoe for the trail", "a shoe"], top_n=2)
    assert [one.index for one in found] == [1, 2]
    assert found[0].score > found[1].score
    assert shop.api.rerank("shoe", ["pan", "shoe"], model="bm25", user=WHO)[0].index == 1
    with pytest.raises(ConfigError, match="bm25"):
        shop.api.rerank("shoe", ["pan"], model="no-such")
    with pytest.raises(DataError, match="documents"):
        shop.api.rerank("shoe", [])


def test_a_key_may_do_what_its_scopes_say():
    event = Event(user_id="u", item_id="SKU-001")
    with asked("client", fitted(), scopes=["query"], forced_filter="price <= 40") as shop:
        assert all(row.price <= 40 for row in shop.api.recommend(k=30))
        with pytest.raises(ServiceError, match="ingest") as seen:
            shop.api.add_events([event])
    assert (seen.value.status, seen.value.type) == (403, "scope")
    with asked("client", fitted(), rate_per_s=0.01, burst=2) as shop:
        shop.api._retry_s = 0
        for _ in range(2):
            shop.api.suggest()
        with pytest.raises(ServiceError) as seen:
            shop.api.suggest()
    assert (seen.value.status, seen.value.type) == (429, "too-many-requests")
    assert seen.value.retry_after > 1
    with served(fitted()) as (inside, _, _):
        stranger = Client(URL, "rk_0000000000000000_no", transport=Inside(inside))
        with stranger, pytest.raises(ServiceError) as seen:
            stranger.recommend()
    assert seen.value.status == 401


def test_many_threads_share_one_client():
    with asked("client", fitted()) as shop:
        users = [shopper_id(u) for u in range(24)]
        with ThreadPoolExecutor(6) as pool:
            lists = list(pool.map(lambda user: ids(shop.api.recommend(user, 5, now=NOW)), users))
        assert lists == [ids(shop.engine.recommend(user, 5, now=NOW)) for user in users]


@pytest.fixture
def loopback():
    """A server on a real port that counts its connections, and may be told to be slow."""

    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        connections, slow = 0, threading.Event()

        def setup(self):
            type(self).connections += 1
            super().setup()

        def do_GET(self):
            if self.path.startswith("/v1/suggest?q=slow"):
                self.slow.wait(5)
            body = json.dumps({"suggestions": [{"text": "shoe", "source": "log"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", Answers
    Answers.slow.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_connection_is_kept(loopback):
    url, answers = loopback
    with Client(url, "key") as shop:
        assert [shop.suggest("s")[0].text for _ in range(5)] == ["shoe"] * 5
    assert answers.connections == 1

    async def awaited():
        async with AsyncClient(url, "key") as shop:
            return [(await shop.suggest("s"))[0].text for _ in range(5)]

    assert asyncio.run(awaited()) == ["shoe"] * 5
    assert answers.connections == 2


def test_a_slow_server_and_one_that_is_gone(loopback):
    url, _ = loopback
    with Client(url, "key", timeout_s=0.2, retry_s=0.0) as shop, pytest.raises(ServiceError, match="ReadTimeout"):
        shop.suggest("slow")
    gone = url.rsplit(":", 1)[0] + ":9"  # the port of "discard": nobody listens
    with Client(gone, "key", retry_s=0.3) as shop, pytest.raises(ServiceError, match="ConnectError"):
        shop.suggest("s")
