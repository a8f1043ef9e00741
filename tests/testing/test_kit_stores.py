from __future__ import annotations

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from kit_toys import ToyReader, ToyStore, after, broken, checks, run_check

from recsys.dataset import Dataset, ItemTable
from recsys.errors import DataError
from recsys.protocols import DropReport
from recsys.testing.kits import ReaderTests, StoreTests
from recsys.types import utc

FAILED = (AssertionError, pytest.fail.Exception)


class TestToyStore(StoreTests):
    @pytest.fixture
    def component(self):
        return ToyStore


def put_reversed(self, items):
    return ToyStore.put_items(self, list(items)[::-1])[::-1]


def put_always_new(self, items):
    fresh = [
        replace(i, item_id=i.item_id if i.item_id not in self.table.vocabulary else f"{i.item_id}+") for i in items
    ]
    return ToyStore.put_items(self, fresh)


def put_in_place(self, items):
    grown = self.table.put(items)
    for name in ("titles", "texts", "brands", "categories", "parents", "attributes"):
        getattr(self.table, name)[:] = getattr(grown, name)
    self.table = replace(grown, titles=self.table.titles)
    return self.table.vocabulary.rows([i.item_id for i in items])


def unsorted_history(self, user, before=None, limit=None):
    """Newest first."""
    out = ToyStore.history(self, user, before, limit)
    return out.take(slice(None, None, -1))


def history_of_likes(self, user, before=None, limit=None):
    out = ToyStore.history(self, user, before, limit)
    return out.take(out.weights > 0)


def strict_history(self, user, before=None, limit=None):
    if not any(e.user_id == user for e in self.events):
        raise DataError(f"unknown user {user}")
    return ToyStore.history(self, user, before, limit)


def inclusive_history(self, user, before=None, limit=None):
    return ToyStore.history(self, user, None if before is None else before + 1, limit)


def first_history(self, user, before=None, limit=None):
    return ToyStore.history(self, user, before).take(slice(0, limit))


def plain_weights(self, user, before=None, limit=None):
    out = ToyStore.history(self, user, before, limit)
    return replace(out, weights=np.sign(out.weights))


def nameless(self, user, before=None, limit=None):
    return replace(ToyStore.history(self, user, before, limit), ids=())


def growing_history(self, user, before=None, limit=None):
    """Hands out one object a shopper, and changes it."""
    self.given = getattr(self, "given", {})
    out = ToyStore.history(self, user, before, limit)
    mine = self.given.setdefault(user, out)
    for name in ("rows", "times", "kinds", "values", "weights", "positions"):
        object.__setattr__(mine, name, getattr(out, name))
    return mine


def counts_again(self, events):
    self.ids.clear()
    return ToyStore.put_events(self, events)


def anonymous_once(self, events):
    named = [e if e.event_id else replace(e, event_id=f"{e.user_id}-{e.item_id}-{e.time}") for e in events]
    return ToyStore.put_events(self, named)


def adds_what_it_is_asked(self, events):
    new = ToyStore.unknown(self, events)
    self.ids |= {e.event_id for e in new}
    return new


def arrival_order_lost(self, events):
    return ToyStore.put_events(self, list(events)[::-1])


def local_times(self, events):
    return ToyStore.put_events(self, [replace(e, time=utc(e.time) + 3600) for e in events])


def keeps_the_good(self, events):
    good = [e for e in events if e.item_id in self.table.vocabulary]
    new = ToyStore.put_events(self, good)
    if len(good) < len(events):
        raise DataError(f"unknown: {[e.item_id for e in events if e not in good]}")
    return new


def skips_the_bad(self, events):
    return ToyStore.put_events(self, [e for e in events if e.item_id in self.table.vocabulary])


def copying_merge(self, guest, customer):
    copies = [replace(e, user_id=customer, event_id=None) for e in self.events if e.user_id == guest]
    self.events += copies
    return len(copies)


def forgetting_merge(self, guest, customer):
    gone = {e.event_id for e in self.events if e.user_id == guest}
    moved = ToyStore.merge(self, guest, customer)
    self.ids -= gone
    return moved


def erases_all(self, user):
    before = sum(e.user_id == user for e in self.events)
    self.events = []
    return before


def hides(self, user):
    return 0


def slow_put(self, events):
    own = list(self.events)
    for event in events:
        if event.event_id not in self.ids:
            own.append(event)
            self.ids.add(event.event_id)
    time.sleep(0.02)
    added = len(own) - len(self.events)
    self.events = own
    return added


STORE = [
    ("store_has_its_protocol", broken(ToyStore, merge=None)),
    ("store_starts_empty", broken(ToyStore, history=strict_history)),
    ("put_items_gives_rows_in_order", broken(ToyStore, put_items=put_reversed)),
    ("put_items_gives_rows_in_order", after(ToyStore, "put_items", lambda s, a, *_: a.astype(np.int64))),
    ("put_items_changes_in_place", broken(ToyStore, put_items=put_always_new)),
    ("items_are_a_snapshot", broken(ToyStore, put_items=put_in_place)),
    ("history_is_in_time_order", broken(ToyStore, history=unsorted_history)),
    ("history_is_in_time_order", broken(ToyStore, history=history_of_likes)),
    ("history_before_and_limit", broken(ToyStore, history=inclusive_history)),
    ("history_before_and_limit", broken(ToyStore, history=first_history)),
    ("history_of_a_stranger_is_empty", broken(ToyStore, history=strict_history)),
    ("history_equals_the_log", broken(ToyStore, history=plain_weights)),
    ("history_equals_the_log", broken(ToyStore, history=nameless)),
    ("history_survives_later_events", broken(ToyStore, history=growing_history)),
    ("events_are_idempotent_by_id", broken(ToyStore, put_events=counts_again)),
    ("events_are_idempotent_by_id", broken(ToyStore, put_events=anonymous_once)),
    ("unknown_events_are_those_that_count", broken(ToyStore, unknown=lambda s, events: list(events))),
    ("unknown_events_are_those_that_count", broken(ToyStore, unknown=adds_what_it_is_asked)),
    ("events_of_equal_time_keep_their_order", broken(ToyStore, put_events=arrival_order_lost)),
    ("event_times_are_utc", broken(ToyStore, put_events=local_times)),
    ("event_of_an_unknown_item_is_refused", broken(ToyStore, put_events=keeps_the_good)),
    ("event_of_an_unknown_item_is_refused", broken(ToyStore, put_events=skips_the_bad)),
    ("merge_moves_a_guest", broken(ToyStore, merge=copying_merge)),
    ("merge_keeps_event_ids_known", broken(ToyStore, merge=forgetting_merge)),
    ("erase_forgets_one_shopper", broken(ToyStore, erase=erases_all)),
    ("erase_forgets_one_shopper", broken(ToyStore, erase=hides)),
    ("puts_in_two_threads", broken(ToyStore, put_events=slow_put)),
]


@pytest.mark.parametrize(
    ("check", "component"), [(f"test_{c}", k) for c, k in STORE], ids=[f"{i}-{c}" for i, (c, _) in enumerate(STORE)]
)
def test_broken_store_fails_its_check(check, component, tmp_path):
    expected = (*FAILED, DataError) if "stranger" in check or "starts_empty" in check else FAILED
    with pytest.raises(expected):
        run_check(StoreTests, check, component, tmp_path)


def test_every_check_has_a_store_that_fails_it():
    assert {f"test_{c}" for c, _ in STORE} == set(checks(StoreTests))


def clean(folder):
    path = folder / "clean.txt"
    path.write_text("anna apple 3\nben pear 1\nanna pear 5\nben apple 9\nanna fig 6\n")
    return str(path)


def soiled(folder):
    path = folder / "dirty.txt"
    path.write_text("anna apple 3\nben pear\nanna pear soon\n\nben fig 9\n")
    return str(path)


class TestToyReader(ReaderTests):
    @pytest.fixture
    def component(self):
        return ToyReader

    @pytest.fixture
    def place(self, tmp_path):
        return clean(tmp_path)

    @pytest.fixture
    def dirty(self, tmp_path):
        return soiled(tmp_path)


class TestCleanReader(ReaderTests):
    """A format without dirt: the default of the kit."""

    @pytest.fixture
    def component(self):
        return ToyReader

    @pytest.fixture
    def place(self, tmp_path):
        return clean(tmp_path)


def read(change):
    """A reader whose (data, report) is changed."""
    return after(ToyReader, "read", lambda s, a, place: change(s, *a))


def unsorted_log(self, data, report):
    log = data.log
    events = replace(log.events, times=log.events.times[::-1].copy())
    return data.with_log(replace(log, events=events)), report


def renamed(self, data, report):
    users = tuple("anna" for _ in data.log.users)
    return data.with_log(replace(data.log, users=users)), report


def numbered(self, data, report):
    return data.with_log(replace(data.log, users=tuple(range(data.log.n_users)))), report


def orphans(self, data, report):
    return replace(data, items=ItemTable.of([data.items.item(0)])), report


readings = itertools.count()


def counted(self, data, report):
    titles = [f"reading {next(readings)}"] * len(data.items)
    return replace(data, items=replace(data.items, titles=titles)), report


def empty_for_nowhere(self, place):
    try:
        return ToyReader.read(self, place)
    except DataError:
        return Dataset.of([], []), DropReport()


def stops_at_dirt(self, place):
    data, report = ToyReader.read(self, place)
    if report.dropped:
        raise DataError("broken line")
    return data, report


READ = [
    ("reader_has_its_protocol", broken(ToyReader, read=None)),
    ("read_gives_a_dataset_and_a_report", after(ToyReader, "read", lambda s, a, place: (a[0], None))),
    ("read_gives_a_dataset_and_a_report", read(lambda s, d, r: (Dataset.of([], []), r))),
    ("read_adds_up", read(lambda s, d, r: (d, replace(r, dropped=0)))),
    ("read_adds_up", read(lambda s, d, r: (d, replace(r, repaired=r.kept + 1)))),
    ("read_log_is_sound", read(unsorted_log)),
    ("read_log_is_sound", read(renamed)),
    ("read_log_is_sound", read(orphans)),
    ("read_ids_are_text", read(numbered)),
    ("read_twice_gives_the_same", read(counted)),
    ("read_of_nowhere_is_refused", broken(ToyReader, read=empty_for_nowhere)),
    ("read_survives_dirt", broken(ToyReader, read=stops_at_dirt)),
    ("read_survives_dirt", read(lambda s, d, r: (d, replace(r, samples=("a broken line",))))),
    ("read_survives_dirt", read(lambda s, d, r: (d, replace(r, reasons={})))),
    ("read_survives_dirt", read(lambda s, d, r: (d.with_log(d.log.where(d.log.events.rows < 0)), r))),
]


@pytest.mark.parametrize(
    ("check", "component"), [(f"test_{c}", k) for c, k in READ], ids=[f"{i}-{c}" for i, (c, _) in enumerate(READ)]
)
def test_broken_reader_fails_its_check(check, component, tmp_path):
    expected = (*FAILED, DataError) if "dirt" in check else FAILED
    with pytest.raises(expected):
        run_check(ReaderTests, check, component, tmp_path, place=clean(tmp_path), dirty=soiled(tmp_path))


def test_every_check_has_a_reader_that_fails_it():
    assert {f"test_{c}" for c, _ in READ} == set(checks(ReaderTests))
