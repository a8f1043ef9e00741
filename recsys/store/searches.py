"""The search log of one shop: who typed what, and what they chose; it lives in memory beside the store."""

from __future__ import annotations

import bisect
import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from recsys.data.text import clean_text
from recsys.dataset import FIRST_SECOND, LAST_SECOND
from recsys.errors import DataError
from recsys.ids import check_id
from recsys.types import Search, now_seconds, utc

MAX_TEXT_CHARS = 200
MAX_CHOSEN = 50
MAX_PER_USER = 2_000
MAX_SEARCHES = 2_000_000
_WORD = re.compile(r"[^\W_]+")


def query_key(text: str) -> str:
    """Return what two spellings of one query have in common: its words, folded, without plural "s", in any order."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text[:MAX_TEXT_CHARS]).casefold())
    return " ".join(sorted(w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in words))


@dataclass(slots=True)
class _Shopper:
    """The searches of one shopper, oldest first, and their keys."""

    searches: list[Search] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def add(self, search: Search) -> None:
        # Most come in the order of time; a late one takes its place after those of equal time.
        at = bisect.bisect_right(self.searches, _second(search), key=_second)
        self.searches.insert(at, search)
        self.keys.insert(at, query_key(search.text))


def checked_search(search: Search, now: int, as_it_is: bool = False) -> Search | None:
    """Return a search as it is kept, None if nothing is left of its text; see `SearchLog.put`.

    Raises:
        DataError: an id that is none, or a time that is no epoch second.
    """
    check_id(search.user_id, "user_id")
    if search.search_id:
        check_id(search.search_id, "search_id")
    for item_id in search.chosen:
        check_id(item_id, "chosen")
    time = now if search.time is None else utc(search.time)
    if not FIRST_SECOND <= time <= LAST_SECOND:
        raise DataError(f"search of user {search.user_id!r}: time {time} is not epoch seconds (milliseconds?)")
    text = search.text[:MAX_TEXT_CHARS] if as_it_is else clean_text(search.text, MAX_TEXT_CHARS)
    if not text:
        return None
    return replace(search, text=text, time=time, chosen=search.chosen[:MAX_CHOSEN])


def exported_searches(searches: Iterable[Search]) -> list[dict[str, Any]]:
    """Return searches as plain dicts ready for JSON; times are ISO 8601 in UTC."""
    return [
        {
            "type": "search", "text": s.text, "chosen": list(s.chosen), "search_id": s.search_id,
            "time": datetime.fromtimestamp(_second(s), UTC).isoformat(),
        }
        for s in searches
    ]  # fmt: skip


def _second(search: Search) -> int:
    return 0 if search.time is None else utc(search.time)


class SearchLog:
    """Searches of all shoppers, idempotent by ``search_id``; all about a shopper goes with `erase`.

    Bounded: the oldest searches of a shopper beyond ``max_per_user``, and of the shoppers who came first beyond
    ``max_searches``, are dropped. `version` changes with every change, for those who keep statistics of the log.
    """

    def __init__(
        self,
        searches: Iterable[Search] = (),
        *,
        max_per_user: int = MAX_PER_USER,
        max_searches: int = MAX_SEARCHES,
        clock: Callable[[], int] = now_seconds,
    ) -> None:
        self._max_per_user, self._max_searches, self._clock = max_per_user, max_searches, clock
        self._shoppers: dict[str, _Shopper] = {}
        self._ids: set[str] = set()
        self._count = 0
        self._lock = threading.Lock()
        self.version = 0
        self.put(list(searches))

    def __len__(self) -> int:
        return self._count

    def put(self, searches: Sequence[Search], *, as_they_are: bool = False) -> int:
        """Add searches, skipping known ``search_id`` values and empty texts; return how many were new.

        A text is kept as one line of at most `MAX_TEXT_CHARS`, a time that is missing is now. ``as_they_are`` is for
        searches that were accepted before, from a dump: cleaning a text twice may change it.

        Raises:
            DataError: an id that is none, or a time that is no epoch second; then none is added.
        """
        with self._lock:
            fresh: dict[str, None] = {}
            ready: list[Search] = []
            for search in searches:
                one = checked_search(search, self._clock(), as_they_are)
                if one is None or (one.search_id and (one.search_id in self._ids or one.search_id in fresh)):
                    continue
                if one.search_id:
                    fresh[one.search_id] = None
                ready.append(one)
            for one in ready:
                self._shoppers.setdefault(one.user_id, _Shopper()).add(one)
            self._ids.update(fresh)
            self._count += len(ready)
            for user in {one.user_id for one in ready}:
                self._cut(user, self._max_per_user)
            self._cut_all()
            self.version += bool(ready)
            return len(ready)

    def _cut(self, user: str, most: int) -> None:
        shopper = self._shoppers[user]
        extra = len(shopper.searches) - most
        if extra > 0:
            self._ids.difference_update(s.search_id for s in shopper.searches[:extra] if s.search_id)
            del shopper.searches[:extra], shopper.keys[:extra]
            self._count -= extra
        if not shopper.searches:
            del self._shoppers[user]

    def _cut_all(self) -> None:
        while self._count > self._max_searches:
            user = next(iter(self._shoppers))
            self._cut(user, max(0, len(self._shoppers[user].searches) - (self._count - self._max_searches)))

    def of_user(self, user: str | None) -> tuple[Search, ...]:
        """Return the searches of a shopper, oldest first; none for a stranger or a guest without an id."""
        with self._lock:
            known = None if user is None else self._shoppers.get(user)
            return () if known is None else tuple(known.searches)

    def by_user(self) -> list[tuple[str, tuple[Search, ...]]]:
        """Return all searches by shopper, shoppers in the order in which they came."""
        with self._lock:
            return [(user, tuple(one.searches)) for user, one in self._shoppers.items()]

    def every(self) -> tuple[Search, ...]:
        """Return all searches, shopper by shopper, oldest first of each."""
        return tuple(search for _, theirs in self.by_user() for search in theirs)

    def refound(self, user: str | None, text: str, limit: int = 10, before: int | None = None) -> tuple[str, ...]:
        """Return the ids of items that this shopper chose for this query before, the latest choice first.

        Of searches at and after epoch second ``before`` nothing is known.

        The same query is the same words in any order and number, see `query_key` (the sensory memory of CoPS, Zhou
        et al. 2024).
        """
        key = query_key(text)
        with self._lock:
            known = None if user is None else self._shoppers.get(user)
            if known is None or not key:
                return ()
            end = None if before is None else bisect.bisect_left(known.searches, before, key=_second)
            chosen = [s.chosen for s, k in zip(known.searches[:end], known.keys[:end], strict=True) if k == key]
        return tuple(dict.fromkeys(i for ids in reversed(chosen) for i in ids))[:limit]

    def forget(self, user: str, text: str) -> int:
        """Drop what a shopper searched by this query; return how many searches are gone."""
        key = query_key(text)
        return self._drop(user, lambda k: k == key)

    def erase(self, user: str) -> int:
        """Forget a shopper, search ids and all; return how many searches are gone."""
        return self._drop(user, lambda k: True)

    def _drop(self, user: str, gone: Callable[[str], bool]) -> int:
        with self._lock:
            known = self._shoppers.get(user)
            if known is None:
                return 0
            left = [(s, k) for s, k in zip(known.searches, known.keys, strict=True) if not gone(k)]
            lost = len(known.searches) - len(left)
            if lost:
                self._ids.difference_update(s.search_id for s in known.searches if s.search_id)
                self._ids.update(s.search_id for s, _ in left if s.search_id)
                self._shoppers[user] = _Shopper([s for s, _ in left], [k for _, k in left])
                self._count -= lost
                self._cut(user, self._max_per_user)
                self.version += 1
            return lost

    def merge(self, guest: str, customer: str) -> int:
        """Move all searches of ``guest`` to ``customer``, in time order; return how many."""
        check_id(customer, "user_id")
        if guest == customer:
            return 0
        with self._lock:
            known = self._shoppers.pop(guest, None)
            if known is None:
                return 0
            target = self._shoppers.setdefault(customer, _Shopper())
            for search in known.searches:
                target.add(replace(search, user_id=customer))
            self._cut(customer, self._max_per_user)
            self.version += 1
            return len(known.searches)

    def export(self, user: str) -> list[dict[str, Any]]:
        """Return all searches of a shopper as plain dicts ready for JSON, oldest first; times are ISO 8601 in UTC."""
        return exported_searches(self.of_user(user))
