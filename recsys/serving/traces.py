"""OpenTelemetry traces, where it is installed and switched on; nothing about a person is in a span."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.types import Scope

from recsys.registry import import_optional
from recsys.result import Trace
from recsys.serving import settings


class Span(Protocol):
    """One request that is under way."""

    def end(self, route: str, status: int) -> None:
        """Say what became of it."""
        ...


class Traces(Protocol):
    """Where spans go."""

    def request(self, scope: Scope) -> AbstractContextManager[Span]:
        """Begin a span around a request."""
        ...

    def called(self, trace: Trace) -> None:
        """Add what one call of an engine did to the request under way."""
        ...


class NoTraces:
    """Traces that are switched off."""

    @contextmanager
    def request(self, scope: Scope) -> Iterator[Span]:
        """See `Traces`."""
        yield self

    def called(self, trace: Trace) -> None:
        """See `Traces`."""

    def end(self, route: str, status: int) -> None:
        """See `Span`."""


class OpenTelemetry:
    """Spans of OpenTelemetry: one a request, under the span of the caller that ``traceparent`` names.

    The ready-made instrumentation is not used: it records paths and query strings, which name shoppers and what they
    search for. Here a span has the template of the route, the status, and the stages with their times.
    """

    def __init__(self, provider: Any) -> None:
        self._api = import_optional("opentelemetry.trace")
        self._propagate = import_optional("opentelemetry.propagate")
        self._tracer = provider.get_tracer("recsys.serving")

    @contextmanager
    def request(self, scope: Scope) -> Iterator[Span]:
        """See `Traces`."""
        headers = Headers(scope=scope)
        carried = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        with self._tracer.start_as_current_span(
            scope["method"], context=self._propagate.extract(carried), kind=self._api.SpanKind.SERVER,
            # The message of an exception may quote personal data.
            record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            span.set_attribute("http.request.method", scope["method"])
            span.set_attribute("recsys.request_id", scope["state"]["request_id"])
            yield _Span(span, scope["method"], self._api)

    def called(self, trace: Trace) -> None:
        """See `Traces`."""
        span = self._api.get_current_span()
        for stage in trace.stages:
            span.add_event(
                "stage", {"stage": stage.stage, "plugin": stage.plugin, "took_ms": stage.took_ms, "n_out": stage.n_out}
            )
        if trace.degraded:
            span.set_attribute("recsys.degraded", list(trace.degraded))
        span.set_attribute("recsys.bundle", trace.bundle)


class _Span:
    def __init__(self, span: Any, method: str, api: Any) -> None:
        self._span, self._method, self._api = span, method, api

    def end(self, route: str, status: int) -> None:
        self._span.update_name(f"{self._method} {route}")
        self._span.set_attribute("http.route", route)
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500 or not status:
            self._span.set_status(self._api.StatusCode.ERROR)


def traces_of(given: settings.Traces) -> Traces:
    """Return where spans go, by the settings.

    Raises:
        PluginUnavailable: traces are switched on and OpenTelemetry is not installed.
    """
    if not given.on:
        return NoTraces()
    sdk = import_optional("opentelemetry.sdk.trace")
    export = import_optional("opentelemetry.sdk.trace.export")
    sampling = import_optional("opentelemetry.sdk.trace.sampling")
    resources = import_optional("opentelemetry.sdk.resources")
    otlp = import_optional("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    provider = sdk.TracerProvider(
        sampler=sampling.ParentBased(sampling.TraceIdRatioBased(given.share)),
        resource=resources.Resource.create({"service.name": "recsys"}),
    )
    exporter = otlp.OTLPSpanExporter(endpoint=given.endpoint) if given.endpoint else otlp.OTLPSpanExporter()
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    return OpenTelemetry(provider)
