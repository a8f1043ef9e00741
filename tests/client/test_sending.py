"""What is sent again and what is not, against servers that are made up at the border of httpx."""

from __future__ import annotations

import asyncio
import json
from functools import partial

import httpx
import pytest
from client_toys import URL, Inside, served
from engine_toys import fitted

from recsys import Client, Event, Item
from recsys.client import AsyncClient, async_client, client
from recsys.client.sending import Tries
from recsys.errors import (
    BudgetExceeded,
    ConfigError,
    DataError,
    NotFittedError,
    ServiceError,
    StageError,
    StoreDown,
    UnknownPlugin,
)

KEY = "rk_0123456789abcdef_secretsecretsecret"
NONE = {"suggestions": []}


class Clock:
    """A clock that only pauses move."""

    def __init__(self):
        self.now, self.pauses = 1_000.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    async def asleep(self, seconds):
        self.sleep(seconds)


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    for module in (client, async_client):
        monkeypatch.setattr(module, "Tries", partial(Tries, clock=made, draw=lambda: 1.0))
    return made


@pytest.fixture(params=["client", "async"])
def ask(request, clock):
    """Ask a made-up server: ask(answers, method, *arguments) -> what came of it, and the requests."""

    def run(answers, method, *args, retry_s=10.0, **named):
        left, seen = list(answers), []

        def handle(sent):
            seen.append(sent)
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer() if callable(answer) else answer

        transport = httpx.MockTransport(handle)
        if request.param == "client":
            with Client(URL, KEY, transport=transport, retry_s=retry_s) as one:
                one._sleep = clock.sleep
                return getattr(one, method)(*args, **named), seen
        return asyncio.run(awaited(transport, seen, method, args, named, retry_s)), seen

    async def awaited(transport, seen, method, args, named, retry_s):
        async with AsyncClient(URL, KEY, transport=transport, retry_s=retry_s) as one:
            one._sleep = clock.asleep
            return await getattr(one, method)(*args, **named)

    return run


def good(body=NONE):
    return httpx.Response(200, json=body)


def taken(n):
    results = [{"index": i, "status": "accepted", "field": None, "error": None} for i in range(n)]
    return lambda: good({"results": results})


def problem(status, type, retry_after=None, **more):
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    said = {"type": f"urn:recsys:problem:{type}", "title": "No", "status": status, "request_id": "r1", **more}
    return httpx.Response(status, content=json.dumps(said), headers=headers)


BUSY = [
    lambda: problem(429, "too-many-requests", "2"), lambda: problem(503, "overloaded", "2"),
    lambda: httpx.Response(503, headers={"Retry-After": "2"}, text="<h1>busy</h1>"),
]  # fmt: skip


@pytest.mark.parametrize("refused", BUSY)
def test_a_service_that_is_busy_is_asked_again(ask, clock, refused):
    found, seen = ask([refused, refused, good()], "suggest", "run")
    assert found == []
    assert [str(one.url) for one in seen] == [f"{URL}/v1/suggest?q=run&limit=8"] * 3
    assert clock.pauses == [2.1, 2.2]


def test_it_ends_in_time(ask, clock):
    with pytest.raises(ServiceError) as seen:
        ask([lambda: problem(503, "overloaded", "3", detail="later")], "suggest", retry_s=10.0)
    assert sum(clock.pauses) <= 10
    assert len(clock.pauses) == 3
    error = seen.value
    assert (error.status, error.type, error.retry_after, error.request_id) == (503, "overloaded", 3.0, "r1")
    assert "later" in str(error)
    clock.pauses.clear()
    with pytest.raises(StoreDown):
        ask([problem(503, "store-down", "2")], "suggest", retry_s=0)
    assert clock.pauses == []


def test_nobody_waits_longer_than_their_budget(ask, clock):
    with pytest.raises(ServiceError):
        ask([problem(503, "overloaded", "1")], "search", "shoe", budget_ms=900)
    assert clock.pauses == []
    with pytest.raises(ServiceError):
        ask([httpx.ConnectError("refused")], "recommend", budget_ms=900)
    assert 0 < sum(clock.pauses) <= 0.9


LASTING = {
    "not-fitted": (503, NotFittedError), "stage-failed": (503, StageError), "budget-exceeded": (503, BudgetExceeded),
    "model-unavailable": (503, ServiceError), "invalid": (422, DataError), "invalid-setting": (422, ConfigError),
    "unknown-plugin": (422, UnknownPlugin), "no-key": (401, ServiceError), "scope": (403, ServiceError),
    "not-found": (404, ServiceError), "too-large": (413, ServiceError), "internal": (500, ServiceError),
}  # fmt: skip


@pytest.mark.parametrize("name", LASTING)
def test_what_does_not_pass_is_not_asked_again(ask, clock, name):
    status, kind = LASTING[name]
    retry = "1" if status == 503 else None
    more = {"stage": "rerank", "plugin": "causal"} if name == "stage-failed" else {}
    with pytest.raises(kind, match="what to do") as seen:
        ask([problem(status, name, retry, detail="what to do", **more)], "suggest")
    assert type(seen.value) is kind
    assert clock.pauses == []
    assert seen.value.__notes__ == ["request_id: r1"]
    if kind is StageError:
        assert (seen.value.stage, seen.value.plugin) == ("rerank", "causal")
    if kind is ServiceError:
        assert (seen.value.status, seen.value.type) == (status, name)


@pytest.mark.parametrize("status", [429, 503])
def test_without_retry_after_there_is_no_second_try(ask, clock, status):
    with pytest.raises(ServiceError) as seen:
        ask([httpx.Response(status)], "suggest")
    assert (seen.value.status, seen.value.retry_after) == (status, None)
    assert clock.pauses == []


def test_a_connection_that_was_never_made_is_made_again(ask, clock):
    lost = [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")]
    moved, seen = ask([*lost, good({"moved": 3})], "merge", "guest:a", "b")
    assert moved == 3
    assert len(seen) == 3
    assert clock.pauses == [0.1, 0.2]
    with pytest.raises(ServiceError, match=r"merge: no answer \(ConnectError: refused\)$") as lost:
        ask([httpx.ConnectError("refused")], "merge", "guest:a", "b")
    assert (lost.value.status, lost.value.type) == (None, "unreachable")
    assert isinstance(lost.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize("error", [httpx.ReadError("cut"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("bye")])
def test_what_may_have_been_done_is_sent_again_only_where_that_does_no_harm(ask, clock, error):
    for method, args in (("merge", ("guest:a", "b")), ("erase", ("b",)), ("not_interested", ("b", "i")),
                         ("forget", ("b", "brand:x")), ("remove_reason", ("b", "i"))):  # fmt: skip
        with pytest.raises(ServiceError, match="whether it was done is not known") as seen:
            ask([error, good()], method, *args)
        assert "b" not in str(seen.value).split()
        assert clock.pauses == []
    found, _ = ask([error, good()], "suggest")
    assert found == []
    assert ask([error, taken(1)], "add_events", [Event(user_id="u", item_id="i")])[0] == 1


def test_an_event_without_an_id_is_stored_once(clock):
    """The service takes it and the answer is lost: what is sent again is the same event."""
    engine = fitted()
    before = len(engine.store.history("u"))

    class Lossy(Inside):
        lost = 0

        def handle_request(self, request):
            answer = super().handle_request(request)
            if self.lost < 2:
                self.lost += 1
                raise httpx.ReadError("the answer is lost")
            return answer

    with served(engine) as (inside, key, _), Client(URL, key, transport=Lossy(inside)) as shop:
        shop._sleep = clock.sleep
        events = [Event(user_id="u", item_id="SKU-001"), Event(user_id="u", item_id="SKU-002")]
        assert shop.add_events(events) == 2
    assert len(engine.store.history("u")) == before + 2


def test_pieces_are_sent_in_order_and_each_is_small_enough(ask):
    items = [Item(item_id=f"i{n}", text="x" * 30_000) for n in range(70)]
    _, seen = ask([good()], "add_items", items)
    sent = [json.loads(one.content) for one in seen]
    assert [i["item_id"] for body in sent for i in body["items"]] == [i.item_id for i in items]
    assert len(sent) == 3
    assert all(len(one.content) < 1 << 20 for one in seen)
    assert all(body["all_or_none"] for body in sent)
    events = [Event(user_id="u", item_id=str(n), event_id=str(n)) for n in range(2_500)]
    count, seen = ask([taken(1_000), taken(1_000), taken(500)], "add_events", events)
    assert count == 2_500
    assert [len(json.loads(one.content)["events"]) for one in seen] == [1_000, 1_000, 500]


def test_a_wrong_entry_is_counted_in_the_whole_batch(ask):
    events = [Event(user_id="u", item_id=str(n)) for n in range(1_200)]
    wrong = problem(422, "invalid", field="body.events.7.item_id", detail="is not known")
    with pytest.raises(DataError, match=r"^events\.1007\.item_id: is not known"):
        ask([taken(1_000), wrong], "add_events", events)


def test_fields_have_the_names_of_arguments(ask):
    for field, name, kind in (
        ("body.limit", "k", DataError), ("body.filter", "where", DataError), ("query.q", "text", DataError),
        ("body.timeout_ms", "budget_ms", ConfigError),
    ):  # fmt: skip
        with pytest.raises(kind, match=f"^{name}: no"):
            ask([problem(422, "invalid", field=field, detail="no")], "suggest")


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"suggestions": [{"text": "x"}]}', "", '"text"'])
def test_an_answer_of_somebody_else_is_said_to_be_one(ask, body):
    with pytest.raises(ServiceError, match="suggest: the answer is not one of this service") as seen:
        ask([httpx.Response(200, text=body)], "suggest")
    assert (seen.value.status, seen.value.type) == (200, "unreadable")


def test_a_proxy_may_answer_anything(ask):
    for answer, type in (
        (httpx.Response(502, text="<html>"), "http-502"),
        (httpx.Response(302, headers={"Location": "https://elsewhere"}), "http-302"),
        (httpx.Response(422, content=b"{", headers={"Content-Type": "application/problem+json"}), "http-422"),
        (httpx.Response(400, content=b"[1]", headers={"Content-Type": "application/problem+json"}), "http-400"),
    ):
        with pytest.raises(ServiceError) as seen:
            ask([answer], "suggest")
        assert seen.value.type == type
        assert KEY not in str(seen.value)


def test_ids_of_any_letters_are_one_part_of_a_path(ask):
    for user, path in (
        ("a b", b"/v1/users/a%20b/export"), ("ü?#%&", b"/v1/users/%C3%BC%3F%23%25%26/export"),
        ("a/b", b"/v1/users/a%2Fb/export"), ("..", b"/v1/users/%2E%2E/export"), (".", b"/v1/users/%2E/export"),
        ("guest:a/9", b"/v1/users/a%2F9/export?anonymous=true"),
    ):  # fmt: skip
        _, (sent,) = ask([good({"records": []})], "export", user)
        assert sent.url.raw_path == path


def test_every_request_says_who_asks():
    seen = []
    transport = httpx.MockTransport(lambda sent: seen.append(sent) or good())
    with Client(URL + "/shop/", KEY, tenant="north", transport=transport) as shop:
        shop.suggest()
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert seen[0].headers["x-tenant"] == "north"
    assert seen[0].headers["user-agent"].startswith("recsys/")
    assert seen[0].url.path == "/shop/v1/suggest"
    assert KEY not in repr(shop)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "shop.example"}, "https"), ({"key": ""}, "key"), ({"key": "rk_ü"}, "key"), ({"key": "a b"}, "key"),
        ({"timeout_s": 0}, "timeout_s"), ({"tenant": "a\nb"}, "tenant"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_what_a_client_cannot_be_made_of(kind, given, said):
    with pytest.raises(ConfigError, match=said) as seen:
        kind(**{"url": URL, "key": KEY, **given})
    assert "rk_ü" not in str(seen.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.add_items([Item(item_id="i", attributes={"a": object()})]), lambda s: s.export(""),
        lambda s: s.export("\ud800"), lambda s: s.search("shoe", now=float("nan")),
        lambda s: s.rank("u", ["\ud800"]), lambda s: s.similar_items(""),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_not(call):
    def never(sent):
        raise AssertionError("sent")

    with Client(URL, KEY, transport=httpx.MockTransport(never)) as shop, pytest.raises(DataError):
        call(shop)
