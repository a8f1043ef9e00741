"""Keys of a tenant: make, list, rotate, revoke. A secret is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.convertors import StringConvertor, register_url_convertor

from recsys.serving.keys import KEY_ID, Caller, KeyRecord, Scope, make_key
from recsys.serving.problems import not_found
from recsys.serving.service import Service, Shared, needs
from recsys.types import utc

router = APIRouter(prefix="/v1/keys", tags=["keys"])
Admin = Annotated[Caller, needs("admin")]


class _Convertor(StringConvertor):
    """Ids of keys alone, so that ``/v1/keys/ID:rotate`` is not the key "ID:rotate"."""

    regex = KEY_ID


register_url_convertor("key_id", _Convertor())
KeyId = Annotated[str, Path(pattern=f"^{KEY_ID}$")]
HOUR_S = 3_600


class NewKey(BaseModel):
    """A key to be made. ``forced_filter``: a filter that every query of the key is held to, beside its own."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "web front end", "scopes": ["query"]}}
    )
    name: str = Field("", max_length=100)
    scopes: list[Scope] = Field(min_length=1, max_length=3)
    forced_filter: str = Field("", max_length=5_000)
    rate_per_s: float | None = Field(None, gt=0, le=1e6, allow_inf_nan=False)
    burst: int | None = Field(None, ge=1, le=1_000_000)
    expires_at: AwareDatetime | None = None


class Rotation(BaseModel):
    """How long the old key works beside the new one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"overlap_s": 86_400}})
    overlap_s: int = Field(HOUR_S, ge=0, le=90 * 24 * HOUR_S)


class KeyOut(BaseModel):
    """A key as it is listed. Times are epoch seconds; ``revoked_at`` may lie ahead, while a rotation lasts."""

    key_id: str
    name: str
    scopes: list[str]
    forced_filter: str
    rate_per_s: float | None
    burst: int | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None


class KeyMade(KeyOut):
    """A key that was made: ``key`` is what the client sends, and is shown this once."""

    key: str


class KeyList(BaseModel):
    """The keys of the tenant, oldest first, those that do not work any more included."""

    keys: list[KeyOut]


@router.post("", status_code=201)
async def make(body: NewKey, caller: Admin, service: Shared) -> KeyMade:
    """Make a key. It is shown once: keep it where secrets are kept."""
    expires = None if body.expires_at is None else utc(body.expires_at, "expires_at")
    text, record = make_key(
        caller.tenant, body.scopes, body.name, forced_filter=body.forced_filter, rate_per_s=body.rate_per_s,
        burst=body.burst, expires_at=expires, now=service.clock(),
    )  # fmt: skip
    await service.writes.run(service.keys.add, record)
    await _noted(service, caller, "key.make", record.key_id, {"scopes": list(record.scopes)})
    return KeyMade(key=text, **_shown(record))


@router.get("")
async def every(caller: Admin, service: Shared) -> KeyList:
    """List the keys; no secret can be shown again."""
    found = await service.writes.run(service.keys.every, caller.tenant)
    return KeyList(keys=[KeyOut(**_shown(record)) for record in found])


@router.post("/{key_id:key_id}:rotate", status_code=201)
async def rotate(key_id: KeyId, body: Rotation, caller: Admin, service: Shared) -> KeyMade:
    """Make a key like this one, which goes on working for ``overlap_s`` seconds."""
    old = await _known(service, caller, key_id)
    now = int(service.clock())
    if not old.holds(now):
        raise not_found("key that works")
    text, record = make_key(
        old.tenant, old.scopes, old.name, forced_filter=old.forced_filter, rate_per_s=old.rate_per_s,
        burst=old.burst, expires_at=old.expires_at, now=now,
    )  # fmt: skip
    await service.writes.run(service.keys.add, record)
    await _revoked(service, old, now + body.overlap_s)
    await _noted(service, caller, "key.rotate", key_id, {"new": record.key_id, "overlap_s": body.overlap_s})
    return KeyMade(key=text, **_shown(record))


@router.delete("/{key_id:key_id}")
async def revoke(key_id: KeyId, caller: Admin, service: Shared) -> KeyOut:
    """Revoke a key: this process refuses it at once, others a few seconds later."""
    await _revoked(service, await _known(service, caller, key_id), int(service.clock()))
    await _noted(service, caller, "key.revoke", key_id, {})
    return KeyOut(**_shown(await _known(service, caller, key_id)))


async def _known(service: Service, caller: Caller, key_id: str) -> KeyRecord:
    """Return a key of the caller's tenant; another tenant's is as unknown as one that was never made."""
    record = await service.writes.run(service.keys.find, key_id)
    if record is None or record.tenant != caller.tenant:
        raise not_found("key")
    return record


async def _revoked(service: Service, record: KeyRecord, at: int) -> None:
    await service.writes.run(service.keys.revoke, record.tenant, record.key_id, at)
    service.ring.forget(record.key_id)


async def _noted(service: Service, caller: Caller, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    if service.audit is not None:
        await service.writes.run(service.audit, caller.tenant, caller.key_id, action, subject, detail)


def _shown(record: KeyRecord) -> dict[str, Any]:
    names = set(KeyOut.model_fields)
    return {name: value for name, value in asdict(record).items() if name in names}
