"""What was shown to whom: for the next page, for reasons that come later, for experiments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete

from recsys.store.sql.rows import Rows, checked_count, columns_of
from recsys.store.sql.schema import LISTS

_IDS = ("list_id", "user_id", "kind", "bundle_id", "variant", "experiment", "arm", "place")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedList:
    """One list; ``created_at`` is epoch seconds, ``place`` where in the shop it was shown, ``record`` any JSON.

    ``user_id`` is None for a guest without an id and for a shopper without consent. ``record`` must not name them:
    what is erased is found by ``user_id``.
    """

    list_id: str
    created_at: int
    kind: str
    bundle_id: str
    variant: str
    record: Any
    user_id: str | None = None
    experiment: str | None = None
    arm: str | None = None
    place: str | None = None


class Lists(Rows):
    """The lists of one tenant."""

    table = LISTS

    def put_many(self, records: Iterable[ServedList]) -> None:
        """Keep lists in one transaction; of a ``list_id`` that is known the record is replaced, and nothing else."""
        rows = [{"tenant": self.tenant, **columns_of(one, _IDS)} for one in records]
        if rows:
            insert = self.database.insert(LISTS)
            known = {"index_elements": ["tenant", "list_id"], "set_": {"record": insert.excluded.record}}
            with self.database.begin() as connection:
                connection.execute(insert.on_conflict_do_update(**known), rows)

    def get(self, list_id: str) -> ServedList | None:
        """Return one list, None if there is none."""
        return self._one(ServedList, self._mine().where(LISTS.c.list_id == list_id))

    def of_user(self, user: str, limit: int = 100) -> list[ServedList]:
        """Return the latest lists of a shopper, latest first."""
        order = (LISTS.c.created_at.desc(), LISTS.c.list_id)
        mine = self._mine().where(LISTS.c.user_id == user).order_by(*order).limit(checked_count(limit))
        return self._every(ServedList, mine)

    def since(self, time: int, limit: int = 100_000) -> list[ServedList]:
        """Return the lists from epoch second ``time`` on, oldest first: what an experiment has shown."""
        order = (LISTS.c.created_at, LISTS.c.list_id)
        query = self._mine().where(LISTS.c.created_at >= time).order_by(*order).limit(checked_count(limit))
        return self._every(ServedList, query)

    def of_experiment(self, name: str) -> list[ServedList]:
        """Return all lists of an experiment, oldest first."""
        order = (LISTS.c.created_at, LISTS.c.list_id)
        return self._every(ServedList, self._mine().where(LISTS.c.experiment == name).order_by(*order))

    def drop_before(self, time: int) -> int:
        """Forget the lists from before epoch second ``time``; return how many."""
        old = delete(LISTS).where(LISTS.c.tenant == self.tenant, LISTS.c.created_at < time)
        with self.database.begin() as connection:
            return int(connection.execute(old).rowcount)
