"""What the thin classes over single tables share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from sqlalchemy import Select, Table, select

from recsys.errors import DataError
from recsys.store.sql.counters import Counters
from recsys.store.sql.database import Database
from recsys.store.sql.schema import checked
from recsys.types import now_seconds

R = TypeVar("R")


class Rows:
    """The rows of one tenant in one table."""

    table: Table

    def __init__(self, database: Database, tenant: str = "default", *, clock: Callable[[], int] = now_seconds) -> None:
        self.database, self.tenant, self.clock = database, checked(tenant, "tenant"), clock
        self._counters = Counters(database, tenant)

    def _mine(self, *columns: Any) -> Select[Any]:
        return select(*(columns or (self.table,))).where(self.table.c.tenant == self.tenant)

    def _one(self, of: type[R], query: Select[Any]) -> R | None:
        with self.database.read() as connection:
            found = connection.execute(query).mappings().first()
        return None if found is None else value_of(of, found)

    def _every(self, of: type[R], query: Select[Any]) -> list[R]:
        with self.database.read() as connection:
            return [value_of(of, row) for row in connection.execute(query).mappings()]


def value_of(of: type[R], row: Mapping[Any, Any]) -> R:
    """Return a row as a dataclass whose fields are named like columns."""
    return of(**{f.name: row[f.name] for f in fields(of) if f.name in row})  # type: ignore[arg-type]


def columns_of(value: Any, ids: tuple[str, ...]) -> dict[str, Any]:
    """Return a dataclass as columns.

    Raises:
        DataError: one of ``ids`` that is not None cannot be an id.
    """
    out = asdict(value)
    for name in ids:
        if out[name] is not None:
            checked(out[name], name)
    return out


def checked_count(limit: int, field: str = "limit") -> int:
    """Return a count of rows.

    Raises:
        DataError: it is negative.
    """
    if limit < 0:
        raise DataError(f"{field} must not be negative, got {limit}")
    return limit
