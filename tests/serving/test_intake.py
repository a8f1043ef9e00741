from __future__ import annotations

import asyncio
import json

import pytest
from http_toys import bearer, checked
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from recsys.serving.intake import Bodies, Upload, deeper, oddity
from recsys.serving.problems import Problem
from recsys.serving.settings import Limits

QUERY = {**bearer("query"), "Content-Type": "application/json"}
MOST = 1 << 20


def test_a_large_body_is_refused_by_its_declared_length(client):
    response = client.post("/toys/lines", content=b" " * (MOST + 1), headers=QUERY)
    assert checked(response, 413)["max_bytes"] == MOST
    assert response.headers["connection"] == "close"


def test_a_large_body_without_a_length_is_cut():
    """Not a byte more than the limit is asked for, however much is on its way."""
    asked = 0

    async def endless():
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b" " * 1_000, "more_body": True}

    scope = {"type": "http", "path": "/x", "headers": [(b"transfer-encoding", b"chunked")]}
    with pytest.raises(Problem) as caught:
        asyncio.run(Bodies(Limits(body_bytes=10_000)).read(scope, endless))
    assert caught.value.status == 413
    assert asked == 11


def test_a_body_that_lies_about_its_length_is_cut():
    async def more():
        return {"type": "http.request", "body": b" " * 6_000, "more_body": True}

    scope = {"type": "http", "path": "/x", "headers": [(b"content-length", b"12")]}
    with pytest.raises(Problem) as caught:
        asyncio.run(Bodies(Limits(body_bytes=10_000)).read(scope, more))
    assert caught.value.status == 413


def test_chunks_arrive_whole(client):
    whole = json.dumps({"items": [{"price": 1}] * 500}).encode()
    parts = (whole[i : i + 100] for i in range(0, len(whole), 100))
    assert client.post("/toys/lines", content=parts, headers=QUERY).json() == 500


def test_a_slow_body_is_given_up():
    async def never():
        await asyncio.sleep(10)

    scope = {"type": "http", "path": "/x", "headers": [(b"content-length", b"12")]}
    with pytest.raises(Problem) as caught:
        asyncio.run(Bodies(Limits(body_s=0.02)).read(scope, never))
    assert caught.value.status == 408


def test_a_client_that_goes_away_in_the_middle():
    messages = [
        {"type": "http.request", "body": b'{"a": ', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive():
        return messages.pop(0)

    scope = {"type": "http", "path": "/x", "headers": [(b"content-length", b"12")]}

    async def both():
        again = await Bodies(Limits()).read(scope, receive)
        return await again()

    assert asyncio.run(both()) == {"type": "http.disconnect"}


@pytest.mark.parametrize("media", ["text/plain", "", "application/xml", "multipart/form-data; boundary=x"])
def test_other_types_are_refused(client, media):
    response = client.post("/toys/lines", content=b"{}", headers={**QUERY, "Content-Type": media})
    checked(response, 415)
    assert response.headers["accept"] == "application/json"


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON", "application/a+json"])
def test_json_by_any_name(client, media):
    response = client.post("/toys/lines", content=b'{"items": []}', headers={**QUERY, "Content-Type": media})
    assert response.json() == 0


def test_a_path_may_take_uploads(made):
    app = made(uploads={"/toys/lines": Upload(frozenset({"text/csv"}), 2 * MOST)})
    with TestClient(app, raise_server_exceptions=False) as client:
        csv = {**QUERY, "Content-Type": "text/csv"}
        # It reaches the route, which wants JSON and says so.
        assert client.post("/toys/lines", content=b"a" * (MOST + 5), headers=csv).status_code == 422
        checked(client.post("/toys/lines", content=b"a" * (2 * MOST + 1), headers=csv), 413)
        checked(client.post("/toys/lines", content=b"{}", headers=QUERY), 415)


def test_deep_json_is_refused_before_it_is_parsed(client):
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        for depth, status in ((32, 422), (33, 400), (100_000, 400)):
            content = (opened * depth + "1" + closed * depth).encode()
            checked(client.post("/toys/lines", content=content, headers=QUERY), status)


def test_brackets_in_texts_do_not_count(client):
    body = json.dumps({"items": [{"price": 1, "name": '[{"\\[['}] * 100}).encode()
    assert client.post("/toys/lines", content=body, headers=QUERY).json() == 100


@pytest.mark.parametrize(
    ("content", "said"),
    [(b'{"items": [{"price": NaN}]}', "NaN"), (b'{"items": [{"price": -Infinity}]}', "Infinity"),
     (b'{"items": [{"price": 1, "name": "\\ud83d"}]}', "half"),
     (b'{"items": [{"price": 1, "name": "\\uDe00 x"}]}', "half"),
     (b'{"items": [{"price": 1, "name": "\\\\\\ud83d"}]}', "half")],
)  # fmt: skip
def test_what_no_answer_could_repeat_is_refused(client, content, said):
    assert said in checked(client.post("/toys/lines", content=content, headers=QUERY), 400)["detail"]


def test_pairs_and_words_are_fine():
    for text in ("\U0001f600", "NaN", 'a "Infinity" b', "\\ud83d", "\\\\"):
        for ascii_only in (True, False):
            assert oddity(json.dumps({"name": text, "n": 1}, ensure_ascii=ascii_only).encode()) == "", text


@given(st.text(st.sampled_from(["\ud83d", "\ude00", "\udbff", "\\", "u", "d", "8"]), max_size=6))
def test_half_characters_are_those_that_utf8_cannot_write(text):
    body = json.dumps([text]).encode()
    try:
        json.loads(body)[0].encode()
    except UnicodeEncodeError:
        assert oddity(body)
    else:
        assert not oddity(body)


def depth_of(value):
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


texts = st.text(alphabet='[]{}"\\ab,:\n\u20ac', max_size=8)
values = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=30,
)


@given(value=values, limit=st.integers(0, 8), ascii_only=st.booleans())
def test_depth_is_that_of_the_parsed_value(value, limit, ascii_only):
    assert deeper(json.dumps(value, ensure_ascii=ascii_only).encode(), limit) == (depth_of(value) > limit)


@given(body=st.binary(max_size=200) | st.text(alphabet='[]{}"\\', max_size=60).map(str.encode))
def test_no_json_is_left_to_the_parser_or_refused(body):
    assert deeper(body, 4) in (True, False)
    assert not deeper(body, 200)
