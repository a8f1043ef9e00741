from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import Dataset, EventLog, ItemTable, event_columns
from recsys.errors import DataError
from recsys.ids import Vocabulary
from recsys.types import KINDS, Event, Events, Item, Review

FULL = Item(
    item_id="full", title="Steel kettle", text="Boils water.", brand="Hearthly", categories=("Home", "Kitchen"),
    price=9.99, stock=3, parent_id="kettles", created=datetime(2024, 2, 29, tzinfo=UTC),
    attributes={"material": "steel", "tags": ("new", "gift"), "weight": 1.5, "eco": True},
)  # fmt: skip
BARE = Item(item_id="bare")


def test_items_there_and_back():
    table = ItemTable.of([FULL, BARE])
    assert table.item(0) == FULL
    assert table.item(1) == BARE
    assert len(table) == 2
    assert table.ids == ["full", "bare"]


def test_what_is_unknown_has_one_sign_each():
    table = ItemTable.of([BARE])
    assert np.isnan(table.prices[0])
    assert (table.stock[0], table.created[0], table.brands[0], table.parents[0]) == (-1, 0, "", "")
    assert table.available.tolist() == [True]


def test_text_joins_what_there_is():
    table = ItemTable.of([FULL, BARE, Item(item_id="x", text="Only text")])
    assert table.text(0) == "Steel kettle. Hearthly. Home Kitchen. Boils water.. steel. new gift"
    assert table.text(1) == ""
    assert table.text(2) == "Only text"


def test_an_item_that_occurs_twice_is_refused():
    with pytest.raises(DataError, match="'bare' occurs twice"):
        ItemTable.of([BARE, FULL, BARE])


def test_put_changes_and_appends_and_leaves_the_old_table_alone():
    old = ItemTable.of([FULL, BARE])
    new = old.put([Item(item_id="third", price=2.5), Item(item_id="bare", title="No longer bare", stock=0)])
    assert new.ids == ["full", "bare", "third"]
    assert new.titles == ["Steel kettle", "No longer bare", ""]
    assert new.item(0) == FULL
    assert (new.stock.tolist(), new.prices[2]) == ([3, 0, -1], np.float32(2.5))
    assert (len(old), old.titles, old.ids) == (2, ["Steel kettle", ""], ["full", "bare"])


def test_put_of_one_id_twice_keeps_the_last():
    table = ItemTable.of([]).put([Item(item_id="a", title="first"), Item(item_id="a", title="last")])
    assert table.titles == ["last"]


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=5))
@settings(max_examples=50, deadline=None)
def test_rows_are_for_ever(batches):
    table, seen = ItemTable.of([]), {}
    for number, batch in enumerate(batches):
        table = table.put([Item(item_id=i, title=f"{i}{number}") for i in batch])
        seen.update({i: f"{i}{number}" for i in batch})
        assert table.ids == list(seen)
        assert table.titles == list(seen.values())


def test_withdrawn_items_keep_their_row_and_come_back():
    table = ItemTable.of([FULL, BARE])
    gone = table.without(np.array([0], np.int32))
    assert gone.available.tolist() == [False, True]
    assert table.available.all()
    assert gone.ids == table.ids
    assert gone.put([FULL]).available.tolist() == [True, True]


def log(*events: tuple[str, str, int, str]) -> EventLog:
    items = [Item(item_id=i) for i in "abc"]
    return Dataset.of(items, [Event(user_id=u, item_id=i, time=t, kind=k) for u, i, t, k in events]).log


def test_log_is_grouped_by_shopper_and_sorted_by_time():
    got = log(("x", "a", 5, "view"), ("y", "b", 1, "like"), ("x", "c", 2, "like"), ("y", "a", 9, "cart"))
    assert got.users == ("x", "y")
    assert got.offsets.tolist() == [0, 2, 4]
    assert got.events.rows.tolist() == [2, 0, 1, 0]
    assert got.owner.tolist() == [0, 0, 1, 1]
    assert got.history(1).times.tolist() == [1, 9]
    assert (len(got), got.n_users) == (4, 2)


def test_equal_times_keep_their_order():
    got = log(("x", "b", 5, "view"), ("x", "a", 5, "view"), ("x", "c", 5, "view"))
    assert got.events.rows.tolist() == [1, 0, 2]


def test_log_weighs_and_takes_back():
    got = log(("x", "a", 1, "purchase"), ("x", "b", 2, "purchase"), ("x", "a", 3, "return"), ("y", "a", 1, "view"))
    assert got.events.weights.tolist() == pytest.approx([0, 1, -1, 0.3])
    liked = got.liked()
    assert liked.events.rows.tolist() == [1, 0]
    assert (liked.users, liked.offsets.tolist()) == (("x", "y"), [0, 1, 2])


def test_where_keeps_shoppers_that_have_nothing_left():
    got = log(("x", "a", 1, "like"), ("y", "b", 2, "like"), ("z", "b", 2, "like"))
    kept = got.where(got.events.rows == 1)
    assert kept.users == ("x", "y", "z")
    assert kept.offsets.tolist() == [0, 0, 1, 2]
    assert len(kept.history(0)) == 0


EVENTS = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from("abc"), st.integers(0, 5), st.sampled_from(KINDS)), max_size=15
)


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_log_equals_a_sort_in_python(events):
    got = log(*events)
    for u, user in enumerate(got.users):
        own = sorted((e for e in events if e[0] == user), key=lambda e: e[2])
        history = got.history(u)
        assert ["abc"[r] for r in history.rows] == [e[1] for e in own]
        assert [KINDS[k] for k in history.kinds] == [e[3] for e in own]
    assert sum(len(got.history(u)) for u in range(got.n_users)) == len(events)


def test_dataset_of_keeps_ids_positions_values_and_reviews():
    review = Review(user_id="x", item_id="a", text="Good.")
    events = [
        Event(user_id="x", item_id="a", time=datetime(1970, 1, 1, 0, 1, tzinfo=UTC), event_id="e1", position=4),
        Event(user_id="x", item_id="a", time=70, kind="rating", value=4.0),
    ]
    data = Dataset.of([Item(item_id="a")], events, [review], name="tiny")
    assert data.log.events.times.tolist() == [60, 70]
    assert data.log.events.ids == ("e1", "")
    assert data.log.events.positions.tolist() == [4, 0]
    assert data.log.events.values.tolist() == [1, 4]
    assert (data.reviews, data.name) == ((review,), "tiny")
    other = data.with_log(data.log.where(np.array([False, True])))
    assert (len(other.log), len(data.log), other.items is data.items) == (1, 2, True)


def test_event_weights_reach_the_log():
    data = Dataset.of([BARE], [Event(user_id="x", item_id="bare", time=1, kind="view")], event_weights={"view": 0.7})
    assert data.log.events.weights.tolist() == pytest.approx([0.7])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"item_id": "nowhere"}, "unknown item_id 'nowhere'"),
        ({"time": None}, "has no time"),
        ({"time": 1_700_000_000_000_000}, "milliseconds"),
        ({"value": 1e300}, "float32"),
        ({"position": 40_000}, "32767"),
    ],
)
def test_events_that_cannot_be_kept_are_named(fields, message):
    event = Event(**{"user_id": "anna", "item_id": "bare", "time": 1, **fields})
    with pytest.raises(DataError, match=message) as caught:
        Dataset.of([BARE], [event])
    assert "anna" in str(caught.value)


def test_an_event_without_a_time_happens_now_where_there_is_a_now():
    got = event_columns([Event(user_id="x", item_id="a")], Vocabulary(["a"]), now=99)
    assert got.times.tolist() == [99]


def test_a_data_set_without_events():
    data = Dataset.of([BARE], [])
    assert (len(data.log), data.log.n_users, data.log.users) == (0, 0, ())
    assert len(data.log.liked()) == 0
    assert EventLog.of([], Events.of([])).offsets.tolist() == [0]


def test_a_fold_holds_no_review_of_what_it_leaves_out():
    events = [
        Event(user_id=u, item_id=i, kind="purchase", time=t)
        for u, i, t in (("a", "x", 10), ("a", "y", 20), ("b", "x", 15))
    ]
    said = [
        Review(user_id="a", item_id="x", text="kept", time=11),
        Review(user_id="a", item_id="y", text="of the purchase that is gone", time=12),
        Review(user_id="b", item_id="x", text="later than anything in the fold", time=30),
        Review(user_id="c", item_id="y", text="by somebody without events"),
    ]
    data = Dataset.of([Item(item_id="x"), Item(item_id="y")], events, said)
    fold = data.with_log(data.log.where(data.log.events.times != 20))
    assert [r.text for r in fold.reviews] == ["kept", "by somebody without events"]
    assert data.with_log(data.log).reviews is data.reviews
