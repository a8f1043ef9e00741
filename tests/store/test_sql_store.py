"""The store in a database does what the one in memory does."""

from __future__ import annotations

from recsys.testing.kits.stores import StoreTests


class TestSqlStore(StoreTests):
    """On SQLite and PostgreSQL: the fixture is that of the folder."""
