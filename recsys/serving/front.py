"""Front: what surrounds every request, whatever its route: its id, its bounds, its count, its line in the log."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Any
from urllib.parse import quote, unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsys.serving import logs
from recsys.serving.intake import Bodies
from recsys.serving.metrics import Metrics
from recsys.serving.problems import problem_of
from recsys.serving.shapes.base import SLASH
from recsys.serving.traces import Traces

REQUEST_ID = "X-Request-Id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ESCAPED_SLASH = re.compile(rb"%2f", re.IGNORECASE)
NO_ROUTE = "none"  # the label of paths that no route has
# A response that sets one of these itself keeps it: the page has another policy than JSON.
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Front:
    """ASGI middleware, outermost: what is true of every request and answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics, traces: Traces) -> None:
        self.app, self.metrics, self.traces = app, metrics, traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = whole_ids(scope)
        begun = time.perf_counter()
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id = _request_id(Headers(scope=scope).get(REQUEST_ID))
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                for name, value in {**SECURITY, **state.get("headers", {})}.items():
                    headers.setdefault(name, value)
            await send(message)

        with self.traces.request(scope) as span:
            try:
                await self.app(scope, receive, answer)
            finally:
                route = route_of(scope)
                span.end(route, status)
                took = time.perf_counter() - begun
                self.metrics.request(scope["method"], route, status, took)
                _log(scope, state, route, status, took)


class Caught:
    """ASGI middleware, innermost: reads bodies within bounds, and makes a problem of every error that comes so far.

    Inside that of CORS, so that a page of an allowed origin can read what went wrong.
    """

    def __init__(self, app: ASGIApp, bodies: Bodies) -> None:
        self.app, self.bodies = app, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, await self.bodies.read(scope, receive), answer)
        except Exception as error:
            scope["state"]["problem"] = error
            if begun:  # half an answer is out: the server has to cut the connection
                raise
            await problem_of(error).response(scope["state"]["request_id"])(scope, receive, send)


def whole_ids(scope: Scope) -> Scope:
    """Return the scope of a request whose path keeps a "/" that was sent as %2F inside its part.

    Servers decode paths before they are taken apart: the id "AB/12" would be two parts.
    """
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" not in raw.lower():
        return scope
    return {**scope, "path": unquote(_ESCAPED_SLASH.sub(quote(SLASH).encode(), raw).decode("latin-1"))}


def _request_id(given: str | None) -> str:
    return given if given is not None and _ID.fullmatch(given) else secrets.token_hex(8)


def route_of(scope: Scope) -> str:
    """Return the template of the route that was taken: never the path, which may name a shopper."""
    route = scope.get("route")
    return str(getattr(route, "path_format", None) or getattr(route, "path", NO_ROUTE))


def _log(scope: Scope, state: dict[str, Any], route: str, status: int, took: float) -> None:
    error, caller = state.get("problem"), state.get("caller")
    failed = status >= 500 or not status
    level = logging.ERROR if failed and status != 503 else logging.INFO
    if not logs.ACCESS.isEnabledFor(level):
        return
    extra = {
        "request_id": state["request_id"], "method": scope["method"], "route": route, "status": status,
        "took_ms": round(took * 1000, 2), "tenant": getattr(caller, "tenant", None),
        "key_id": getattr(caller, "key_id", None),
    }  # fmt: skip
    if failed and error is not None:
        extra |= logs.described(error)
    logs.ACCESS.log(level, "request", extra=extra)
