"""`create_app`: the service as one ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from recsys import __version__
from recsys.serving import openapi, problems, routes
from recsys.serving.front import REQUEST_ID, Caught, Front
from recsys.serving.intake import Bodies, Upload
from recsys.serving.keys import KeyStore
from recsys.serving.service import Lives, Service
from recsys.serving.settings import ServiceConfig


def create_app(
    config: ServiceConfig, *, tenants: Lives, keys: KeyStore, routers: Iterable[APIRouter] = (),
    uploads: Mapping[str, Upload] | None = None,
    audit: Callable[[str, str, str, str, Mapping[str, Any]], None] | None = None,
) -> FastAPI:  # fmt: skip
    """Return the application.

    Args:
        config: the settings. keys: where keys are kept.
        tenants: what answers; it is started and closed with the application, ``request.app.state.service.tenants``.
        routers: more of them, beside those of `recsys.serving.routes`.
        uploads: paths that take something else than JSON of usual size.
        audit: is told what administrators do, see `Service.audit`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service: Service = app.state.service
        await tenants.start()
        try:
            yield
        finally:
            service.draining = True
            for gate in (service.gate, service.writes):
                await gate.close(config.stop_s)
            await asyncio.to_thread(service.refits.stop)
            await tenants.close()

    app = FastAPI(
        title="recsys", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        redirect_slashes=False,  # the redirect would name the host that the client claims to have asked
        description=openapi.DESCRIPTION, separate_input_output_schemas=False,
        generate_unique_id_function=openapi.operation_id,
    )  # fmt: skip
    service = app.state.service = Service.of(config, tenants, keys, audit=audit)
    every = (*_routers(config), *routers)
    problems.install(app, every)
    uploads = {**_page_uploads(config), **(uploads or {})}
    for router in every:
        app.include_router(router)
    # The last one added is the outermost.
    app.add_middleware(Caught, bodies=Bodies(config.limits, uploads))
    if config.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(config.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"], max_age=600,
            allow_headers=["Authorization", "Content-Type", REQUEST_ID],
            expose_headers=[REQUEST_ID, "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
        )  # fmt: skip
    app.add_middleware(Front, metrics=service.metrics, traces=service.traces)
    openapi.install(app)
    return app


def _routers(config: ServiceConfig) -> list[APIRouter]:
    """Return the ``router`` of every module of `recsys.serving.routes`; that of the page only where it is wanted."""
    names = sorted(module.name for module in iter_modules(routes.__path__))
    found = [import_module(f"{routes.__name__}.{name}") for name in names if config.demo or name != "page"]
    return [module.router for module in found if hasattr(module, "router")]


def _page_uploads(config: ServiceConfig) -> Mapping[str, Upload]:
    found: Mapping[str, Upload] = import_module(f"{routes.__name__}.page").UPLOADS if config.demo else {}
    return found
