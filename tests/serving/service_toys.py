"""A service over the small shop, asked in the process itself, with a key for each scope."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.serving.app import create_app
from recsys.serving.keys import SCOPES, MemoryKeys, make_key
from recsys.serving.settings import ServiceConfig
from recsys.serving.tenant import Tenant
from recsys.serving.tenants import Tenants
from recsys.serving.tokens import Signer
from recsys.testing.worlds import DAY, small_shop

SECRET = "0123456789abcdef0123456789abcdef"
CONFIG = ServiceConfig.of({"secret": SECRET, "rate": {"per_s": 1e5, "burst": 100_000}, "queue": {"budget_ms": 30_000}})
ENGINE = EngineConfig.of(
    {
        "candidates": {"transitions": {}, "attributes": {}, "popularity": {"n": 30}},
        "variants": {"fused": {}, "popular": {"candidates": ["popularity"]}}, "variant": "fused",
    }
)  # fmt: skip
NOW = int(small_shop().log.events.times.max()) + DAY


def fitted(config: EngineConfig = ENGINE) -> Engine:
    return Engine(config).fit(small_shop())


class Shop:
    """A client for each scope: ``shop.query.post("/v1/recommend", json={...})``."""

    def __init__(self, app: FastAPI, client: TestClient, texts: dict[str, str], tenant: Tenant) -> None:
        self.app, self.client, self.texts, self.tenant = app, client, texts, tenant

    @property
    def engine(self) -> Engine:
        return self.tenant.engine

    def _sent(self, scope: str, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.texts[scope]}", **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def ask(self, path: str, body: Any = None, method: str = "POST", status: int = 200, **more: Any) -> Any:
        """Answer of a call with the key that asks."""
        return self._json("query", path, body, method, status, **more)

    def tell(self, path: str, body: Any = None, method: str = "POST", status: int = 200, **more: Any) -> Any:
        """Answer of a call with the key that tells."""
        return self._json("ingest", path, body, method, status, **more)

    def rule(self, path: str, body: Any = None, method: str = "POST", status: int = 200, **more: Any) -> Any:
        """Answer of a call with the key that administers."""
        return self._json("admin", path, body, method, status, **more)

    def _json(self, scope: str, path: str, body: Any, method: str, status: int, **more: Any) -> Any:
        given = {} if body is None else {"json": body}
        answer = self._sent(scope, method, path, **given, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@contextlib.contextmanager
def serving(engine: Engine | None = None, config: ServiceConfig = CONFIG, **more: Any) -> Iterator[Shop]:
    """Serve an engine and yield its clients."""
    made = {scope: make_key("default", [scope]) for scope in SCOPES}
    keys = MemoryKeys(record for _, record in made.values())
    tenant = Tenant("default", engine or fitted(), Signer(SECRET.encode()), **more)
    app = create_app(config, tenants=Tenants.of(tenant), keys=keys)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Shop(app, client, {scope: text for scope, (text, _) in made.items()}, tenant)


def ids(body: dict[str, Any]) -> list[str]:
    return [row["item_id"] for row in body["items"]]
