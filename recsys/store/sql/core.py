"""What all parts of a store of one tenant share: the database, numbers, people, sessions, and who may write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from recsys.store.sql.counters import Counters
from recsys.store.sql.database import Database
from recsys.store.sql.people import People
from recsys.store.sql.schema import checked
from recsys.store.sql.sessions import Sessions

ERASED = "erased"


class Own:
    """The numbers that this store took itself, as ranges; those that were looked at are forgotten."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, first: int, last: int) -> None:
        """Add the numbers from ``first`` to ``last``, which are higher than all before."""
        if self._ranges and self._ranges[-1][1] == first - 1:
            first = self._ranges.pop()[0]
        self._ranges.append((first, last))

    def __contains__(self, number: int) -> bool:
        return any(first <= number <= last for first, last in self._ranges)

    def forget(self, until: int) -> None:
        """Drop the numbers up to ``until``."""
        self._ranges = [(max(first, until + 1), last) for first, last in self._ranges if last > until]


@dataclass(slots=True)
class Writing:
    """A transaction that writes, and the numbers that it took."""

    connection: Connection
    counters: Counters
    taken: list[tuple[int, int]] = field(default_factory=list)
    erased: int = 0

    def take(self, n: int = 1) -> int:
        """Return the first of ``n`` new numbers; other writers of the tenant wait from here on."""
        first = self.counters.take(self.connection, n)
        self.taken.append((first, first + n - 1))
        return first

    def erase(self) -> None:
        """Say that what was known of a shopper is no more, or is another's."""
        self.counters.add(self.connection, ERASED, 1)
        self.erased += 1


class Core:
    """The shared parts of one `recsys.store.sql.store.SqlStore`."""

    def __init__(
        self, database: Database, tenant: str, weights: Mapping[str, float], clock: Callable[[], int],
        consent_default: bool,
    ) -> None:  # fmt: skip
        self.database, self.tenant, self.clock = database, checked(tenant, "tenant"), clock
        self.weights = dict(weights)
        self.counters = Counters(database, tenant)
        self.people = People(database, tenant, consent_default, clock)
        self.sessions = Sessions(clock)
        self.lock = threading.RLock()  # of all that this store keeps in memory, and of its writers
        self.own = Own()
        self.erased = 0  # by this store, since it last looked what others did

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Run a block as one transaction; what it took counts as this store's own once it is stored."""
        with self.lock:
            with self.database.begin() as connection:
                writing = Writing(connection, self.counters)
                yield writing
            for first, last in writing.taken:
                self.own.add(first, last)
            self.erased += writing.erased
