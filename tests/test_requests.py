from __future__ import annotations

import numpy as np
import pytest

from recsys.data.splits import leave_one_out
from recsys.dataset import Dataset, ItemTable
from recsys.errors import DataError
from recsys.requests import compile_filter, fold_requests, labels_of, seen, without
from recsys.types import KIND_CODES, Event, Events, Filter, Item

TABLE = ItemTable.of(
    [
        Item(item_id="a", brand="Oak", categories=("Home", "Chairs"), price=10.0, stock=3),
        Item(item_id="b", brand="Oak", categories=("Home",), price=20.0, stock=0),
        Item(item_id="c", brand="Elm", categories=("Garden",), price=None),
        Item(item_id="d", categories=(), price=30.0),
        Item(item_id="e", brand="Oakum", categories=("Homestead",), price=10.0, stock=1),
    ]
)


def ids(where: Filter, table: ItemTable = TABLE) -> str:
    return "".join(np.array(table.ids)[compile_filter(table, where)])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(), "acde"),
        (Filter(in_stock=False), "abcde"),
        (Filter(brands=("Oak",)), "a"),
        (Filter(brands=("Oak", "Elm"), in_stock=False), "abc"),
        (Filter(brands=("Birch",)), ""),
        (Filter(categories=("Home", "Garden")), "ac"),
        (Filter(min_price=10.0), "ade"),
        (Filter(max_price=10.0), "ae"),
        (Filter(min_price=10.5, max_price=20.0, in_stock=False), "b"),
        (Filter(min_price=0), "ade"),
        (Filter(max_price=float("inf")), "ade"),
        (Filter(exclude_item_ids=("a", "d")), "ce"),
        (Filter(exclude_item_ids=("never-heard-of",)), "acde"),
        (Filter(brands=("Oak",), categories=("Chairs",), max_price=10, exclude_item_ids=("e",)), "a"),
    ],
)
def test_every_condition_holds(where, expected):
    assert ids(where) == expected


@pytest.mark.parametrize("name", ["brands", "categories", "exclude_item_ids"])
def test_one_string_is_no_list_of_strings(name):
    # "Oak" would match every brand that is a part of it, and no brand at all.
    with pytest.raises(DataError, match=rf"where\.{name} must be a tuple of strings, got the string 'Oakum'"):
        Filter(**{name: "Oakum"})


def test_withdrawn_items_pass_no_filter():
    table = TABLE.without(np.array([0, 3], dtype=np.int32))
    assert ids(Filter(in_stock=False), table) == "bce"
    assert ids(Filter(brands=("Oak",), in_stock=False), table) == "b"


def test_the_catalogue_is_left_alone():
    before = TABLE.available.copy()
    compile_filter(TABLE, Filter(exclude_item_ids=("a",)))
    assert np.array_equal(TABLE.available, before)


@pytest.mark.parametrize("name", ["min_price", "max_price"])
def test_a_bound_that_is_no_number(name):
    with pytest.raises(DataError, match=rf"where\.{name} must be a number, got NaN"):
        compile_filter(TABLE, Filter(**{name: float("nan")}))


def test_crossed_bounds():
    with pytest.raises(DataError, match=r"min_price 5\.0 is above where\.max_price 4\.0"):
        compile_filter(TABLE, Filter(min_price=5.0, max_price=4.0))
    assert ids(Filter(min_price=10.0, max_price=10.0)) == "ae"


def test_choices_hide_an_item_and_looks_do_not():
    hides = {"interaction", "purchase", "rating", "like", "dislike", "return", "not-interested"}
    kinds = list(KIND_CODES)
    history = Events.of(range(len(kinds)), kinds=[KIND_CODES[k] for k in kinds], weights=[0] * len(kinds))
    assert {kinds[row] for row in seen(history).tolist()} == hides


def test_without_copies_and_ignores_rows_that_the_mask_has_not():
    mask = np.ones(4, dtype=np.bool_)
    # An item may be added, and chosen, between the moment the mask was compiled and the history was read.
    out = without(mask, np.array([1, -1, 4, 99], dtype=np.int32))
    assert out.tolist() == [True, False, True, True]
    assert mask.all()


def log_of(*histories: str, kind: str = "purchase") -> Dataset:
    events = [
        Event(user_id=f"user-{u}", item_id=item, kind=kind, time=step)
        for u, history in enumerate(histories)
        for step, item in enumerate(history)
    ]
    return Dataset.of([Item(item_id=i) for i in "abcdef"], events)


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_requests_of_a_fold(chunk):
    fold = leave_one_out(log_of("abcd", "fedcb", "ace").log).test
    parts = list(fold_requests(fold, 6, hide_seen=True, k=3, chunk=chunk))
    requests = [r for _, chunked in parts for r in chunked]
    assert [p.stop - p.start for p, _ in parts] == [len(chunked) for _, chunked in parts]
    assert [p.start for p, _ in parts] == list(range(0, 3, chunk))
    assert [r.history.rows.tolist() for r in requests] == [[0, 1, 2], [5, 4, 3, 2], [0, 2]]
    assert [np.flatnonzero(r.allowed).tolist() for r in requests] == [[3, 4, 5], [0, 1], [1, 3, 4, 5]]
    assert [r.now for r in requests] == [3, 4, 2]
    assert {r.k for r in requests} == {3}
    assert {r.user for r in requests} == {None}  # nothing downstream may learn who asks


def test_unmasked_requests_of_a_fold():
    fold = leave_one_out(log_of("abcd").log).test
    ((_, requests),) = fold_requests(fold, 6, hide_seen=False)
    assert requests[0].allowed is None


def test_labels_are_aligned_with_the_chunk():
    fold = leave_one_out(log_of("abcd", "fedcb", "ace").log).test  # targets d, b, e
    items = np.array([3, 1, 4, 1, 3, 4], dtype=np.int32)
    owner = np.array([0, 0, 1, 1, 1, 2])
    assert labels_of(items, owner, fold, slice(0, 3)).tolist() == [1, 0, 0, 1, 0, 1]
    assert labels_of(items[2:], owner[2:] - 1, fold, slice(1, 3)).tolist() == [0, 1, 0, 1]
    assert labels_of(items[:0], owner[:0], fold, slice(0, 3)).tolist() == []
