"""Who may be remembered: consent, and what a shop says of a shopper."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from recsys.store.sql.database import Database
from recsys.store.sql.events import NAMES
from recsys.store.sql.schema import LISTS, PERSONAL, REVIEWS, USERS, checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A shopper as the shop knows them; ``consent`` is None where nobody asked, times are epoch seconds."""

    user_id: str
    consent: bool | None
    attributes: Mapping[str, Any] | None
    created_at: int
    updated_at: int


class People:
    """The shoppers of one tenant; transactions are those of the caller."""

    def __init__(self, database: Database, tenant: str, default: bool, clock: Callable[[], int]) -> None:
        self._tenant, self._default, self._clock = tenant, default, clock
        mine = USERS.c.tenant == tenant
        self._consents = select(USERS.c.user_id, USERS.c.consent).where(
            mine, USERS.c.user_id.in_(bindparam("users", expanding=True))
        )
        self._one = select(USERS).where(mine, USERS.c.user_id == bindparam("u"))
        insert = database.insert(USERS)
        key = ["tenant", "user_id"]
        self._consent, self._attributes = (
            insert.on_conflict_do_update(
                index_elements=key, set_={name: insert.excluded[name] for name in (column, "updated_at")}
            )
            for column in ("consent", "attributes")
        )
        self._counts = {
            table.name: select(table.c.user_id).where(table.c.tenant == tenant, table.c.user_id == bindparam("u"))
            for table in PERSONAL
        }
        self._deletes = {
            table.name: delete(table).where(table.c.tenant == tenant, table.c.user_id == bindparam("u"))
            for table in PERSONAL
        }
        self._moves = [
            update(table)
            .where(table.c.tenant == tenant, table.c.user_id == bindparam("u"))
            .values(user_id=bindparam("to"))
            for table in (REVIEWS, LISTS)
        ]

    def silent(self, connection: Connection, users: Iterable[str]) -> set[str]:
        """Return those of the shoppers of whom nothing may be stored."""
        listed = list(dict.fromkeys(users))
        said: dict[str, bool | None] = {}
        for start in range(0, len(listed), NAMES):
            rows = connection.execute(self._consents, {"users": listed[start : start + NAMES]})
            said.update((user, consent) for user, consent in rows)
        return {user for user in listed if not (self._default if said.get(user) is None else said[user])}

    def get(self, connection: Connection, user: str) -> Person | None:
        """Return what is known of a shopper, None if nothing is."""
        row = connection.execute(self._one, {"u": user}).mappings().first()
        return None if row is None else Person(**{name: row[name] for name in Person.__dataclass_fields__})

    def put_consent(self, connection: Connection, user: str, given: bool) -> None:
        """Keep whether a shopper may be remembered."""
        connection.execute(self._consent, self._row(user, consent=given))

    def put_attributes(self, connection: Connection, user: str, attributes: Mapping[str, Any]) -> None:
        """Keep what a shop says of a shopper."""
        connection.execute(self._attributes, self._row(user, attributes=dict(attributes)))

    def _row(self, user: str, **said: Any) -> dict[str, Any]:
        now = self._clock()
        times = {"created_at": now, "updated_at": now}
        return {"tenant": self._tenant, "user_id": checked(user, "user_id"), "consent": None, "attributes": None,
                **times, **said}  # fmt: skip

    def counts(self, connection: Connection, user: str) -> dict[str, int]:
        """Return how many rows of each table speak of a shopper."""
        return {name: len(connection.execute(query, {"u": user}).all()) for name, query in self._counts.items()}

    def move(self, connection: Connection, guest: str, customer: str) -> int:
        """Give reviews and lists to another shopper and forget who the guest was; return how many rows changed."""
        given = {"u": guest, "to": customer}
        changed = sum(connection.execute(move, given).rowcount for move in self._moves)
        return int(changed + connection.execute(self._deletes[USERS.name], {"u": guest}).rowcount)

    def erase(self, connection: Connection, user: str) -> dict[str, int]:
        """Delete all rows that speak of a shopper; return how many of each table."""
        return {name: int(connection.execute(gone, {"u": user}).rowcount) for name, gone in self._deletes.items()}
