"""From records to a `Dataset`: columns while reading, then duplicates, k-core and the catalogue."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recsys.data.duplicates import POLICIES, DuplicatePolicy, repeats
from recsys.data.kcore import k_core
from recsys.data.report import SAMPLES_PER_REASON, Tally
from recsys.dataset import Dataset, EventLog, ItemTable
from recsys.errors import DataError
from recsys.types import KIND_CODES, Events, Item, Review

EXACT = "exact duplicate"
KNOWN_EVENT = "event id seen before"
MOMENT = "same user, item, kind and time"
PAIR = "same user and item"
NO_TIME = "time is missing"
CORE = "outside the k-core"
UNUSED_ITEM = "item without events"
KNOWN_ITEM = "item seen before"
_UNTIMED = np.iinfo(np.int64).min
_IMPRESSION = KIND_CODES["impression"]
_MAX_POSITION = np.iinfo(np.int16).max


class BuildOptions(BaseModel):
    """What happens to the records once all are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    duplicates: DuplicatePolicy = Field(
        default="moment",
        description="'exact' drops equal records, 'moment' also those of one user, item, kind and time,"
        " 'pair' leaves one event of a user and an item; the earliest stays",
    )
    user_core: int = Field(default=0, ge=0, description="drop users with fewer events, iterated with item_core")
    item_core: int = Field(default=0, ge=0, description="drop items with fewer events, iterated with user_core")
    unused_items: Literal["keep", "drop"] = Field(default="keep", description="catalogue items without any event")


class DatasetBuilder:
    """Collects events as columns, about 60 bytes each, and items; ends the open record of its tally every time."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._users: dict[str, int] = {}
        self._item_codes: dict[str, int] = {}
        self._user, self._item = array("i"), array("i")
        self._kind, self._value, self._time = array("b"), array("d"), array("q")
        self._position, self._digest = array("h"), array("q")
        self._events = _Places()
        self._ids: list[str] = []
        self._seen_ids: set[str] = set()
        self._reviews: dict[int, Review] = {}
        self._items: dict[str, Item] = {}
        self._described: dict[str, Item] = {}
        self._catalogue = _Places()

    def __len__(self) -> int:
        return len(self._user)

    def has_events(self, item_id: str) -> bool:
        """Return whether any event so far names the item: others need not be parsed if they will be dropped."""
        return item_id in self._item_codes

    def event(
        self,
        user_id: str,
        item_id: str,
        kind: str,
        time: int | None,
        *,
        value: float = 1.0,
        position: int = 0,
        event_id: str = "",
        digest: int = 0,
        review: Review | None = None,
    ) -> None:
        """Take the open record as an event.

        ``time`` is epoch seconds; None for all events means that the order of the records is all there is.
        ``position`` counts from 1, 0 = not logged. ``digest`` tells records apart whose other values are equal.
        """
        if event_id and event_id in self._seen_ids:
            self.tally.drop(KNOWN_EVENT)
            return
        if event_id:
            self._seen_ids.add(event_id)
        if review is not None:
            self._reviews[len(self._user)] = review
        self._user.append(self._users.setdefault(user_id, len(self._users)))
        self._item.append(self._item_codes.setdefault(item_id, len(self._item_codes)))
        self._kind.append(KIND_CODES[kind])
        self._value.append(value)
        self._time.append(_UNTIMED if time is None else time)
        self._position.append(min(position, _MAX_POSITION))
        self._digest.append(digest)
        self._ids.append(event_id)
        self._events.add(self.tally)

    def item(self, item: Item) -> None:
        """Take the open record as an item; the first of an id counts."""
        if item.item_id in self._items:
            self.tally.drop(KNOWN_ITEM)
            return
        self._items[item.item_id] = item
        self._catalogue.add(self.tally)

    def describe(self, items: Iterable[Item]) -> None:
        """Take items that are no records, such as what events tell of them; used where no record tells more."""
        self._described.update((item.item_id, item) for item in items)

    def build(self, name: str, options: BuildOptions, info: Mapping[str, Any] | None = None) -> Dataset:
        """Return the data set; what is dropped on the way is taken back from the tally.

        Items that have events but no record get a bare entry. Rows of the catalogue are in a shuffled order, the
        same every time: file order often follows age or sales, and would leak into every tie. ``info`` gains
        "has_times" (False: times are the order of the records) and "bare_items" (how many have only an id).

        Raises:
            DataError: no event is left.
        """
        events, has_times = self._kept_events(options)
        if not len(events):
            raise DataError(f"{name}: no event is left of {self.tally.read} records; {self._main_reasons()}")
        codes = np.frombuffer(self._item, dtype=np.int32)[events]
        used = np.zeros(len(self._item_codes), dtype=np.bool_)
        used[codes] = True
        table, row_of, bare = self._table(used, options)
        times = np.frombuffer(self._time, dtype=np.int64)[events] if has_times else events
        columns = Events.of(
            row_of[codes],
            times=times,
            kinds=np.frombuffer(self._kind, dtype=np.int8)[events],
            values=np.frombuffer(self._value, dtype=np.float64)[events],
            positions=np.frombuffer(self._position, dtype=np.int16)[events],
            ids=[self._ids[i] for i in events.tolist()] if self._seen_ids else (),
        )
        users = list(self._users)
        owners = [users[code] for code in np.frombuffer(self._user, dtype=np.int32)[events].tolist()]
        reviews = tuple(self._reviews[i] for i in events.tolist() if i in self._reviews)
        return Dataset(
            table, EventLog.of(owners, columns), reviews, name,
            {**(info or {}), "has_times": has_times, "bare_items": bare},
        )  # fmt: skip

    def _kept_events(self, options: BuildOptions) -> tuple[NDArray[np.int64], bool]:
        """Return the positions of the events that stay, in the order of the records, and whether they have times."""
        user, item = np.frombuffer(self._user, dtype=np.int32), np.frombuffer(self._item, dtype=np.int32)
        kind, time = np.frombuffer(self._kind, dtype=np.int8), np.frombuffer(self._time, dtype=np.int64)
        value, digest = np.frombuffer(self._value, dtype=np.float64), np.frombuffer(self._digest, dtype=np.int64)
        position = np.frombuffer(self._position, dtype=np.int16)
        kept = np.arange(len(user), dtype=np.int64)

        def drop(cause: str, places: NDArray[np.int64]) -> None:
            nonlocal kept
            self._events.take_back(self.tally, cause, places)
            kept = np.setdiff1d(kept, places, assume_unique=True)

        untimed = time == _UNTIMED
        has_times = not untimed.all()
        if has_times:
            drop(NO_TIME, np.flatnonzero(untimed))
        level = POLICIES.index(options.duplicates)
        if level >= 1:
            # Without times and digests, equal records are all that a repeat purchase leaves behind.
            comparable = kept if has_times else kept[digest[kept] != 0]
            drop(EXACT, repeats((user, item, time, kind, value, position, digest), comparable))
        if level >= 2 and has_times:
            drop(MOMENT, repeats((user, item, time, kind), kept))
        if level >= 3:
            by_time = kept[np.argsort(time[kept], kind="stable")]
            drop(PAIR, repeats((user, item), by_time))
        stay = k_core(user[kept], item[kept], options.user_core, options.item_core, kind[kept] != _IMPRESSION)
        drop(CORE, kept[~stay])
        return kept, has_times

    def _table(self, used: NDArray[np.bool_], options: BuildOptions) -> tuple[ItemTable, NDArray[np.int32], int]:
        """Return the catalogue, the row of each item code (-1 = not in it), and how many items are bare."""
        names = list(self._item_codes)
        with_events = {name for name, has in zip(names, used.tolist(), strict=True) if has}
        listed = self._items
        if options.unused_items == "drop":
            unused = [place for place, key in enumerate(self._items) if key not in with_events]
            self._catalogue.take_back(self.tally, UNUSED_ITEM, np.array(unused, dtype=np.int64))
            listed = {key: item for key, item in self._items.items() if key in with_events}
        bare = [key for key in names if key in with_events and key not in listed]
        others = {key: self._described.get(key) or Item(item_id=key) for key in bare}
        ids = sorted((*listed, *others))
        order = np.random.default_rng(20_240_229).permutation(len(ids)).tolist()
        table = ItemTable.of(listed.get(ids[i]) or others[ids[i]] for i in order)
        return table, table.vocabulary.rows(names), sum(key not in self._described for key in bare)

    def _main_reasons(self) -> str:
        told = "; ".join(f"{cause}: {count}" for cause, count in self.tally.reasons.most_common(4))
        return told or "the files are empty"


class _Places:
    """Where each kept record stood, and whether it was mended."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._file, self._line, self._mended = array("h"), array("q"), array("b")

    def add(self, tally: Tally) -> None:
        """Keep the open record of ``tally`` and remember its place."""
        self._file.append(self._files.setdefault(tally.file, len(self._files)))
        self._line.append(tally.line)
        self._mended.append(tally.keep())

    def take_back(self, tally: Tally, cause: str, places: NDArray[np.int64]) -> None:
        """Drop the records at ``places`` after all."""
        names = list(self._files)
        shown = [(names[self._file[i]], self._line[i]) for i in places[:SAMPLES_PER_REASON].tolist()]
        mended = int(np.frombuffer(self._mended, dtype=np.int8)[places].sum()) if len(places) else 0
        tally.take_back(cause, shown, len(places), mended)
