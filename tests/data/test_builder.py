from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.data.builder import BuildOptions, DatasetBuilder
from recsys.data.duplicates import repeats
from recsys.data.kcore import k_core
from recsys.data.report import Tally
from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.protocols import DropReport
from recsys.types import KINDS, Item, Review

Row = tuple[str, str, int | None]


def build(
    rows: list[Row], items: tuple[str, ...] = (), kind: str = "interaction", **options: object
) -> tuple[Dataset, DropReport]:
    tally = Tally()
    builder = DatasetBuilder(tally)
    for line, (user, item, time) in enumerate(rows, 1):
        tally.start("f", line)
        builder.event(user, item, kind, time)
    for line, item in enumerate(items, 1):
        tally.start("items", line)
        builder.item(Item(item_id=item, title=f"title of {item}"))
    data = builder.build("test", BuildOptions.model_validate(options))
    return data, tally.freeze()


def triples(data: Dataset) -> set[tuple[str, str, int]]:
    ids = data.items.ids
    owners = [data.log.users[o] for o in data.log.owner.tolist()]
    return set(zip(owners, [ids[r] for r in data.log.events.rows.tolist()], data.log.events.times.tolist()))


def test_events_and_items_come_together() -> None:
    data, report = build([("u", "a", 5), ("u", "b", 3), ("v", "a", 1)], ("a", "unused"))
    assert triples(data) == {("u", "a", 5), ("u", "b", 3), ("v", "a", 1)}
    assert data.log.history(0).times.tolist() == [3, 5]
    titles = dict(zip(data.items.ids, data.items.titles))
    assert titles == {"a": "title of a", "b": "", "unused": "title of unused"}
    assert data.info == {"has_times": True, "bare_items": 1}
    assert (report.read, report.kept, report.dropped) == (5, 5, 0)


def test_unused_items_may_be_dropped() -> None:
    data, report = build([("u", "a", 5)], ("a", "unused"), unused_items="drop")
    assert data.items.ids == ["a"]
    assert report.reasons == {"item without events": 1}
    assert report.samples == ("items:2: item without events",)
    assert report.read == report.kept + report.dropped == 3


def test_the_first_of_two_equal_items_counts() -> None:
    tally = Tally()
    builder = DatasetBuilder(tally)
    for title in ("first", "second"):
        tally.start("items", 1)
        builder.item(Item(item_id="a", title=title))
    builder.describe([Item(item_id="a", title="hearsay"), Item(item_id="b", title="hearsay of b")])
    for item in ("a", "b", "c"):
        tally.start("f", 1)
        builder.event("u", item, "view", 1)
    data = builder.build("test", BuildOptions())
    assert dict(zip(data.items.ids, data.items.titles)) == {"a": "first", "b": "hearsay of b", "c": ""}
    assert data.info["bare_items"] == 1
    assert tally.freeze().reasons == {"item seen before": 1}


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("keep", 6), ("exact", 5), ("moment", 4), ("pair", 2)],
)
def test_duplicate_policies_are_a_ladder(policy: str, kept: int) -> None:
    tally = Tally()
    builder = DatasetBuilder(tally)
    rows = [
        ("u", "a", 7, 4.0),
        ("u", "a", 7, 4.0),
        ("u", "a", 7, 2.0),
        ("u", "a", 3, 1.0),
        ("u", "a", 9, 4.0),
        ("v", "a", 7, 4.0),
    ]
    for line, (user, item, time, value) in enumerate(rows, 1):
        tally.start("f", line, ("mended",))
        builder.event(user, item, "rating", time, value=value)
    data = builder.build("test", BuildOptions.model_validate({"duplicates": policy}))
    report = tally.freeze()
    assert len(data.log) == kept
    assert (report.read, report.kept, report.repaired) == (6, kept, kept)
    if policy == "moment":
        assert report.reasons["exact duplicate"] == report.reasons["same user, item, kind and time"] == 1
        assert "f:2: exact duplicate" in report.samples
    if policy == "pair":
        assert data.log.history(0).times.tolist() == [3]


def test_a_digest_tells_equal_rows_apart() -> None:
    tally = Tally()
    builder = DatasetBuilder(tally)
    for digest in (1, 2, 1):
        tally.start("f", digest)
        builder.event("u", "a", "rating", 5, digest=digest)
    assert len(builder.build("test", BuildOptions(duplicates="exact")).log) == 2


def test_order_stands_in_for_times_and_repeats_stay() -> None:
    data, report = build([("u", "b", None), ("u", "a", None), ("u", "b", None)])
    assert data.info["has_times"] is False
    ids = data.items.ids
    assert [ids[r] for r in data.log.events.rows.tolist()] == ["b", "a", "b"]
    assert data.log.events.times.tolist() == [0, 1, 2]
    assert report.dropped == 0


def test_events_without_a_time_among_others_are_dropped() -> None:
    data, report = build([("u", "a", 5), ("u", "b", None)])
    assert triples(data) == {("u", "a", 5)}
    assert report.samples == ("f:2: time is missing",)


def test_event_ids_are_idempotent_and_kept() -> None:
    tally = Tally()
    builder = DatasetBuilder(tally)
    for line, (name, time) in enumerate([("e1", 1), ("e1", 2), ("", 3), ("e2", 4)], 1):
        tally.start("f", line)
        builder.event("u", "a", "view", time, event_id=name, position=40_000)
    data = builder.build("test", BuildOptions())
    assert data.log.events.ids == ("e1", "", "e2")
    assert data.log.events.positions.tolist() == [32_767] * 3
    assert tally.freeze().reasons == {"event id seen before": 1}


def test_reviews_follow_their_events() -> None:
    tally = Tally()
    builder = DatasetBuilder(tally)
    for line, user in enumerate(("u", "u", "v"), 1):
        tally.start("f", line)
        builder.event(user, "a", "rating", 5, review=Review(user_id=user, item_id="a", text=f"review {line}"))
    data = builder.build("test", BuildOptions())
    assert [r.text for r in data.reviews] == ["review 1", "review 3"]


def test_rows_of_the_catalogue_do_not_follow_the_file() -> None:
    rows = [("u", f"{n:03}", n) for n in range(200)]
    ids = build(rows)[0].items.ids
    assert ids == build(list(reversed(rows)))[0].items.ids
    assert abs(np.corrcoef(np.arange(200), [int(i) for i in ids])[0, 1]) < 0.2


def test_nothing_left_is_an_error_that_says_why() -> None:
    with pytest.raises(DataError, match="the files are empty"):
        build([])
    with pytest.raises(DataError, match="outside the k-core: 2"):
        build([("u", "a", 1), ("v", "a", 2)], user_core=5)


def test_impressions_do_not_count_for_the_core() -> None:
    with pytest.raises(DataError, match="no event is left"):
        build([("u", "a", t) for t in range(5)], kind="impression", user_core=2)


def test_k_core_cuts_until_nothing_changes() -> None:
    # c has two events only through w, who falls first; then v has one left, then a.
    users = np.array([0, 0, 1, 1, 2])
    items = np.array([0, 1, 0, 2, 2])
    assert k_core(users, items, 2, 2).tolist() == [False] * 5
    assert k_core(users, items, 2, 1).tolist() == [True, True, True, True, False]
    assert k_core(users, items, 0, 0).all()
    assert k_core(np.array([], dtype=int), np.array([], dtype=int), 2, 2).tolist() == []


pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60)


@given(pairs, st.integers(1, 4), st.integers(1, 4))
def test_k_core_is_the_largest_sound_part(rows: list[tuple[int, int]], user_core: int, item_core: int) -> None:
    users, items = np.array(rows).T
    kept = k_core(users, items, user_core, item_core)
    left = list(rows)
    while True:  # one at a time, in any order, reaches the same part: the core is unique
        bad = [
            (u, i) for u, i in left
            if sum(x == u for x, _ in left) < user_core or sum(y == i for _, y in left) < item_core
        ]  # fmt: skip
        if not bad:
            break
        left.remove(bad[0])
    assert sorted(zip(users[kept].tolist(), items[kept].tolist())) == sorted(left)


def test_k_core_keeps_uncounted_events_of_who_stays() -> None:
    users, items = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])
    counted = np.array([True, True, False, False])
    assert k_core(users, items, 2, 1, counted).tolist() == [True, True, False, False]
    assert k_core(users, np.array([0, 1, 1, 0]), 2, 1, counted).tolist() == [True, True, True, False]


@given(pairs)
def test_repeats_are_all_but_the_first(rows: list[tuple[int, int]]) -> None:
    columns = list(np.array(rows).T)
    seen: set[tuple[int, int]] = set()
    expected = []
    for place, row in enumerate(rows):
        if row in seen:
            expected.append(place)
        seen.add(row)
    assert repeats(columns, np.arange(len(rows))).tolist() == expected


def test_every_kind_can_be_taken() -> None:
    tally = Tally()
    builder = DatasetBuilder(tally)
    for n, kind in enumerate(KINDS):
        tally.start("f", n)
        builder.event("u", "a", kind, n)
    assert builder.build("t", BuildOptions()).log.events.kinds.tolist() == list(range(len(KINDS)))
    assert len(builder) == len(KINDS)
    assert builder.has_events("a")
    assert not builder.has_events("b")
