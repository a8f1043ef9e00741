"""The search log of one tenant in a table: what `recsys.store.searches.SearchLog` is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from recsys.ids import check_id
from recsys.store.searches import MAX_PER_USER, checked_search, exported_searches, query_key
from recsys.store.sql.core import Core, Writing
from recsys.store.sql.events import NAMES
from recsys.store.sql.schema import SEARCHES, checked
from recsys.types import Search

CHANGED, COUNT = "searches", "n_searches"
_ORDER = (SEARCHES.c.time, SEARCHES.c.seq)


class SqlSearches:
    """Searches of all shoppers, with the methods of `SearchLog`; those of a visit without consent stay in memory.

    The oldest searches of a shopper beyond ``max_per_user`` are dropped; all together are as many as the disk holds.
    """

    def __init__(self, core: Core, max_per_user: int = MAX_PER_USER) -> None:
        self._core, self._max_per_user = core, max_per_user
        self._insert = core.database.insert(SEARCHES).on_conflict_do_nothing(index_elements=["tenant", "search_id"])
        mine = SEARCHES.c.tenant == core.tenant
        theirs = (mine, SEARCHES.c.user_id == bindparam("u"))
        self._of_user = select(SEARCHES).where(*theirs).order_by(*_ORDER)
        self._found = (
            select(SEARCHES.c.record)
            .where(*theirs, SEARCHES.c.key == bindparam("k"), SEARCHES.c.time < bindparam("before"))
            .order_by(*_ORDER)
        )
        self._every = select(SEARCHES).where(mine).order_by(*_ORDER)
        self._came = (
            select(SEARCHES.c.user_id).where(mine).group_by(SEARCHES.c.user_id).order_by(func.min(SEARCHES.c.seq))
        )
        self._move = (
            update(SEARCHES)
            .where(mine, SEARCHES.c.seq == bindparam("s"))
            .values(user_id=bindparam("to"), seq=bindparam("n"))
        )
        self._too_many = (
            select(SEARCHES.c.user_id, func.count())
            .where(mine, SEARCHES.c.user_id.in_(bindparam("users", expanding=True)))
            .group_by(SEARCHES.c.user_id)
            .having(func.count() > max_per_user)
        )
        oldest = select(SEARCHES.c.seq).where(*theirs).order_by(*_ORDER).limit(bindparam("extra"))
        self._cut = delete(SEARCHES).where(mine, SEARCHES.c.seq.in_(oldest.scalar_subquery()))
        self._erase = delete(SEARCHES).where(*theirs)
        self._forget = delete(SEARCHES).where(*theirs, SEARCHES.c.key == bindparam("k"))

    def __len__(self) -> int:
        with self._core.database.read() as connection:
            return self._core.counters.one(connection, COUNT) + len(self._core.sessions.searches)

    @property
    def version(self) -> int:
        """A number that is another one after every change, whoever made it."""
        with self._core.database.read() as connection:
            return self._core.counters.one(connection, CHANGED) + self._core.sessions.searches.version

    def put(self, searches: Sequence[Search], *, as_they_are: bool = False) -> int:
        """Add searches, skipping known ``search_id`` values and empty texts; return how many were new.

        A text is kept as one line, a time that is missing is now. ``as_they_are`` is for searches that were accepted
        before, from a dump: cleaning a text twice may change it.

        Raises:
            DataError: an id that is none, or a time that is no epoch second; then none is added.
        """
        ready = self._ready(searches, as_they_are)
        if not ready:
            return 0
        core = self._core
        with core.writing() as writing:
            first = writing.take(len(ready))
            silent = core.people.silent(writing.connection, (s.user_id for s in ready))
            rows = [self._row(one, first + i) for i, one in enumerate(ready) if one.user_id not in silent]
            stored = writing.connection.execute(self._insert, rows).rowcount if rows else 0
            self._changed(writing, stored - self._cut_to_size(writing, {row["user_id"] for row in rows}))
        quiet = [one for one in ready if one.user_id in silent]
        for user in silent:
            core.sessions.touch(user)
        return int(stored) + core.sessions.searches.put(quiet, as_they_are=True)

    def _ready(self, searches: Sequence[Search], as_they_are: bool) -> list[Search]:
        ready: list[Search] = []
        seen: set[str] = set()
        for search in searches:
            one = checked_search(search, self._core.clock(), as_they_are)
            if one is None or (one.search_id and one.search_id in seen):
                continue
            for value, field in ((one.user_id, "user_id"), (one.search_id or "-", "search_id")):
                checked(value, field)
            seen |= {one.search_id} if one.search_id else set()
            ready.append(one)
        return ready

    def _row(self, one: Search, number: int) -> dict[str, Any]:
        return {
            "tenant": self._core.tenant, "seq": number, "user_id": one.user_id, "key": query_key(one.text),
            "time": one.time, "search_id": one.search_id or None, "record": {"text": one.text, "chosen": one.chosen},
        }  # fmt: skip

    def _cut_to_size(self, writing: Writing, users: Iterable[str]) -> int:
        """Delete the oldest searches of who has too many; return how many."""
        listed, gone = sorted(users), 0
        for start in range(0, len(listed), NAMES):
            many = writing.connection.execute(self._too_many, {"users": listed[start : start + NAMES]}).all()
            for user, count in many:
                extra = {"u": user, "extra": count - self._max_per_user}
                gone += writing.connection.execute(self._cut, extra).rowcount
        return gone

    def _changed(self, writing: Writing, more: int) -> None:
        self._core.counters.add(writing.connection, COUNT, more)
        self._core.counters.mark(writing.connection, CHANGED, writing.taken[-1][1])

    def of_user(self, user: str | None) -> tuple[Search, ...]:
        """Return the searches of a shopper, oldest first; none for a stranger or a guest without an id."""
        if user is None:
            return ()
        with self._core.database.read() as connection:
            stored = [_search(row) for row in connection.execute(self._of_user, {"u": user})]
        visit = self._core.sessions.searches.of_user(user)
        return tuple(sorted((*stored, *visit), key=_time)) if visit else tuple(stored)

    def by_user(self) -> list[tuple[str, tuple[Search, ...]]]:
        """Return all stored searches by shopper, shoppers in the order in which they came."""
        with self._core.database.snapshot() as connection:
            return self._by_user(connection)

    def _by_user(self, connection: Connection) -> list[tuple[str, tuple[Search, ...]]]:
        found: dict[str, list[Search]] = {user: [] for user in connection.execute(self._came).scalars()}
        for row in connection.execute(self._every):
            found[row.user_id].append(_search(row))
        return [(user, tuple(theirs)) for user, theirs in found.items()]

    def every(self) -> tuple[Search, ...]:
        """Return all stored searches, shopper by shopper, oldest first of each."""
        with self._core.database.snapshot() as connection:
            return self.read(connection)

    def read(self, connection: Connection) -> tuple[Search, ...]:
        """Do what `every` does with the moment of the caller."""
        return tuple(search for _, theirs in self._by_user(connection) for search in theirs)

    def refound(self, user: str | None, text: str, limit: int = 10, before: int | None = None) -> tuple[str, ...]:
        """Return the ids of items that this shopper chose for this query before, the latest choice first.

        Of searches at and after epoch second ``before`` nothing is known. See `SearchLog.refound`.
        """
        key = query_key(text)
        if user is None or not key:
            return ()
        given = {"u": user, "k": key, "before": LATER if before is None else before}
        with self._core.database.read() as connection:
            chosen = [record["chosen"] for record in connection.execute(self._found, given).scalars()]
        visit = self._core.sessions.searches.refound(user, text, limit, before)
        return tuple(dict.fromkeys([*visit, *(i for ids in reversed(chosen) for i in ids)]))[:limit]

    def forget(self, user: str, text: str) -> int:
        """Drop what a shopper searched by this query; return how many searches are gone."""
        return self._drop(self._forget, {"u": user, "k": query_key(text)}) + self._core.sessions.searches.forget(
            user, text
        )

    def erase(self, user: str) -> int:
        """Forget a shopper, search ids and all; return how many searches are gone."""
        return self._drop(self._erase, {"u": user}) + self._core.sessions.searches.erase(user)

    def _drop(self, statement: Any, given: dict[str, Any]) -> int:
        if not self._has(given["u"]):
            return 0
        with self._core.writing() as writing:
            writing.take()
            gone = int(writing.connection.execute(statement, given).rowcount)
            self._changed(writing, -gone)
        return gone

    def _has(self, user: str) -> bool:
        with self._core.database.read() as connection:
            return connection.execute(self._of_user.limit(1), {"u": user}).first() is not None

    def merge(self, guest: str, customer: str) -> int:
        """Move all searches of ``guest`` to ``customer``, in time order; return how many."""
        check_id(customer, "user_id")
        if guest == customer:
            return 0
        visit = self._core.sessions.searches.merge(guest, customer)
        if visit:
            self._core.sessions.touch(customer)
        if not self._has(guest):
            return visit
        with self._core.writing() as writing:
            return visit + self.move(writing, guest, checked(customer, "user_id"))

    def move(self, writing: Writing, guest: str, customer: str) -> int:
        """Do what `merge` does in a transaction of the caller."""
        numbers = [row.seq for row in writing.connection.execute(self._of_user, {"u": guest})]
        if numbers:
            first = writing.take(len(numbers))
            rows = [{"s": seq, "to": customer, "n": first + i} for i, seq in enumerate(numbers)]
            writing.connection.execute(self._move, rows)
            self._changed(writing, -self._cut_to_size(writing, [customer]))
        return len(numbers)

    def gone(self, writing: Writing, n: int) -> None:
        """Say that ``n`` searches were deleted in a transaction of the caller."""
        if n:
            self._changed(writing, -n)

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all searches of a shopper as plain dicts ready for JSON, oldest first; times are ISO 8601 in UTC."""
        return exported_searches(self.of_user(user))


LATER = 1 << 62


def _time(search: Search) -> int:
    assert isinstance(search.time, int)
    return search.time


def _search(row: Any) -> Search:
    return Search(
        user_id=row.user_id, text=row.record["text"], time=row.time, chosen=tuple(row.record["chosen"]),
        search_id=row.search_id,
    )  # fmt: skip
