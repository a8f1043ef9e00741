"""One counter a tenant: it numbers all that is written and puts the writers of a tenant in a line.

A transaction that writes takes its numbers first. Until it ends, others of the same tenant wait for theirs, so numbers
are stored in their order: whoever has read up to number n has missed nothing before it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select

from recsys.store.sql.database import Database
from recsys.store.sql.schema import VERSIONS

SEQ = "seq"


class Counters:
    """Numbers of one tenant, and for parts of the shop the number at which each last changed."""

    def __init__(self, database: Database, tenant: str) -> None:
        self.tenant = tenant
        base = database.insert(VERSIONS).values(tenant=tenant, name=bindparam("n"), value=bindparam("v"))
        key = ["tenant", "name"]
        more = {"value": VERSIONS.c.value + bindparam("v")}
        self._add = base.on_conflict_do_update(index_elements=key, set_=more).returning(VERSIONS.c.value)
        self._mark = base.on_conflict_do_update(index_elements=key, set_={"value": bindparam("v")})
        mine = VERSIONS.c.tenant == tenant
        self._all = select(VERSIONS.c.name, VERSIONS.c.value).where(mine)
        self._one = select(VERSIONS.c.value).where(mine, VERSIONS.c.name == bindparam("n"))

    def take(self, connection: Connection, n: int = 1) -> int:
        """Return the first of ``n`` new numbers and keep other writers of the tenant out until the transaction ends."""
        return self.add(connection, SEQ, n) - n + 1

    def add(self, connection: Connection, name: str, by: int) -> int:
        """Return a counter after ``by`` was added to it."""
        value: int = connection.execute(self._add, {"n": name, "v": by}).scalar_one()
        return value

    def mark(self, connection: Connection, name: str, number: int) -> None:
        """Say that part ``name`` changed with ``number``."""
        connection.execute(self._mark, {"n": name, "v": number})

    def all(self, connection: Connection) -> dict[str, int]:
        """Return the numbers by name; what never changed is not among them."""
        rows: Any = connection.execute(self._all)
        return dict(map(tuple, rows))

    def one(self, connection: Connection, name: str) -> int:
        """Return one number, 0 if there is none."""
        return connection.execute(self._one, {"n": name}).scalar() or 0
