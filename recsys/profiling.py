"""What a shop knows about its shoppers: to read, to correct, to forget, to merge, to erase, to carry away."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from recsys.errors import DataError
from recsys.explaining import Reasons
from recsys.explanation import Explanation
from recsys.finding import Finding
from recsys.profile.builder import Profiler
from recsys.profile.lines import Profile
from recsys.protocols import Forgetful
from recsys.snapshot import Snapshot
from recsys.store.dump import dump, restore
from recsys.store.edits import Edits
from recsys.types import Event, Events, Search

ASPECTS = "aspects"


class Profiling(Finding):
    """The side of `recsys.engine.Engine` that is about people.

    All of it lives in the store: an edit or an event that is logged here changes the next profile and the next list.
    """

    edits: Edits
    _profiler: Profiler | None

    @abstractmethod
    def add_events(self, events: Sequence[Event]) -> int:
        """Log events and return how many were new."""

    @abstractmethod
    def _note(self, verb: str, *given: Any) -> None:
        """Note a change for a fit that is under way."""

    @abstractmethod
    def _recount(self, before: Iterable[Events], after: Iterable[Events]) -> None:
        """Let reasons count who chose what after histories have become others."""

    # -- what is known of a shopper ------------------------------------------------------------------------------

    def profile(self, user: str, now: Any = None) -> Profile:
        """Return what the shop believes about a shopper, line by line, each with the events and words behind it.

        It is made from the store at every call, also before a fit (which adds what their reviews speak of). Nothing
        about sensitive matters is in it. ``now``: of the request, an aware datetime or epoch seconds; what came later
        is not read. None is now.
        """
        with self._lock:  # a fit on other data that ends in between would mix two catalogues
            return self._profiles().view(user, self._events(user, now), self._now(now))

    def edit_profile(self, user: str, line_id: str, text: str, now: Any = None) -> None:
        """Say a line of a profile in the shopper's own words; what is recommended stays as it is.

        Raises:
            DataError: there is no such line, or the text has not 1 to 160 characters.
        """
        with self._lock:
            if line_id not in self.edits.of_user(user):
                self._profiles().line(user, line_id, self._events(user, now), self._now(now))
            self.edits.edit(user, line_id, text)

    def forget(self, user: str, line_id: str, now: Any = None) -> tuple[str, ...]:
        """Take a line out of a profile, and what it rests on out of the next list; return the items concerned.

        Events of kind "forget" are logged: earlier events on these items count no more, for lists, reasons and
        profile alike. What one likes to pay and what one cares about rest on everything that was chosen: such a line
        is taken out without any event, and reasons speak of the aspect no more.

        Raises:
            DataError: there is no such line.
        """
        with self._lock:
            history = self._events(user, now)
            events = self._profiles().forget(user, line_id, history, self._after(history, now))
            self.add_events(events)
        return tuple(e.item_id for e in events)

    def restore_line(self, user: str, line_id: str) -> bool:
        """Undo `edit_profile` or `forget` of a line; return whether there was a change.

        What was forgotten stays out of the count: a forgotten line comes back when new events speak for it.
        """
        return self.edits.restore(user, line_id)

    def remove_reason(self, user: str, reason: Explanation | str, now: Any = None) -> tuple[str, ...]:
        """Never again recommend because of these events: the item of that id, or all that a reason cites.

        Logs events of kind "forget", see `forget`, and returns the items concerned. It is no dislike: the items may
        be recommended.

        Raises:
            DataError: the shopper has no events on the item, or the reason cites no event.
        """
        if isinstance(reason, Explanation):
            wanted: Iterable[str] = (e.item_id for e in reason.evidence if e.kind == "event")
        else:
            wanted = (reason,)
        ids = tuple(dict.fromkeys(wanted))
        if not ids:
            raise DataError("the reason cites no event of the shopper: there is nothing to forget")
        with self._lock:
            history = self._events(user, now)
            known = set(self.store.items().vocabulary.ids(history.rows))
            if missing := [i for i in ids if i not in known]:
                raise DataError(f"{user!r} has no events on item {missing[0]!r}: there is nothing to forget")
            time = self._after(history, now)
            self.add_events([Event(user_id=user, item_id=i, kind="forget", time=time) for i in ids])
        return ids

    def not_interested(self, user: str, item_id: str, now: Any = None) -> None:
        """Log that a shopper does not want an item, nor things like it: it is hidden, and its likes move down.

        Raises:
            DataError: an unknown item.
        """
        time = self._after(self._events(user, now), now)
        self.add_events([Event(user_id=user, item_id=item_id, kind="not-interested", time=time)])

    def _reasons(self, snapshot: Snapshot) -> Reasons:
        held = super()._reasons(snapshot)
        if held.aspects is not None:
            held.aspects.edits = self.edits
        return held

    def _events(self, user: str, now: Any) -> Events:
        events: Events = self.store.history(user, None if now is None else self._now(now))
        return events

    def _after(self, history: Events, now: Any) -> int:
        """Return the second of a wish about a history: no event of it may count as later."""
        return max(self._now(now), int(history.times[-1]) if len(history) else 0)

    def _profiles(self) -> Profiler:
        """Return the profiler of the catalogue, the reviews and the fit as they are."""
        items, reviews, held = self.store.items(), self.store.reviews(), self._held
        generator = None if self._snapshot is None else self._snapshot.fitted.generators.get(ASPECTS)
        table = None if generator is None else generator.table
        if self._profiler is None or self._profiler.table is not table:
            words = self.config.explain.facts.get("sensitive", ())  # the shop's own, beside the built-in ones
            self._profiler = Profiler(items, table=table, edits=self.edits, sensitive=words)
        index = None
        if table is not None:
            shared = held is not None and held.table is table and held.reviews is reviews
            index = held.aspects.reviews if held is not None and shared and held.aspects is not None else None
        self._profiler = out = self._profiler.over(items, reviews, index)
        return out

    # -- people as a whole ---------------------------------------------------------------------------------------

    def add_searches(self, searches: Sequence[Search]) -> int:
        """Log what shoppers typed and what they chose from the answers; return how many searches were new."""
        with self._lock:
            count = self.searches.put(searches)
            self._note("add_searches", list(searches))
            return count

    def merge(self, guest: str, customer: str) -> int:
        """Give all that is known of a guest to the customer that they turned out to be; return how many events."""
        with self._lock:
            before = [self.store.history(user) for user in {guest, customer}]
            moved: int = self.store.merge(guest, customer)
            self.searches.merge(guest, customer)  # a store may hold neither: then they are the engine's own
            self.edits.merge(guest, customer)
            self._recount(before, [self.store.history(user) for user in {guest, customer}])
            self._erasures.forget(guest)  # under the guest's id nobody would ever erase it
            self._note("merge", guest, customer)
            return moved

    def erase(self, user: str) -> int:
        """Forget a shopper: events, reviews, searches, profile; return how many events are gone.

        No bundle holds anything about them, and what was kept to answer quickly is made anew without them.
        """
        with self._lock:
            before = self.store.history(user)
            written = [r.review_id for r in self.store.reviews() if r.user_id == user]
            gone: int = self.store.erase(user)
            self.searches.erase(user)
            self.edits.erase(user)
            self._recount([before], ())
            self._suggests, self._profiler = None, None
            self._held = None if self._held is None else self._held.over(self.store.reviews())
            self._erasures.forget(user, written)
            self._note("erase", user)
            return gone

    def _drop_kept(self, user: str, reviews: Sequence[str]) -> None:
        """Drop what is kept in memory of a shopper to answer quickly, and texts that quote their ``reviews``."""
        with self._lock:
            for desk in self._desks.values():
                desk.forget(user, reviews)
            parts = [] if self._held is None else list(self._held.made.values())
            if self._snapshot is not None:
                fitted = self._snapshot.fitted
                parts += [*fitted.generators.values(), *fitted.rankers.values(), *fitted.rerankers.values()]
        for part in parts:
            if isinstance(part, Forgetful):
                part.forget(user)

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all that is known of a shopper as plain dicts: events, reviews, searches, edits of the profile."""
        out: list[dict[str, Any]] = self.store.export(user)
        # What the store has none of is the engine's own.
        for mine, theirs in ((self.searches, "searches"), (self.edits, "edits")):
            if getattr(self.store, theirs, None) is not mine:
                out += mine.export(user)
        return out

    def dump(self, place: Path | str) -> dict[str, int]:
        """Write all that the store holds to a folder or one ``.jsonl.gz``; return how many records of each part."""
        return dump(self.store, Path(place), self.searches, self.edits)

    def restore(self, place: Path | str) -> dict[str, int]:
        """Fill the empty store from a dump; return how many records of each part it holds."""
        return restore(self.store, Path(place), self.searches, self.edits)
