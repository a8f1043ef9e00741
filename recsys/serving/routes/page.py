"""The page that explains the lists, and what it alone asks for. Only where ``demo`` is set.

Its files and its session are open to whoever can load it, the rest wants the key that the session hands over.
"""

from __future__ import annotations

import asyncio
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from recsys.engine import Engine
from recsys.serving import page_data, uploads
from recsys.serving.calls import tenant_of
from recsys.serving.intake import JSON, Upload
from recsys.serving.keys import DEFAULT_TENANT, Caller
from recsys.serving.pictures import picture
from recsys.serving.problems import Problem, not_found
from recsys.serving.service import Service, Shared, needs
from recsys.serving.shapes.base import Id, Moment, Shape, UserId
from recsys.serving.showcase import Made, Showcase, Stall

router = APIRouter(tags=["page"], include_in_schema=False)
Asks = Annotated[Caller, needs("query")]
UPLOADS = {"/demo/upload": Upload(frozenset((JSON,)), uploads.MOST_BYTES)}
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
# No script, style or picture but those of this very service, and nothing that is written into the page itself.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@cache
def _file(name: str) -> bytes | None:
    place = files("recsys") / "serving" / "page" / name
    return place.read_bytes() if place.is_file() else None


def _sent(name: str) -> Response:
    content = _file(name)
    if content is None:
        raise not_found("file")
    media = f"{TYPES[name.rpartition('.')[2]]}; charset=utf-8"
    return Response(content, media_type=media, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})


@router.get("/")
async def page() -> Response:
    """Return the page."""
    return _sent("index.html")


@router.get("/page/{name}")
async def file(name: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]*\.(css|js|svg)$", max_length=64)]) -> Response:
    """Return a file of the page."""
    return _sent(name)


def showcase_of(service: Service, request: Request) -> Showcase:
    """Return the shops on show: those of `recsys.serving.demo`, else the one shop of the service."""
    state = request.app.state
    if not hasattr(state, "showcase"):
        state.showcase = Showcase(service.signer)
    shown: Showcase = state.showcase
    return shown


def _stall(service: Service, request: Request, name: str | None) -> Stall:
    shown = showcase_of(service, request)
    if not shown.stalls:
        tenant = service.tenants.get(DEFAULT_TENANT)
        shown.adopt(shown.offer(tenant.name, "The shop", lambda tell: Made(tenant.engine)), Made(tenant.engine), tenant)
    stall = shown.stalls.get(name or next(iter(shown.stalls)))
    if stall is None:
        raise not_found("shop")
    return stall


def _check_ours(request: Request, service: Service) -> None:
    """Refuse pages of other sites: the session holds a key. A name that was made to point here is another site, too."""
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    local = service.config.host in LOOPBACK
    if foreign or (local and request.url.hostname not in LOOPBACK):
        raise Problem(403, "origin", "The page may not be used from there", "open the address that the service printed")


@router.get("/demo/session")
async def session(request: Request, service: Shared, shop: Id | None = None) -> Any:
    """Return what the page has to know of a shop, with a key; of one that is still being made, how far it is."""
    _check_ours(request, service)

    def made() -> dict[str, Any]:
        stall, shown = _stall(service, request, shop), showcase_of(service, request)
        key = shown.key(stall, service.keys) if stall.state == "ready" else ""
        return page_data.session(shown, stall, key, service.config.queue.budget_ms)

    return await asyncio.to_thread(made)


async def _engine(service: Service, caller: Caller) -> Engine:
    return (await tenant_of(service, caller)).engine


@router.get("/demo/history")
async def history(
    caller: Asks, service: Shared, user_id: UserId | None = None, anonymous_id: Id | None = None,
    now: Annotated[Moment | None, Query()] = None,
) -> Any:  # fmt: skip
    """Return what somebody did, the latest first."""
    engine = await _engine(service, caller)
    return await service.writes.run(page_data.history, engine, user_id, anonymous_id, now)


@router.get("/demo/review/{review_id:path}")
async def review(review_id: Id, caller: Asks, service: Shared) -> Any:
    """Return the text of a review, without its author."""
    return await service.writes.run(page_data.review, await _engine(service, caller), review_id)


@router.get("/demo/picture/{item_id:path}.svg")
async def drawn(item_id: Id, request: Request, service: Shared, shop: Id | None = None) -> Response:
    """Return the picture of a product, drawn by its category and brand."""
    stall = _stall(service, request, shop)
    if stall.tenant is None:
        raise not_found("shop")
    items = stall.tenant.engine.store.items()
    row = int(items.vocabulary.rows([item_id])[0])
    if row < 0:
        raise not_found("item")
    text = picture(item_id, items.brands[row], items.categories[row])
    return Response(text, media_type=TYPES["svg"], headers={"Cache-Control": "max-age=3600"})


class UploadIn(Shape):
    """Files as text: what happened in a shop, and its products where they are in a file of their own."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    events: Annotated[str, Field(min_length=1)]
    items: str | None = None


class Begun(Shape):
    """The shop that is being made; the session tells how far it is."""

    shop: str


@router.post("/demo/upload", status_code=202)
async def upload(body: UploadIn, _: Annotated[Caller, needs("ingest")], request: Request, service: Shared) -> Begun:
    """Read files and show the shop that they hold."""
    stall = showcase_of(service, request).bring(body.name, uploads.maker(body.events, body.items))
    return Begun(shop=stall.name)


@router.post("/demo/shops/{name}", status_code=202)
async def open_shop(name: Id, _: Annotated[Caller, needs("ingest")], request: Request, service: Shared) -> Begun:
    """Begin to make a shop that is on offer."""
    try:
        return Begun(shop=showcase_of(service, request).prepare(name).name)
    except KeyError as error:
        raise not_found("shop") from error
