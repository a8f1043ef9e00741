"""Who may ask: keys of the service, of which the database holds a digest and never the secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from recsys.errors import DataError
from recsys.store.sql.database import Database
from recsys.store.sql.rows import columns_of, value_of
from recsys.store.sql.schema import KEYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key; times are epoch seconds. ``forced_filter`` is any value of JSON that the service understands."""

    key_id: str
    tenant: str
    name: str
    digest: str
    scopes: tuple[str, ...]
    created_at: int
    forced_filter: Any = None
    rate_per_s: float | None = None
    burst: int | None = None
    expires_at: int | None = None
    revoked_at: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scopes", tuple(self.scopes))

    def valid(self, now: int) -> bool:
        """Return whether the key is neither revoked nor expired by epoch second ``now``."""
        return all(end is None or now < end for end in (self.revoked_at, self.expires_at))


class Keys:
    """The keys of all tenants: only a key says whose caller it is."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, key: Key) -> None:
        """Keep a new key.

        Raises:
            DataError: there is one of that ``key_id``, or an id cannot be one.
        """
        row = columns_of(key, ("key_id", "tenant", *(("name",) if key.name else ())))
        with self.database.begin() as connection:
            done = connection.execute(self.database.insert(KEYS).on_conflict_do_nothing(), row)
            if not done.rowcount:
                raise DataError(f"key_id {key.key_id!r} is taken")

    def find(self, key_id: str) -> Key | None:
        """Return the key of that id, valid or not; None if there is none."""
        with self.database.read() as connection:
            found = connection.execute(select(KEYS).where(KEYS.c.key_id == key_id)).mappings().first()
        return None if found is None else value_of(Key, found)

    def revoke(self, tenant: str, key_id: str, at: int) -> bool:
        """End a key of a tenant at epoch second ``at``; return whether there was one that did not end before.

        A moment ahead lets both keys of a rotation work meanwhile; it can be brought forward, and not put off.
        """
        later = KEYS.c.revoked_at.is_(None) | (KEYS.c.revoked_at > at)
        mine = (KEYS.c.tenant == tenant, KEYS.c.key_id == key_id, later)
        with self.database.begin() as connection:
            return bool(connection.execute(update(KEYS).where(*mine).values(revoked_at=at)).rowcount)

    def every(self, tenant: str) -> list[Key]:
        """Return all keys of a tenant, oldest first."""
        query = select(KEYS).where(KEYS.c.tenant == tenant).order_by(KEYS.c.created_at, KEYS.c.key_id)
        with self.database.read() as connection:
            return [value_of(Key, row) for row in connection.execute(query).mappings()]
