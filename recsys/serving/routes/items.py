"""``/v1/items``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response

from recsys.serving import ingest
from recsys.serving.calls import told
from recsys.serving.keys import Caller
from recsys.serving.problems import not_found
from recsys.serving.service import Shared, needs
from recsys.serving.shapes.base import PathId
from recsys.serving.shapes.items import ItemChanges, ItemFields, ItemOut, ItemsIn, ItemsOut, WithdrawIn, WithdrawOut

router = APIRouter(prefix="/v1", tags=["items"])
Sends = Annotated[Caller, needs("ingest")]
Asks = Annotated[Caller, needs("query")]


@router.post("/items:batch", response_model=ItemsOut)
async def put_many(body: ItemsIn, caller: Sends, service: Shared) -> Any:
    """Add or replace at most 1,000 items, each judged by itself. They are found and recommended at once."""
    return await told(service, caller, ingest.put_items, body)


@router.post("/items:withdraw", response_model=WithdrawOut)
async def withdraw_many(body: WithdrawIn, caller: Sends, service: Shared) -> Any:
    """Take at most 1,000 items off the shelf: all of them, or none where one is not known."""
    return await told(service, caller, ingest.withdraw_many, body)


@router.put("/items/{item_id}", response_model=ItemOut)
async def put(item_id: PathId, body: ItemFields, caller: Sends, service: Shared) -> Any:
    """Add an item, or replace what was known of it; one that was taken off the shelf is back."""
    return await told(service, caller, ingest.put_item, item_id, body)


@router.patch("/items/{item_id}", response_model=ItemOut)
async def patch(item_id: PathId, body: ItemChanges, caller: Sends, service: Shared) -> Any:
    """Change the fields that are given and leave the others; null takes a value away."""
    return await told(service, caller, ingest.change_item, item_id, body)


@router.delete("/items/{item_id}", status_code=204)
async def withdraw(item_id: PathId, caller: Sends, service: Shared) -> Response:
    """Take an item off the shelf: it is shown no more, and events on it still count."""
    await told(service, caller, ingest.withdraw, item_id)
    return Response(status_code=204)


@router.get("/items/{item_id}", response_model=ItemOut)
async def get(item_id: PathId, caller: Asks, service: Shared) -> Any:
    """Return what is known of an item."""
    found = await told(service, caller, ingest.item, item_id)
    if found is None:
        raise not_found("item")
    return found
