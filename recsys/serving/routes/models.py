"""Models: activate, shadow, rollback, refit; and how experiments stand."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter

from recsys.serving import models
from recsys.serving.calls import told
from recsys.serving.keys import Caller
from recsys.serving.service import Shared, needs
from recsys.serving.shapes.base import Name
from recsys.serving.shapes.models import ActivateIn, JobOut, ModelsOut, RefitIn, ReportOut, VersionIn

router = APIRouter(prefix="/v1", tags=["models"])
Rules = Annotated[Caller, needs("admin")]
Model = Literal["default"]


@router.get("/models", response_model=ModelsOut)
async def every(caller: Rules, service: Shared) -> Any:
    """Return the bundles, what serves, how the shadow compares so far (in this process), and the latest fits."""
    return await told(service, caller, models.every)


@router.post("/models/{name}:activate", response_model=ModelsOut)
async def activate(name: Model, body: VersionIn, caller: Rules, service: Shared) -> Any:
    """Serve a bundle: every process follows within a second, and no request is lost or answered by two bundles."""
    answer = await told(service, caller, models.activate, body.version, caller.key_id)
    await _brought(service, caller)
    return answer


@router.post("/models/{name}:shadow", response_model=ModelsOut)
async def shade(name: Model, body: ActivateIn, caller: Rules, service: Shared) -> Any:
    """Run a bundle beside the one that serves and compare their lists; without a version, end that."""
    await told(service, caller, models.shade, body.version, caller.key_id)
    await _brought(service, caller)
    return await told(service, caller, models.every)


@router.post("/models/{name}:rollback", response_model=ModelsOut)
async def rollback(name: Model, caller: Rules, service: Shared) -> Any:
    """Serve the bundle that served before."""
    answer = await told(service, caller, models.rollback, caller.key_id)
    await _brought(service, caller)
    return answer


@router.post("/models/{name}:refit", status_code=202, response_model=JobOut)
async def refit(name: Model, body: RefitIn, caller: Rules, service: Shared) -> Any:
    """Learn anew from all that the store holds, in a process of its own; ``GET /v1/models`` shows its progress."""
    config = service.config
    return await told(
        service, caller, models.refit, service.refits, config.database, config.engine, body.activate, caller.key_id
    )


@router.get("/experiments/{name}/report", response_model=ReportOut)
async def report(name: Name, caller: Rules, service: Shared) -> Any:
    """Return what the shoppers of each arm did, with intervals and corrected tests."""
    return await told(service, caller, models.experiment, name)


async def _brought(service: Shared, caller: Caller) -> None:
    """Bring this process at once to what was written; the others follow."""
    await told(service, caller, service.tenants.bring)
