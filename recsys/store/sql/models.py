"""Which bundle serves, which one is watched beside it, and which ones served before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, desc, insert, update

from recsys.errors import DataError
from recsys.store.sql.rows import Rows
from recsys.store.sql.schema import MODELS, checked

Role = Literal["active", "shadow", "former", "ended"]
CHANGED = "models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A bundle in a role since epoch second ``activated_at``.

    "active" serves, "shadow" only compares, "former" served before and is where `Models.rollback` goes; "ended" is a
    shadow that was taken away, or what a rollback has left.
    """

    name: str
    bundle_id: str
    role: Role
    activated_at: int


class Models(Rows):
    """The bundles of one tenant by name; every change gives `version` another value."""

    table = MODELS

    def active(self, name: str = "default") -> Activation | None:
        """Return what serves, None if nothing does."""
        return self._latest(name, "active")

    def shadowed(self, name: str = "default") -> Activation | None:
        """Return what is watched beside it, None if nothing is."""
        return self._latest(name, "shadow")

    def every(self, name: str = "default") -> list[Activation]:
        """Return all that was ever activated or watched, latest first."""
        return self._every(Activation, self._mine().where(MODELS.c.name == name).order_by(desc(MODELS.c.seq)))

    def activate(self, name: str, bundle_id: str) -> None:
        """Let a bundle serve; the one that did is where a rollback goes."""
        self._put(name, checked(bundle_id, "bundle_id"), "active", "former")

    def shadow(self, name: str, bundle_id: str | None) -> None:
        """Watch a bundle beside the one that serves; None ends it."""
        self._put(name, None if bundle_id is None else checked(bundle_id, "bundle_id"), "shadow", "ended")

    def rollback(self, name: str = "default") -> Activation:
        """Let the bundle serve that did before the present one, and return it; a second call goes further back.

        Raises:
            DataError: none did.
        """
        with self.database.begin() as connection:
            number = self._counters.take(connection)
            query = self._mine().where(MODELS.c.name == name, MODELS.c.role == "former").order_by(desc(MODELS.c.seq))
            before = connection.execute(query.limit(1)).mappings().first()
            if before is None:
                raise DataError(f"no bundle of {name!r} served before this one: there is nothing to go back to")
            self._change(connection, name, "active", "ended")
            mine = (MODELS.c.tenant == self.tenant, MODELS.c.seq == before["seq"])
            back = Activation(name=name, bundle_id=before["bundle_id"], role="active", activated_at=self.clock())
            connection.execute(update(MODELS).where(*mine).values(role=back.role, activated_at=back.activated_at))
            self._counters.mark(connection, CHANGED, number)
        return back

    def version(self) -> int:
        """Return a number that is another one after every change."""
        with self.database.read() as connection:
            return self._counters.one(connection, CHANGED)

    def _latest(self, name: str, role: Role) -> Activation | None:
        mine = self._mine().where(MODELS.c.name == name, MODELS.c.role == role)
        return self._one(Activation, mine.order_by(desc(MODELS.c.seq)).limit(1))

    def _put(self, name: str, bundle_id: str | None, role: Role, before: Role) -> None:
        checked(name, "name")
        with self.database.begin() as connection:
            number = self._counters.take(connection)
            self._change(connection, name, role, before)
            if bundle_id is not None:
                row = {"tenant": self.tenant, "seq": number, "name": name, "bundle_id": bundle_id, "role": role}
                connection.execute(insert(MODELS).values(**row, activated_at=self.clock()))
            self._counters.mark(connection, CHANGED, number)

    def _change(self, connection: Connection, name: str, role: Role, to: Role) -> None:
        mine = (MODELS.c.tenant == self.tenant, MODELS.c.name == name, MODELS.c.role == role)
        connection.execute(update(MODELS).where(*mine).values(role=to))
