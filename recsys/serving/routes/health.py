"""Whether the service lives, whether it can answer, and what it counted."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel

from recsys import __version__
from recsys.serving.keys import Caller
from recsys.serving.metrics import CONTENT_TYPE
from recsys.serving.problems import Problem
from recsys.serving.service import Shared, needs

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """That all is well."""

    status: str = "ok"
    version: str = __version__


@router.get("/health/live")
async def live() -> Health:
    """Whether the process runs; where this fails, it should be started again."""
    return Health()


@router.get("/health/ready")
async def ready(service: Shared) -> Health:
    """Whether requests should be sent here: the store can be reached, a bundle is loaded, and nothing is stopping."""
    parts = dict(await asyncio.to_thread(service.tenants.ready))
    if service.draining:
        parts["service"] = "stopping"
    if parts:
        raise Problem(
            503, "not-ready", "The service is not ready", "send requests elsewhere", extra={"parts": parts},
            headers={"Retry-After": "5"},
        )  # fmt: skip
    return Health()


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: Shared, _: Annotated[Caller, needs("admin")]) -> Response:
    """Counts and times in Prometheus' text format."""
    return Response(await asyncio.to_thread(service.metrics.text), headers={"Content-Type": CONTENT_TYPE})
