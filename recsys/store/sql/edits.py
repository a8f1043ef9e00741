"""Changes of profiles of one tenant in a table: what `recsys.store.edits.Edits` is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from recsys.ids import check_id
from recsys.store.edits import Edit, check_room, checked_edit, exported_edits, merged_edits, said
from recsys.store.sql.core import Core, Writing
from recsys.store.sql.schema import EDITS, checked


class SqlEdits:
    """Changes by shopper and line, with the methods of `Edits`; those of a visit without consent stay in memory."""

    def __init__(self, core: Core) -> None:
        self._core = core
        put = core.database.insert(EDITS)
        self._put = put.on_conflict_do_update(
            index_elements=["tenant", "user_id", "line_id"], set_={"text": put.excluded.text}
        )
        mine = EDITS.c.tenant == core.tenant
        theirs = (mine, EDITS.c.user_id == bindparam("u"))
        self._of_user = select(EDITS).where(*theirs).order_by(EDITS.c.seq)
        self._every = select(EDITS).where(mine).order_by(EDITS.c.seq)
        self._size = select(func.count()).select_from(EDITS).where(mine)
        self._one = delete(EDITS).where(*theirs, EDITS.c.line_id == bindparam("line"))
        self._erase = delete(EDITS).where(*theirs)

    def __len__(self) -> int:
        with self._core.database.read() as connection:
            return int(connection.execute(self._size).scalar_one()) + len(self._core.sessions.edits)

    def __iter__(self) -> Iterator[Edit]:
        """Yield all stored changes, shopper by shopper."""
        by_user: dict[str, list[Edit]] = {}
        with self._core.database.read() as connection:
            for row in connection.execute(self._every):
                by_user.setdefault(row.user_id, []).append(_edit(row))
        return iter([edit for mine in by_user.values() for edit in mine])

    def put(self, edits: Iterable[Edit]) -> int:
        """Take in changes as they were, from a dump, and return how many.

        Raises:
            DataError: a text or an id that could not have been accepted, or too many of one shopper; then none is in.
        """
        listed = [checked_edit(edit) for edit in edits]
        for edit in listed:
            checked(edit.user_id, "user_id")
            checked(edit.line_id, "line_id")
        if not listed:
            return 0
        core = self._core
        with core.writing() as writing:
            first = writing.take(len(listed))
            silent = core.people.silent(writing.connection, (e.user_id for e in listed))
            for number, edit in enumerate(listed, first):
                if edit.user_id in silent:
                    core.sessions.touch(edit.user_id)
                    core.sessions.edits.put([edit])
                    continue
                check_room(edit.line_id, self._stored(writing.connection, edit.user_id))
                writing.connection.execute(self._put, self._row(edit, number))
        return len(listed)

    def _row(self, edit: Edit, number: int) -> dict[str, Any]:
        names = {"user_id": edit.user_id, "line_id": edit.line_id}
        return {"tenant": self._core.tenant, **names, "seq": number, "text": edit.text}

    def edit(self, user: str, line_id: str, text: str) -> None:
        """Say a line in the shopper's own words.

        Raises:
            DataError: no text, one that is too long, or too many changed lines.
        """
        self.put([Edit(user_id=user, line_id=line_id, text=said(text))])

    def hide(self, user: str, line_id: str) -> None:
        """Take a line out for good, whatever speaks for it later."""
        self.put([Edit(user_id=user, line_id=line_id)])

    def restore(self, user: str, line_id: str) -> bool:
        """Take back the change of a line; return whether there was one."""
        of_visit = self._core.sessions.edits.restore(user, line_id)
        return bool(self._drop(self._one, {"u": user, "line": line_id})) or of_visit

    def of_user(self, user: str) -> Mapping[str, Edit]:
        """Return the changes of a shopper by line."""
        with self._core.database.read() as connection:
            stored = self._stored(connection, user)
        return {**stored, **self._core.sessions.edits.of_user(user)}

    def _stored(self, connection: Connection, user: str) -> dict[str, Edit]:
        return {row.line_id: _edit(row) for row in connection.execute(self._of_user, {"u": user})}

    def erase(self, user: str) -> int:
        """Forget a shopper; return how many changes are gone."""
        return self._drop(self._erase, {"u": user}) + self._core.sessions.edits.erase(user)

    def _drop(self, statement: Any, given: dict[str, Any]) -> int:
        with self._core.database.read() as connection:
            if not self._stored(connection, given["u"]):
                return 0
        with self._core.writing() as writing:
            return int(writing.connection.execute(statement, given).rowcount)

    def merge(self, guest: str, customer: str) -> int:
        """Move the changes of ``guest`` to ``customer``, whose own ones stay; return how many were the guest's."""
        check_id(customer, "user_id")
        if guest == customer:
            return 0
        visit = self._core.sessions.edits.merge(guest, customer)
        if visit:
            self._core.sessions.touch(customer)
        with self._core.database.read() as connection:
            if not self._stored(connection, guest):
                return visit
        with self._core.writing() as writing:
            return visit + self.move(writing, guest, checked(customer, "user_id"))

    def move(self, writing: Writing, guest: str, customer: str) -> int:
        """Do what `merge` does in a transaction of the caller."""
        connection = writing.connection
        moved = self._stored(connection, guest)
        if moved:
            both = merged_edits(moved, self._stored(connection, customer), customer)
            for user in (guest, customer):
                connection.execute(self._erase, {"u": user})
            first = writing.take(len(both))
            connection.execute(insert(EDITS), [self._row(edit, n) for n, edit in enumerate(both.values(), first)])
        return len(moved)

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all changes of a shopper as plain dicts ready for JSON."""
        return exported_edits(self.of_user(user))


def _edit(row: Any) -> Edit:
    return Edit(user_id=row.user_id, line_id=row.line_id, text=row.text)
