"""What changes in a shop while it is open: items, events, and what other processes write."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from recsys.data.splits import chosen
from recsys.dataset import ItemTable
from recsys.degrading import Warmth
from recsys.erasing import EVERYBODY
from recsys.fitting import Fitted
from recsys.funnel import updated
from recsys.profiling import Profiling
from recsys.protocols import Changes, Delta, Shared
from recsys.snapshot import Snapshot
from recsys.store.histories import difference, join
from recsys.store.journal import Journal
from recsys.types import NO_EVENTS, NO_ROWS, Event, Events, Item, ItemRows


class Living(Profiling):
    """The side of `recsys.engine.Engine` that takes in changes: each makes a new snapshot, and readers wait for none.

    Changes wait for one another. What comes while a fit is under way is noted in its journal, too.
    """

    _staged: Snapshot | None  # of a fit that is done, while it takes in what came meanwhile
    _journal: Journal | None  # of a fit that is under way

    @abstractmethod
    def _made(
        self, items: ItemTable, fitted: Fitted, bundle_id: str = "", warm: Mapping[str, Warmth] | None = None
    ) -> Snapshot:  # fmt: skip
        """Return a snapshot of fitted components over a catalogue."""

    @property
    def _newest(self) -> Snapshot | None:
        """What changes go into: what is served, or what a fit is about to serve."""
        return self._snapshot if self._staged is None else self._staged

    def _replace(self, snapshot: Snapshot) -> None:
        if self._staged is None:
            self._snapshot = snapshot
        else:
            self._staged = snapshot

    def add_items(self, items: Sequence[Item]) -> None:
        """Add or change items: text, attributes and rules serve them at once, collaborative parts after a fit."""
        with self._lock:
            before: ItemTable = self.store.items()
            rows = self.store.put_items(items)
            if self._newest is not None:
                known, now = self._newest.items, self.store.items()
                if known is before:
                    rows = now.described_anew(known, rows)
                elif not isinstance(self.store, Shared):  # somebody wrote past the engine, and will not tell
                    rows = now.described_anew(known)
                self._apply(Events.of(()), rows)
            self._note("add_items", list(items))

    def withdraw(self, item_ids: Sequence[str]) -> None:
        """Take items off the shelf; they are never shown again unless they are added again."""
        with self._lock:
            self.store.withdraw(item_ids)
            self._apply(Events.of(()), NO_ROWS)
            self._note("withdraw", list(item_ids))

    def add_events(self, events: Sequence[Event]) -> int:
        """Log events and return how many were new; the next list of these shoppers reflects them.

        Raises:
            DataError: an event names an unknown item; then none of the batch is logged.
        """
        with self._lock:
            fresh = self.store.unknown(events)
            by_user: dict[str, list[Event]] = {}
            for event in fresh:
                by_user.setdefault(event.user_id, []).append(event)
            learns = self._newest is not None or self._journal is not None
            before = {user: self.store.history(user) for user in by_user} if learns else {}
            count: int = self.store.put_events(fresh)
            if count and before:
                # The store weighs events in the light of the whole history (a return takes a purchase back), so both
                # the new ones and those that count no more are read from it, not weighed here a second time.
                items, new, taken = self.store.items(), [], []
                for user, theirs in by_user.items():
                    more, less = difference(before[user], self.store.history(user), theirs, items.vocabulary)
                    new.append(more)
                    taken.append(less)
                self._apply(join(new), NO_ROWS, join(taken))
                if self._journal is not None:
                    self._journal.learn(self, join(new), join(taken))
                self._recount(before.values(), [self.store.history(user) for user in by_user])
            self._note("add_events", fresh)
            return count

    def refresh(self) -> int:
        """Take in what other processes wrote to a shared store; return how many items and events: 0 = up to date.

        Histories, stock and prices are read from the store at every call. What this brings is the rest: new items can
        be found and recommended, and popularity counts the events of all processes. A store that is not
        `recsys.protocols.Shared` has no other writers, and nothing is done. How many shoppers chose an item, as
        reasons say it, counts the events of other processes from the next fit on.
        """
        store: Any = self.store
        if not isinstance(store, Shared):
            return 0
        count, more = 0, True
        while more:
            with self._lock:
                found: Changes = store.changes()
                if len(found):
                    self._apply(found.events, found.items, found.taken)
                    if self._journal is not None:
                        self._journal.learn(self, found.events, found.taken)
                if found.reviews or found.people:
                    self._suggests, self._profiler = None, None
                    self._held = None if self._held is None else self._held.over(self.store.reviews())
                if found.people:
                    # Another process knows who: here goes what is kept of anybody.
                    self._erasures.forget(EVERYBODY)
                count, more = count + len(found), found.more
        return count

    def _note(self, verb: str, *given: Any) -> None:
        if self._journal is not None:
            self._journal.note(self, verb, *given)

    def _recount(self, before: Iterable[Events], after: Iterable[Events]) -> None:
        """Let reasons count who chose what after histories have become others; each is that of one shopper."""
        if self._held is None:
            return
        rows = [(np.unique(h.rows[chosen(h)]), sign) for part, sign in ((before, -1), (after, 1)) for h in part]
        changed = np.concatenate([NO_ROWS, *(r for r, _ in rows)])
        by = np.concatenate([np.zeros(0, np.int64), *(np.full(len(r), sign) for r, sign in rows)])
        self._held = replace(self._held, book=self._held.book.recounted(changed, by))

    def _apply(self, events: Events, changed: ItemRows, taken: Events = NO_EVENTS) -> None:
        snapshot = self._newest
        if snapshot is None:
            return
        items = self.store.items()
        delta = Delta(items=items, changed=changed, events=events, taken=taken)
        old = snapshot.fitted
        fitted = replace(
            old, generators=updated(old.generators, delta), rankers=updated(old.rankers, delta),
            rerankers=updated(old.rerankers, delta),
        )  # fmt: skip
        self._replace(self._made(items, fitted, snapshot.bundle_id))
        if self._held is not None:
            self._held = self._held.updated(items, fitted, changed)
