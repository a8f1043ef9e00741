"""The items of one tenant: kept in memory as a table, stored as a row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, select, update

from recsys.dataset import ItemTable
from recsys.errors import DataError
from recsys.store.records import item_record, parse, without_defaults
from recsys.store.sql.database import Database
from recsys.store.sql.schema import ITEMS, checked
from recsys.types import Item, ItemRows

CHANGED = "items"


@dataclass(frozen=True, slots=True)
class Shelf:
    """The table as it is once everything up to number ``seen`` is in it."""

    table: ItemTable
    seen: int


class Catalogue:
    """Reads and writes items; whoever calls keeps the `Shelf` and lets one thread at a time change it.

    A row never changes its number: new items get the next ones, in the order of the writers.
    """

    def __init__(self, database: Database, tenant: str) -> None:
        self._tenant = tenant
        mine = (ITEMS.c.tenant == tenant, ITEMS.c.version > bindparam("seen"))
        columns = (ITEMS.c.row, ITEMS.c.item_id, ITEMS.c.record, ITEMS.c.available)
        self._later = select(*columns).where(*mine).order_by(ITEMS.c.row)
        self._numbers = select(ITEMS.c.row, ITEMS.c.version).where(*mine).order_by(ITEMS.c.row)
        insert = database.insert(ITEMS)
        new = {name: insert.excluded[name] for name in ("record", "available", "version")}
        self._put = insert.on_conflict_do_update(index_elements=["tenant", "row"], set_=new)
        self._gone = (
            update(ITEMS)
            .where(ITEMS.c.tenant == tenant, ITEMS.c.row == bindparam("r"))
            .values(available=False, version=bindparam("v"))
        )

    def caught_up(self, connection: Connection, shelf: Shelf, seen: int) -> Shelf:
        """Return the shelf with all that was stored after its number, which ends at ``seen``."""
        if seen <= shelf.seen:
            return shelf
        found = connection.execute(self._later, {"seen": shelf.seen}).all()
        if not found:
            return Shelf(shelf.table, seen)
        items = [parse("items", {"item_id": item_id, **record})[0] for _, item_id, record, _ in found]
        rows = np.array([row for row, *_ in found], dtype=np.int32)
        table = shelf.table.put(items)
        if table.vocabulary.rows([i.item_id for i in items]).tolist() != rows.tolist():
            raise DataError(f"the rows of items of tenant {self._tenant!r} have gaps: restore the store from a dump")
        gone = rows[[not available for *_, available in found]]
        return Shelf(table.without(gone) if len(gone) else table, seen)

    def changed(self, connection: Connection, after: int) -> list[tuple[int, int]]:
        """Return (row, number) of all items that changed after a number."""
        return [(row, number) for row, number in connection.execute(self._numbers, {"seen": after})]

    def put(self, connection: Connection, shelf: Shelf, items: Sequence[Item], number: int) -> tuple[Shelf, ItemRows]:
        """Store items with their number; return the shelf that holds them, and their rows (n,)."""
        for item in items:
            checked(item.item_id, "item_id")
        table = shelf.table.put(items)
        rows = table.vocabulary.rows([i.item_id for i in items])
        last = dict(zip(rows.tolist(), items, strict=True))
        connection.execute(self._put, [self._row(row, item, number) for row, item in last.items()])
        return Shelf(table, number), rows

    def withdraw(self, connection: Connection, shelf: Shelf, rows: ItemRows, number: int) -> Shelf:
        """Store that rows are withdrawn; return the shelf where they are."""
        connection.execute(self._gone, [{"r": row, "v": number} for row in rows.tolist()])
        return Shelf(shelf.table.without(rows), number)

    def _row(self, row: int, item: Item, number: int) -> dict[str, Any]:
        record = without_defaults("items", item_record(item))
        del record["item_id"]
        return {
            "tenant": self._tenant, "row": row, "item_id": item.item_id, "record": record, "available": True,
            "version": number,
        }  # fmt: skip
