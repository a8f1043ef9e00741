"""One shop, asked in three ways: the engine itself, a client of a service over it, and the client that is awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import httpx
from fastapi.testclient import TestClient

from recsys import Client, Engine
from recsys.client import AsyncClient
from recsys.result import Result
from recsys.serving.app import create_app
from recsys.serving.keys import MemoryKeys, make_key
from recsys.serving.settings import ServiceConfig
from recsys.serving.tenant import Tenant
from recsys.serving.tenants import Tenants
from recsys.serving.tokens import Signer

SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = ServiceConfig.of({"secret": SECRET, "rate": {"per_s": 1e5, "burst": 100_000}, "queue": {"budget_ms": 30_000}})
URL = "http://testserver"
WAYS = ("engine", "client", "async")


class World(NamedTuple):
    """``api`` is what is asked, ``engine`` what answers in the end."""

    api: Any
    engine: Engine
    tenant: Tenant | None = None


class Inside(httpx.BaseTransport):
    """Hands each request to starlette's client, which asks the app in this process."""

    def __init__(self, inside: TestClient) -> None:
        self.inside = inside

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.inside.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers)
        )
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


class Awaited:
    """An `AsyncClient` whose methods are waited for."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client, self._runner = client, runner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **named: self._runner.run(method(*args, **named))


@contextlib.contextmanager
def served(engine: Engine, scopes: Sequence[str] = ("query", "ingest"), **more: Any) -> Iterator[tuple[Any, str, Any]]:
    """Serve an engine in this process; yield the app's client of starlette, a key, and the tenant."""
    key, record = make_key("default", scopes, **more)
    tenant = Tenant("default", engine, Signer(SECRET.encode()))
    app = create_app(CONFIG, tenants=Tenants.of(tenant), keys=MemoryKeys([record]))
    with TestClient(app, raise_server_exceptions=False) as inside:
        yield inside, key, tenant


@contextlib.contextmanager
def asked(way: str, engine: Engine, **more: Any) -> Iterator[World]:
    """Yield the shop as it is asked in one of `WAYS`."""
    if way == "engine":
        yield World(engine, engine)
        return
    with served(engine, **more) as (inside, key, tenant):
        if way == "client":
            with Client(URL, key, transport=Inside(inside)) as client:
                yield World(client, engine, tenant)
            return
        with asyncio.Runner() as runner:
            client = AsyncClient(URL, key, transport=httpx.ASGITransport(inside.app, raise_app_exceptions=False))
            yield World(Awaited(client, runner), engine, tenant)
            runner.run(client.close())


def bare(value: Any) -> Any:
    """The value without what the clock said."""
    if isinstance(value, list):
        return [bare(one) for one in value]
    if not isinstance(value, Result):
        return value
    stages = tuple(replace(stage, took_ms=0.0) for stage in value.trace.stages)
    return replace(value, trace=replace(value.trace, stages=stages))
