"""Keys of the service in its database."""

from __future__ import annotations

from dataclasses import fields

from recsys.serving.keys import KeyRecord
from recsys.store.sql.database import Database
from recsys.store.sql.keys import Key, Keys


class SqlKeys:
    """The keys of all tenants, as `recsys.serving.keys.KeyStore`."""

    def __init__(self, database: Database) -> None:
        self._keys = Keys(database)

    def find(self, key_id: str) -> KeyRecord | None:
        """See `KeyStore`. Raises `StoreDown`, like all others here."""
        found = self._keys.find(key_id)
        return None if found is None else _record(found)

    def add(self, record: KeyRecord) -> None:
        """See `KeyStore`."""
        values = {field.name: getattr(record, field.name) for field in fields(KeyRecord)}
        self._keys.add(Key(**{**values, "forced_filter": record.forced_filter or None}))

    def revoke(self, tenant: str, key_id: str, at: int) -> bool:
        """See `KeyStore`."""
        return self._keys.revoke(tenant, key_id, at)

    def every(self, tenant: str) -> list[KeyRecord]:
        """See `KeyStore`."""
        return [_record(found) for found in self._keys.every(tenant)]


def _record(found: Key) -> KeyRecord:
    values = {field.name: getattr(found, field.name) for field in fields(KeyRecord)}
    return KeyRecord(**{**values, "forced_filter": found.forced_filter or ""})
