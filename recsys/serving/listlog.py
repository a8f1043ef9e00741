"""Lists that were served: kept at hand for their next pages and reasons, and written to the store in the background.

A list is no promise as an event is: it is written a moment later, many at a time, so that no list waits for a disk.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from recsys import background
from recsys.errors import RecsysError

KEPT = 20_000  # lists at hand
WAITING = 50_000  # lists that wait to be written; more are dropped, and counted
FLUSH_S = 0.05
END_S = 5.0
RETRIES = 5  # another process may be about to write the list that is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRecord:
    """One list: what was asked for, what was shown page by page, and what made it. ``created``: epoch seconds."""

    list_id: str
    user: str | None
    created: int
    kind: str
    bundle: str
    variant: str
    placement: str = "default"
    experiment: str = ""
    arm: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)
    pages: tuple[tuple[str, ...], ...] = ()

    @property
    def shown(self) -> tuple[str, ...]:
        """The items of all pages."""
        return tuple(item_id for page in self.pages for item_id in page)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ListRecord:
        """Return the record that `to_dict` wrote."""
        return cls(**{**values, "pages": tuple(tuple(page) for page in values["pages"])})


class ListTable(Protocol):
    """Where lists are written: of one tenant."""

    def put_many(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write lists, each replacing the one of its ``list_id``."""
        ...

    def get(self, list_id: str) -> Mapping[str, Any] | None:
        """Return one list, None if there is none."""
        ...


class ListLog:
    """The lists of one tenant; any number of threads may ask it."""

    def __init__(self, table: ListTable | None = None, *, kept: int = KEPT, flush_s: float = FLUSH_S) -> None:
        """Without a ``table`` lists are at hand in this process alone."""
        self._table, self._kept, self._flush_s = table, kept, flush_s
        self._lists: OrderedDict[str, ListRecord] = OrderedDict()
        self._waiting: OrderedDict[str, ListRecord] = OrderedDict()
        self._writing: set[str] = set()  # shoppers of the lists that are being written
        self._changed = threading.Condition()
        self._ended = False
        self.lost = 0  # lists that could not be written
        self._thread = None if table is None else background.start(self._write, "recsys-lists", self._end)

    def add(self, record: ListRecord, written: bool = True) -> None:
        """Keep a list; one of the same id, of an earlier page, is replaced. ``written`` false: at hand alone."""
        with self._changed:
            self._lists[record.list_id] = record
            self._lists.move_to_end(record.list_id)
            while len(self._lists) > self._kept:
                self._lists.popitem(last=False)
            if written and self._table is not None and not self._ended:
                self._waiting[record.list_id] = record
                while len(self._waiting) > WAITING:
                    self._waiting.popitem(last=False)
                    self.lost += 1
                self._changed.notify_all()

    def get(self, list_id: str) -> ListRecord | None:
        """Return a list, None if there is none (any more)."""
        for attempt in range(1 if self._table is None else RETRIES):
            with self._changed:
                found = self._lists.get(list_id)
            if found is not None or self._table is None:
                return found
            written = self._table.get(list_id)
            if written is not None:
                return ListRecord.of(written)
            if attempt < RETRIES - 1:
                time.sleep(self._flush_s)
        return None

    def forget(self, user: str) -> None:
        """Drop the lists of a shopper that are at hand or wait; returns when none of them is being written."""
        with self._changed:
            for lists in (self._lists, self._waiting):
                for list_id in [i for i, one in lists.items() if one.user == user]:
                    del lists[list_id]
            self._changed.wait_for(lambda: user not in self._writing, END_S)

    def flush(self, timeout_s: float = END_S) -> bool:
        """Wait until all lists so far are written; return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, timeout_s)

    def close(self) -> None:
        """Write what waits and end."""
        self._end()
        if self._thread is not None:
            self._thread.join(END_S)

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _write(self) -> None:
        assert self._table is not None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._ended)
                if not self._waiting:
                    return
                ended = self._ended
            if not ended:
                time.sleep(self._flush_s)  # what comes meanwhile is written with it
            with self._changed:
                records = list(self._waiting.values())
                self._waiting.clear()
                self._writing = {one.user or "" for one in records}
            try:
                if records:
                    self._table.put_many([one.to_dict() for one in records])
            except RecsysError:
                # The store is down: lists are answered without it, and how many are missing from it is told.
                self.lost += len(records)
            finally:
                with self._changed:
                    self._writing = set()
                    self._changed.notify_all()
