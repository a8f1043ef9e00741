"""Service: what the routes of one app share, and `needs`, by which each of them says who may call it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request, Security
from fastapi.params import Security as SecurityParam
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from recsys.result import Trace
from recsys.serving.gate import Gate
from recsys.serving.keys import (
    DEFAULT_TENANT,
    OPERATOR,
    TENANT,
    Caller,
    KeyRecord,
    KeyRing,
    KeyStore,
    Scope,
    parts_of,
    proven,
)
from recsys.serving.metrics import Metrics
from recsys.serving.problems import Problem
from recsys.serving.rates import Buckets
from recsys.serving.refit import Running
from recsys.serving.settings import ServiceConfig
from recsys.serving.tokens import Signer
from recsys.serving.traces import Traces, traces_of

TENANT_HEADER = "X-Tenant"
BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", bearerFormat="rk_<id>_<secret>", description="A key.")


class Lives(Protocol):
    """What the app asks of what holds the tenants' engines; routes know it by its own type."""

    def ready(self) -> Mapping[str, str]:
        """Return what keeps the service from answering, by part, in words without personal data; {} = ready."""
        ...

    async def start(self) -> None:
        """Begin: called once, on the event loop that serves."""
        ...

    async def close(self) -> None:
        """End: called once, after the last request."""
        ...


@dataclass(kw_only=True)
class Service:
    """One process of the service: what its routes share.

    Attributes:
        gate: for calls of engines. writes: for what waits for a disk: events, items, keys.
        refits: fits that run beside the service.
        draining: whether the service is about to stop; it is not ready any more, and still serves.
        audit: is told what an administrator did: (tenant, key id, action, subject, detail).
    """

    config: ServiceConfig
    tenants: Any
    keys: KeyStore
    metrics: Metrics
    traces: Traces
    signer: Signer
    ring: KeyRing
    gate: Gate
    writes: Gate
    buckets: Buckets = field(default_factory=Buckets)
    refits: Running = field(default_factory=Running)
    audit: Callable[[str, str, str, str, Mapping[str, Any]], None] | None = None
    draining: bool = False
    clock: Callable[[], float] = time.time

    @classmethod
    def of(
        cls, config: ServiceConfig, tenants: Lives, keys: KeyStore, *,
        audit: Callable[[str, str, str, str, Mapping[str, Any]], None] | None = None,
    ) -> Service:  # fmt: skip
        """Build what the settings ask for."""
        metrics = Metrics()

        def gate(name: str, threads: int) -> Gate:
            return Gate(
                threads, config.queue.waiting, config.queue.budget_ms,
                on_shed=lambda reason: metrics.shed(name, reason), on_depth=lambda n: metrics.depth(name, n),
            )  # fmt: skip

        return cls(
            config=config, tenants=tenants, keys=keys, metrics=metrics, traces=traces_of(config.traces),
            signer=Signer(config.key() or secrets.token_bytes(32)), ring=KeyRing(keys),
            gate=gate("query", config.threads), writes=gate("write", config.threads), audit=audit,
        )  # fmt: skip

    def seen(self, trace: Trace) -> None:
        """Count and trace what one call of an engine did."""
        self.metrics.called(trace)
        self.traces.called(trace)

    async def caller(self, text: str | None, scope: str, tenant: str | None) -> Caller:
        """Return who holds the key ``text``.

        Raises:
            Problem: 401 without a key that may be used; 403 where it may not do this; 400 for a wrong tenant.
        """
        parts = None if text is None else parts_of(text)
        if parts is None:
            raise _no_key("send Authorization: Bearer rk_..." if text is None else "this is no key of this service")
        key_id, secret = parts
        held = self.ring.held(key_id)
        record = held[0] if held is not None else await asyncio.to_thread(self.ring.look_up, key_id)
        if not proven(record, secret, self.clock()) or record is None:
            raise _no_key("the key is unknown, expired or revoked")
        if scope not in record.scopes:
            raise Problem(403, "scope", "The key may not do this", f"this needs a key with the scope {scope}")
        return self._of(record, tenant)

    def _of(self, record: KeyRecord, named: str | None) -> Caller:
        operator, tenant = record.tenant == OPERATOR, record.tenant
        if operator:
            tenant = named or DEFAULT_TENANT
            if not TENANT.fullmatch(tenant):
                raise Problem(400, "tenant", "The tenant cannot be", "small letters, digits, - and _", field="X-Tenant")
        elif named is not None and named != tenant:
            raise Problem(
                403, "tenant", "The key may not do this", "only the key of an operator may name another tenant",
                field=TENANT_HEADER,
            )  # fmt: skip
        usual = self.config.rate
        rate = (record.rate_per_s or usual.per_s, record.burst or usual.burst)
        return Caller(tenant, record.key_id, frozenset(record.scopes), record.forced_filter, rate, operator)

    def counted(self, caller: Caller) -> dict[str, str]:
        """Take a token of the caller's bucket and return the headers that say what is left. Raises `Problem` 429."""
        standing = self.buckets.take(caller.key_id, caller.rate)
        if standing.wait_s:
            raise standing.problem()
        return standing.headers()


def _no_key(detail: str) -> Problem:
    return Problem(401, "no-key", "A key is needed", detail, headers={"WWW-Authenticate": 'Bearer realm="recsys"'})


def service_of(request: Request) -> Service:
    """Return what the routes share; as a parameter of a route: ``service: Shared``."""
    service: Service = request.app.state.service
    return service


Shared = Annotated[Service, Depends(service_of)]


async def _checked(
    request: Request, scopes: SecurityScopes, given: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
) -> Caller:
    service, (scope,) = service_of(request), scopes.scopes
    tenant = request.headers.get(TENANT_HEADER)
    caller = await service.caller(None if given is None else given.credentials, scope, tenant)
    request.state.caller = caller
    request.state.headers = service.counted(caller)
    return caller


def needs(scope: Scope) -> SecurityParam:
    """Return the dependency of a route that wants a key with ``scope``; its value is the `Caller`.

    >>> async def route(caller: Annotated[Caller, needs("query")], service: Shared): ...  # doctest: +SKIP
    """
    found: SecurityParam = Security(_checked, scopes=[scope])
    return found
