from __future__ import annotations

import json

import pytest
from http_toys import FAULTS, KEYS, SECRET_TEXT, bearer, checked

QUERY = bearer("query")
STATUS = {
    "data": 422, "config": 422, "unknown-plugin": 422, "store": 503, "unfitted": 503, "budget": 503, "stage": 503,
    "model": 503, "plugin": 503, "missing": 404, "bug": 500, "prompt": 500,
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_every_error_is_a_problem(client, name):
    response = client.get(f"/toys/fault/{name}", headers=QUERY)
    checked(response, STATUS[name])
    assert ("retry-after" in response.headers) == (STATUS[name] == 503)


def test_messages_for_the_caller_reach_them(client):
    body = checked(client.get("/toys/fault/data", headers=QUERY), 422)
    assert body["detail"] == str(FAULTS["data"])


def test_no_such_path_and_no_such_method(client):
    assert checked(client.get("/nowhere"), 404)["type"].endswith(":no-route")
    response = client.put("/health/live")
    assert checked(response, 405)["type"].endswith(":no-method")
    assert response.headers["allow"] == "GET"
    assert client.patch("/v1/keys").headers["allow"] == "GET, POST"
    assert client.delete("/v1/keys/0123456789abcdef:rotate").headers["allow"] == "POST"


def test_a_wrong_field_is_named_and_its_value_is_not(client):
    body = {"items": [{"price": 1}, {"price": -3.75, "name": SECRET_TEXT}]}
    said = checked(client.post("/toys/lines", json=body, headers=QUERY), 422)
    assert said["field"] == "body.items.1.price"
    assert {e["field"] for e in said["errors"]} == {"body.items.1.price", "body.items.1.name"}
    assert "3.75" not in json.dumps(said)


def test_one_wrong_field(client):
    said = checked(client.post("/toys/lines", json={"items": [{"price": "much"}]}, headers=QUERY), 422)
    assert said["field"] == "body.items.0.price"
    assert "number" in said["detail"]
    assert "much" not in json.dumps(said)


def test_thousands_of_wrong_fields_are_a_short_answer(client):
    response = client.post("/toys/lines", json={"items": [{"price": -1}] * 1_000}, headers=QUERY)
    said = checked(response, 422)
    assert len(said["errors"]) == 20
    assert "1000 fields" in said["detail"]


@pytest.mark.parametrize(
    ("content", "status"),
    [(b'{"items": [', 400), (b"\xff\xfe", 400), (b'"text"', 422), (b"", 422), (b"null", 422)],
    ids=["cut", "no text", "text", "nothing", "null"],
)
def test_a_body_that_is_no_object(client, content, status):
    headers = {**QUERY, "Content-Type": "application/json"}
    assert checked(client.post("/toys/lines", content=content, headers=headers), status)["field"].startswith("body")


def test_a_long_query(client):
    said = checked(client.get("/toys/words/u1", params={"q": SECRET_TEXT * 20}, headers=QUERY), 422)
    assert said["field"] == "query.q"


def test_half_an_answer_is_cut(client):
    response = client.get("/toys/broken", headers=QUERY)  # the server closes the connection: no second answer
    assert response.content == b"half"


def test_problems_are_the_same_for_every_key(client):
    for name in KEYS:
        checked(client.get("/toys/fault/bug", headers=bearer(name)), 500 if "query" in KEYS[name][1].scopes else 403)
