"""Keys, and routes that go wrong in every way there is."""

from __future__ import annotations

import asyncio
import threading
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from recsys import errors
from recsys.serving.keys import OPERATOR, Caller, make_key
from recsys.serving.problems import not_found
from recsys.serving.service import Shared, needs

KEYS = {
    "ingest": make_key("default", ["ingest"], "shop"),
    "query": make_key("default", ["query"], "front end"),
    "admin": make_key("default", ["admin"], "boss"),
    "other": make_key("other", ["ingest", "query", "admin"], "another shop"),
    "operator": make_key(OPERATOR, ["ingest", "query", "admin"], "operator"),
    "forced": make_key("default", ["query"], "red only", forced_filter='brand = "Acme"'),
    "slow": make_key("default", ["query"], "slow", rate_per_s=0.5, burst=3),
}
ADMIN = KEYS["admin"][0]
SECRET_TEXT = "shopper-4711-likes-wine"
FAULTS = {
    "data": errors.DataError("item_id is unknown"),
    "config": errors.ConfigError("variant must be one of no-llm"),
    "unknown-plugin": errors.UnknownPlugin("no explainer of that name"),
    "prompt": errors.PromptError(SECRET_TEXT),
    "store": errors.StoreDown(SECRET_TEXT),
    "unfitted": errors.NotFittedError(SECRET_TEXT),
    "budget": errors.BudgetExceeded(SECRET_TEXT),
    "stage": errors.StageError("rerank", "causal", SECRET_TEXT),
    "model": errors.ArtifactMissing(SECRET_TEXT),
    "plugin": errors.PluginUnavailable(SECRET_TEXT),
    "missing": not_found("list"),
    "bug": KeyError(SECRET_TEXT),
}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name][0]}"}


def checked(response, status):
    """A problem that obeys RFC 9457 and ours, and says nothing of what it should not."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:recsys:problem:")
    assert body["title"]
    assert body["request_id"] == response.headers["x-request-id"]
    assert None not in body.values()
    assert SECRET_TEXT not in response.text
    assert "Traceback" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    return body


class Quiet:
    """Tenants of nobody: they say what they are told to."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}
        self.calls: list[str] = []

    def ready(self):
        return self.wrong

    async def start(self):
        self.calls.append("start")

    async def close(self):
        self.calls.append("close")


class Line(BaseModel):
    price: float = Field(ge=0, allow_inf_nan=False)
    name: str = Field("", max_length=10)


class Lines(BaseModel):
    items: list[Line]


def toys() -> APIRouter:
    router = APIRouter(prefix="/toys", dependencies=[needs("query")])

    @router.get("/fault/{name}")
    async def fault(name: str):
        raise FAULTS[name]

    @router.post("/lines")
    async def lines(body: Lines) -> int:
        return len(body.items)

    @router.get("/words/{user}")
    async def words(user: str, q: Annotated[str, Query(max_length=200)]) -> str:
        return f"{user} {q}"

    @router.get("/who")
    async def who(caller: Annotated[Caller, needs("query")]) -> dict[str, str]:
        return {"tenant": caller.tenant, "key_id": caller.key_id, "forced": caller.forced_filter}

    @router.get("/broken")
    async def broken():
        async def parts():
            yield b"half"
            raise KeyError(SECRET_TEXT)

        return StreamingResponse(parts())

    @router.get("/slow")
    async def slow(service: Shared, seconds: float = 0.2, budget_ms: float | None = None) -> str:
        return await service.gate.run(lambda: threading.Event().wait(seconds) or "done", budget_ms=budget_ms)

    @router.get("/nap")
    async def nap(seconds: float = 0.2) -> str:
        await asyncio.sleep(seconds)
        return "done"

    return router
