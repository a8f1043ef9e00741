"""Keys of the service: made once, shown once, kept as digests; and who a caller is."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

from recsys.errors import ConfigError, DataError, StoreDown
from recsys.filters import parse

Scope = Literal["ingest", "query", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_TENANT = "default"
# The tenant of operator keys: they act for whichever tenant a request names.
OPERATOR = "*"
TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
KEY_ID = "[0-9a-z]{16}"
_KEY = re.compile(rf"rk_({KEY_ID})_([A-Za-z0-9_-]{{43}})")
_ID_BYTES, _SECRET_BYTES = 8, 32
# What an unknown key is compared with, so that it takes as long as a known one.
_NOBODY = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key as it is kept. Times are epoch seconds.

    Attributes:
        digest: sha256 of the secret, in hex. The secret has 256 bits, so that nothing slower is needed.
        forced_filter: a filter's text that every query of the key is held to; "" = none.
        rate_per_s, burst: None = those of the settings.
        revoked_at: from then on the key is refused; a rotation sets it ahead, so that both keys work meanwhile.
    """

    key_id: str
    tenant: str
    name: str
    digest: str
    scopes: tuple[str, ...]
    forced_filter: str = ""
    rate_per_s: float | None = None
    burst: int | None = None
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None

    def holds(self, now: float) -> bool:
        """Whether the key may be used at ``now``."""
        return all(end is None or now < end for end in (self.expires_at, self.revoked_at))


class KeyStore(Protocol):
    """Where keys are kept. Calls may block and may come from any thread."""

    def find(self, key_id: str) -> KeyRecord | None:
        """Return the key, whatever its tenant, or None."""
        ...

    def add(self, record: KeyRecord) -> None:
        """Keep a new key."""
        ...

    def revoke(self, tenant: str, key_id: str, at: int) -> bool:
        """Let a key of a tenant end at ``at``; return False where there is none, or it ends before that anyway."""
        ...

    def every(self, tenant: str) -> Sequence[KeyRecord]:
        """Return the keys of a tenant, oldest first."""
        ...


class MemoryKeys:
    """Keys in memory: for one process without a database. They end with it."""

    def __init__(self, records: Iterable[KeyRecord] = ()) -> None:
        self._records = {record.key_id: record for record in records}
        self._lock = threading.Lock()

    def find(self, key_id: str) -> KeyRecord | None:
        """See `KeyStore`."""
        return self._records.get(key_id)

    def add(self, record: KeyRecord) -> None:
        """See `KeyStore`. Raises `DataError` where the id is taken."""
        with self._lock:
            if record.key_id in self._records:
                raise DataError("there is a key of this id")
            self._records[record.key_id] = record

    def revoke(self, tenant: str, key_id: str, at: int) -> bool:
        """See `KeyStore`."""
        with self._lock:
            record = self._records.get(key_id)
            if record is None or record.tenant != tenant or (record.revoked_at or math.inf) <= at:
                return False
            self._records[key_id] = replace(record, revoked_at=at)
            return True

    def every(self, tenant: str) -> list[KeyRecord]:
        """See `KeyStore`."""
        return [record for record in list(self._records.values()) if record.tenant == tenant]


def make_key(
    tenant: str, scopes: Sequence[str], name: str = "", *, forced_filter: str = "", rate_per_s: float | None = None,
    burst: int | None = None, expires_at: int | None = None, now: float | None = None,
) -> tuple[str, KeyRecord]:  # fmt: skip
    """Return the text of a new key, ``rk_<key_id>_<secret>``, and what is to be kept of it. The text is kept nowhere.

    Raises:
        ConfigError: a tenant, a scope, or a forced filter beside other scopes. DataError: the filter cannot be read.
    """
    if tenant != OPERATOR and not TENANT.fullmatch(tenant):
        raise ConfigError("tenant: small letters, digits, - and _, 63 at most, beginning with a letter or digit")
    if not scopes or (odd := [scope for scope in scopes if scope not in SCOPES]):
        raise ConfigError(f"scopes: one or more of {', '.join(SCOPES)}" + (f"; not {odd[0]!r}" if scopes else ""))
    if forced_filter:
        _check_forced(forced_filter, scopes)
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    record = KeyRecord(
        key_id=key_id, tenant=tenant, name=name, digest=digest_of(secret),
        scopes=tuple(scope for scope in SCOPES if scope in scopes), forced_filter=forced_filter,
        rate_per_s=rate_per_s, burst=burst, created_at=int(time.time() if now is None else now), expires_at=expires_at,
    )  # fmt: skip
    return f"rk_{key_id}_{secret}", record


def _check_forced(text: str, scopes: Sequence[str]) -> None:
    if tuple(scopes) != ("query",):
        raise ConfigError("forced_filter: only for a key whose one scope is query; others read and write past it")
    parse(text)


def first_key(keys: KeyStore, now: float) -> str | None:
    """Make an operator's key where no key could manage the service, and return its text; None where there is one."""
    for tenant in (OPERATOR, DEFAULT_TENANT):
        if any(record.holds(now) and "admin" in record.scopes for record in keys.every(tenant)):
            return None
    text, record = make_key(OPERATOR, SCOPES, "first", now=now)
    keys.add(record)
    return text


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def parts_of(text: str) -> tuple[str, str] | None:
    """Return id and secret of a key's text, or None where it is no key."""
    found = _KEY.fullmatch(text)
    return (found[1], found[2]) if found else None


def proven(record: KeyRecord | None, secret: str, now: float) -> bool:
    """Whether ``secret`` is that of a key that may be used; an unknown key takes as long to refuse as a wrong one."""
    same = hmac.compare_digest(digest_of(secret), _NOBODY if record is None else record.digest)
    return same and record is not None and record.holds(now)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request: what a route needs to know of the key.

    Attributes:
        tenant: whose data the request is about; of an operator's key, the tenant that the request names.
        forced_filter: filter's text that its queries are held to, AND their own; "" = none.
        rate: requests a second, and how many at once.
    """

    tenant: str
    key_id: str
    scopes: frozenset[str]
    forced_filter: str
    rate: tuple[float, int]
    operator: bool = False


@dataclass(frozen=True, slots=True)
class _Held:
    record: KeyRecord | None
    asked: float  # when the store said so
    until: float  # when it is to be asked again


class KeyRing:
    """Remembers keys for a moment: a request does not ask the database for what the one before it asked.

    A key that another process revokes is refused here ``keep_s`` seconds later at the latest; while the database is
    down, what was known of a key stays good for ``down_s`` seconds. Unknown ids are remembered as well, within the same
    bound of ``most`` ids.
    """

    def __init__(
        self, keys: KeyStore, keep_s: float = 5.0, down_s: float = 900.0, most: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.keys, self.keep_s, self.down_s, self.most, self.clock = keys, keep_s, down_s, most, clock
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lock = threading.Lock()

    def held(self, key_id: str) -> tuple[KeyRecord | None] | None:
        """Return what is remembered of an id, in a tuple; None where it has to be looked up. Never blocks for long."""
        found = self._held.get(key_id)
        return None if found is None or found.until < self.clock() else (found.record,)

    def look_up(self, key_id: str) -> KeyRecord | None:
        """Ask the store, and remember. Raises `StoreDown` where it cannot be asked and nothing is known."""
        now = self.clock()
        try:
            found = _Held(self.keys.find(key_id), asked=now, until=now + self.keep_s)
        except StoreDown:
            known = self._held.get(key_id)
            if known is None or known.asked + self.down_s < now:
                raise
            # Not asked again by the very next request: a database that is down takes its time to say so.
            found = replace(known, until=self.clock() + self.keep_s)
        with self._lock:
            self._held[key_id] = found
            self._held.move_to_end(key_id)
            while len(self._held) > self.most:
                self._held.popitem(last=False)
        return found.record

    def forget(self, key_id: str) -> None:
        """Ask again next time: the key was changed here."""
        with self._lock:
            self._held.pop(key_id, None)
