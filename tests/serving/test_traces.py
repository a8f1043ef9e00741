from __future__ import annotations

import sys

import pytest
from http_toys import KEYS, SECRET_TEXT, bearer
from starlette.testclient import TestClient

from recsys.errors import PluginUnavailable
from recsys.result import StageTrace, Trace
from recsys.serving import settings
from recsys.serving.traces import NoTraces, OpenTelemetry, traces_of

QUERY = bearer("query")
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans():
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter, OpenTelemetry(provider)
    provider.shutdown()


@pytest.fixture
def traced(spans, monkeypatch, made):
    monkeypatch.setattr("recsys.serving.service.traces_of", lambda given: spans[1])
    app = made()

    @app.get("/toys/seen")
    async def seen() -> str:
        stages = (StageTrace("rerank", "causal", 80.0, 20, 20),)
        app.state.service.seen(Trace(stages=stages, bundle="b1", degraded=("rerank",)))
        return "ok"

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_switched_off_nothing_is_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert isinstance(traces_of(settings.Traces()), NoTraces)


def test_switched_on_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(PluginUnavailable, match="opentelemetry"):
        traces_of(settings.Traces(on=True))


def test_a_span_a_request_under_that_of_the_caller(traced, spans):
    traced.get("/toys/words/anna", params={"q": "x"}, headers={**QUERY, "traceparent": PARENT})
    (span,) = spans[0].get_finished_spans()
    assert span.name == "GET /toys/words/{user}"
    assert f"{span.context.trace_id:032x}" == PARENT[3:35]
    assert f"{span.parent.span_id:016x}" == PARENT[36:52]
    assert span.attributes["http.response.status_code"] == 200
    assert span.status.is_ok or span.status.is_unset


def test_stages_are_events_of_the_span(traced, spans):
    traced.get("/toys/seen")
    (span,) = spans[0].get_finished_spans()
    assert [(e.name, e.attributes["stage"], e.attributes["took_ms"]) for e in span.events] == [
        ("stage", "rerank", 80.0)
    ]
    assert span.attributes["recsys.degraded"] == ("rerank",)
    assert span.attributes["recsys.bundle"] == "b1"


def test_nothing_about_a_person_is_in_a_span(traced, spans):
    traced.get("/toys/words/shopper-4711", params={"q": "private"}, headers=QUERY)
    traced.get("/toys/fault/bug", params={"q": "private"}, headers=QUERY)
    traced.get("/nowhere/shopper-4711", headers=QUERY)
    found = spans[0].get_finished_spans()
    assert len(found) == 3
    written = "".join(span.to_json() for span in found)
    for private in ("4711", "private", SECRET_TEXT, KEYS["query"][0].rpartition("_")[2]):
        assert private not in written
    assert not found[1].status.is_ok
    assert found[2].name == "GET none"


def test_work_in_the_gate_belongs_to_the_request(made, spans, monkeypatch):
    from opentelemetry import trace

    monkeypatch.setattr("recsys.serving.service.traces_of", lambda given: spans[1])
    app = made()

    @app.get("/toys/current")
    async def current() -> str:
        return await app.state.service.gate.run(lambda: f"{trace.get_current_span().get_span_context().trace_id:032x}")

    with TestClient(app) as client:
        assert client.get("/toys/current", headers={"traceparent": PARENT}).json() == PARENT[3:35]
