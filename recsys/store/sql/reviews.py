"""Reviews of one tenant as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from recsys.store.sql.database import Database
from recsys.store.sql.events import CHUNK
from recsys.store.sql.schema import REVIEWS, checked
from recsys.types import Review

_FIELDS = ("text", "summary", "rating", "time")


class ReviewRows:
    """Reads and writes reviews; transactions are those of the caller."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._tenant = tenant
        mine = REVIEWS.c.tenant == tenant
        self._insert = database.insert(REVIEWS).on_conflict_do_nothing(index_elements=["tenant", "review_id"])
        self._after = select(REVIEWS).where(mine, REVIEWS.c.seq > bindparam("after")).order_by(REVIEWS.c.seq)
        self._of_user = select(REVIEWS).where(mine, REVIEWS.c.user_id == bindparam("u")).order_by(REVIEWS.c.seq)

    def put(self, connection: Connection, reviews: Sequence[Review], first: int) -> int:
        """Store reviews under the numbers from ``first`` on; return how many were not known."""
        rows = [
            {
                "tenant": self._tenant, "seq": first + i, "user_id": r.user_id,
                "item_id": r.item_id, "review_id": checked(r.review_id, "review_id") if r.review_id else None,
                "record": {name: getattr(r, name) for name in _FIELDS},
            }
            for i, r in enumerate(reviews)
        ]  # fmt: skip
        starts = range(0, len(rows), CHUNK)
        return sum(int(connection.execute(self._insert, rows[s : s + CHUNK]).rowcount) for s in starts)

    def after(self, connection: Connection, number: int) -> tuple[tuple[Review, ...], int]:
        """Return the reviews that were stored after a number, and the number of the last one."""
        rows = connection.execute(self._after, {"after": number}).all()
        return tuple(_review(row) for row in rows), rows[-1].seq if rows else number

    def of_user(self, connection: Connection, user: str) -> list[Review]:
        """Return the reviews of a shopper, in the order in which they came."""
        return [_review(row) for row in connection.execute(self._of_user, {"u": user})]


def _review(row: Any) -> Review:
    return Review(user_id=row.user_id, item_id=row.item_id, review_id=row.review_id, **row.record)
