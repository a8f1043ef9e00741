"""From a request to a tenant's answer: what the routes of lists and events have in common."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from recsys.serving.asking import Call
from recsys.serving.keys import Caller
from recsys.serving.problems import not_found
from recsys.serving.service import Service
from recsys.serving.tenant import Tenant


async def tenant_of(service: Service, caller: Caller) -> Tenant:
    """Return the tenant of a caller. Raises `Problem` 404 where an operator names one that is not there."""
    held: Tenant | None = service.tenants.held(caller.tenant)
    if held is not None:
        return held
    try:
        opened: Tenant = await asyncio.to_thread(service.tenants.get, caller.tenant)
    except KeyError as error:
        raise not_found("tenant") from error
    return opened


async def asked(
    service: Service, caller: Caller, work: Callable[..., dict[str, Any]], *args: Any, timeout_ms: float | None = None
) -> dict[str, Any]:
    """Return ``work(call, *args, budget_ms=...)``, done in a thread of the gate within the time that there is.

    Raises:
        Problem: 503 where the queue is full or the wait would take longer than that.
    """
    begun = time.perf_counter()
    call = Call(tenant=await tenant_of(service, caller), forced=caller.forced_filter, begun=begun, seen=service.seen)
    return await service.gate.ask(work, call, *args, budget_ms=timeout_ms)


async def told(service: Service, caller: Caller, work: Callable[..., Any], *args: Any) -> Any:
    """Return ``work(tenant, *args)``, done in a thread of the gate for what waits for a disk."""
    return await service.writes.run(work, await tenant_of(service, caller), *args)
