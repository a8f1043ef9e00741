from __future__ import annotations

import io
import json
import logging
import re

import pytest
from http_toys import KEYS, SECRET_TEXT, bearer, checked
from starlette.testclient import TestClient

from recsys.result import StageTrace, Trace
from recsys.serving import logs
from recsys.serving.metrics import Metrics

QUERY = bearer("query")


@pytest.fixture
def lines():
    """The log as `recsys serve` writes it; what was there before comes back."""
    stream = io.StringIO()
    loggers = [logging.getLogger(name) for name in (None, "recsys", "uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    logs.configure("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    for one, handlers, level, propagate in before:
        one.handlers[:], one.propagate = handlers, propagate
        one.setLevel(level)


def test_a_request_id_comes_back(client):
    assert client.get("/health/live", headers={"X-Request-Id": "shop-17.a_B"}).headers["x-request-id"] == "shop-17.a_B"
    first, second = (client.get("/health/live").headers["x-request-id"] for _ in range(2))
    assert first != second
    assert re.fullmatch("[0-9a-f]{16}", first)


@pytest.mark.parametrize("odd", ["a b", "", "x" * 65, "<script>", "anna@example.com"])
def test_an_odd_request_id_is_replaced(client, odd):
    assert re.fullmatch(
        "[0-9a-f]{16}", client.get("/health/live", headers={"X-Request-Id": odd}).headers["x-request-id"]
    )


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/toys/who", "/toys/fault/bug", "/openapi.json"])
def test_every_answer_is_safe_to_show(client, path):
    headers = client.get(path, headers=QUERY).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_other_origins_are_shut_out_by_default(client):
    answer = client.get("/toys/who", headers={**QUERY, "Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/toys/lines", headers=preflight).status_code == 405


def test_named_origins_are_let_in_and_can_read_errors(made):
    with TestClient(made(cors_origins=["https://shop.example"]), raise_server_exceptions=False) as client:

        def ask(origin, path="/toys/who", **named):
            return client.get(path, headers={**QUERY, "Origin": origin}, **named)

        assert ask("https://shop.example").headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-origin" not in ask("https://evil.example").headers
        for path, status in (("/toys/fault/bug", 500), ("/nowhere", 404)):
            answer = ask("https://shop.example", path)
            checked(answer, status)
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        large = client.post(
            "/toys/lines", content=b" " * (1 << 21), headers={**QUERY, "Origin": "https://shop.example"}
        )
        checked(large, 413)
        assert "access-control-allow-origin" in large.headers
        preflight = {
            "Origin": "https://shop.example", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type",
        }  # fmt: skip
        answer = client.options("/toys/lines", headers=preflight)
        assert answer.status_code == 200
        assert "credentials" not in str(answer.headers)
        assert answer.headers["x-request-id"]


def test_one_line_a_request(client, lines):
    client.get("/toys/words/u1", params={"q": "red shoes"}, headers={**QUERY, "X-Request-Id": "r1"})
    (line,) = [one for one in lines() if one["logger"] == "recsys.serving.access"]
    assert line.pop("took_ms") > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
    assert line == {
        "level": "info", "logger": "recsys.serving.access", "message": "request", "request_id": "r1", "method": "GET",
        "route": "/toys/words/{user}", "status": 200, "tenant": "default", "key_id": KEYS["query"][1].key_id,
    }  # fmt: skip


def test_an_unforeseen_error_is_logged_with_its_place_under_its_id(client, lines):
    body = checked(client.get("/toys/fault/bug", headers=QUERY), 500)
    (line,) = [one for one in lines() if one.get("status") == 500]
    assert line["request_id"] == body["request_id"]
    assert line["level"] == "error"
    assert line["error"] == "KeyError"
    assert any("http_toys.py" in place and "fault" in place for place in line["at"])


def test_nothing_about_a_person_is_logged(client, lines):
    user, item, query = "shopper-4711", "item-of-shame", "something private"
    secret = KEYS["query"][0].rpartition("_")[2]
    client.get(f"/toys/words/{user}", params={"q": query}, headers=QUERY)
    client.get(f"/toys/words/{user}", params={"q": query * 50}, headers=QUERY)
    client.get(f"/nowhere/{user}?q={query}", headers=QUERY)
    client.post("/toys/lines", json={"items": [{"price": "x", "name": item}]}, headers=QUERY)
    client.post("/toys/lines", content=f'{{"{item}', headers={**QUERY, "Content-Type": "application/json"})
    for name in ("bug", "store", "prompt", "data", "stage"):
        client.get(f"/toys/fault/{name}?q={query}", headers=QUERY)
    client.get("/toys/who", headers={"Authorization": f"Bearer rk_0123456789abcdef_{secret}"})
    written = json.dumps(lines())
    assert len(lines()) >= 11
    for private in (user, item, query, secret, SECRET_TEXT, "private", "4711"):
        assert private not in written


def test_uvicorn_does_not_log_paths(lines):
    logging.getLogger("uvicorn.access").info("GET /v1/users/shopper-4711")
    logging.getLogger("uvicorn.error").info("Started server process")
    assert [one["message"] for one in lines()] == ["Started server process"]


def test_the_library_configures_no_logging():
    before = logging.getLogger().handlers[:]
    Metrics()
    assert logging.getLogger().handlers == before


# -- metrics -----------------------------------------------------------------------------------------------------


def scraped(client):
    answer = client.get("/metrics", headers=bearer("admin"))
    assert answer.headers["content-type"].startswith("text/plain")
    found = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            found[name] = float(value)
    return found


def test_requests_are_counted_by_route_and_status(client):
    for user in ("anna", "ben"):
        client.get(f"/toys/words/{user}", params={"q": "x"}, headers=QUERY)
    client.get("/toys/words/anna", headers=QUERY)
    client.get("/nowhere/anna")
    client.request("BREW", "/toys/who")
    found = scraped(client)
    assert found['recsys_requests_total{method="GET",route="/toys/words/{user}",status="200"}'] == 2
    assert found['recsys_requests_total{method="GET",route="/toys/words/{user}",status="422"}'] == 1
    assert found['recsys_requests_total{method="GET",route="none",status="404"}'] == 1
    assert found['recsys_requests_total{method="other",route="/toys/who",status="405"}'] == 1
    assert found['recsys_request_seconds_count{route="/toys/words/{user}"}'] == 3
    assert "process_resident_memory_bytes" in found
    assert not any("anna" in name for name in found)


def test_what_engines_do_is_counted(app, client):
    service = app.state.service
    stages = (StageTrace("candidates", "als", 12.0, 0, 100), StageTrace("rerank", "causal", 80.0, 20, 20))
    for _ in range(3):
        service.seen(Trace(stages=stages, degraded=("rerank",), bundle="b1"))
    service.metrics.events(accepted=10, duplicate=2, rejected=1)
    service.metrics.bundle("default", "b1")
    service.metrics.bundle("default", "b2", before="b1")
    found = scraped(client)
    assert found['recsys_stage_seconds_count{stage="candidates"}'] == 3
    assert found['recsys_stage_seconds_sum{stage="rerank"}'] == pytest.approx(0.24)
    assert found['recsys_stage_seconds_bucket{le="0.01",stage="candidates"}'] == 0
    assert found['recsys_stage_seconds_bucket{le="0.02",stage="candidates"}'] == 3
    assert found['recsys_degraded_total{stage="rerank"}'] == 3
    assert [found[f'recsys_events_total{{outcome="{o}"}}'] for o in ("accepted", "duplicate", "rejected")] == [10, 2, 1]
    assert found['recsys_bundle_info{bundle="b1",tenant="default"}'] == 0
    assert found['recsys_bundle_info{bundle="b2",tenant="default"}'] == 1


# -- health ------------------------------------------------------------------------------------------------------


def test_ready_says_what_is_missing(client, lives):
    assert client.get("/health/ready").json()["status"] == "ok"
    lives.wrong = {"store": "StoreDown"}
    answer = client.get("/health/ready")
    assert checked(answer, 503)["parts"] == {"store": "StoreDown"}
    assert client.get("/health/live").status_code == 200


def test_a_service_that_is_about_to_stop_is_not_ready_and_still_serves(app, client):
    app.state.service.draining = True
    assert checked(client.get("/health/ready"), 503)["parts"] == {"service": "stopping"}
    assert client.get("/toys/who", headers=QUERY).status_code == 200


def test_tenants_are_started_and_closed_with_the_app(app, lives):
    with TestClient(app):
        assert lives.calls == ["start"]
    assert lives.calls == ["start", "close"]
