import json
import sys
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ContractError, DataError, PluginUnavailable
from recsys.result import Recommendation, Result, StageTrace, Trace
from recsys.testing.strategies import slates
from recsys.types import (  # fmt: skip
    KIND_CODES,
    KINDS,
    Event,
    Events,
    Item,
    Notes,
    Request,
    Slates,
    now_seconds,
    offsets_of,
    utc,
)


def test_utc_reads_aware_datetimes_and_seconds():
    assert utc(datetime(1970, 1, 2, tzinfo=UTC)) == 86_400
    assert utc(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0
    assert utc(12.9) == 12
    assert utc(-5) == -5


@pytest.mark.parametrize("value", [datetime(2024, 1, 1), float("nan"), float("inf"), "2024-01-01", True, None])
def test_utc_refuses_what_is_no_time(value):
    with pytest.raises(DataError, match="created must be an aware datetime"):
        utc(value, "created")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"item_id": ""}, "item_id"),
        ({"item_id": 5}, "item_id"),
        ({"categories": "Shoes"}, "categories"),
        ({"price": -1.0}, "price"),
        ({"price": float("nan")}, "price"),
        ({"price": float("inf")}, "price"),
        ({"stock": -1}, "stock"),
    ],
)
def test_item_refuses_bad_fields(fields, message):
    with pytest.raises(DataError, match=message):
        Item(**{"item_id": "a", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"user_id": ""}, "user_id"),
        ({"item_id": None}, "item_id"),
        ({"kind": "bought"}, "purchase"),
        ({"value": float("nan")}, "value"),
        ({"time": datetime(2024, 1, 1)}, "time"),
        ({"position": 0}, "position"),
    ],
)
def test_event_refuses_bad_fields(fields, message):
    with pytest.raises(DataError, match=message):
        Event(**{"user_id": "u", "item_id": "i", **fields})


def test_kind_codes_never_move():
    # Codes are in saved stores: the list may only grow at the end.
    assert KINDS[:12] == (
        "interaction", "view", "click", "cart", "purchase", "rating", "like",
        "dislike", "return", "not-interested", "remove-from-cart", "impression",
    )  # fmt: skip
    assert [KIND_CODES[k] for k in KINDS] == list(range(len(KINDS)))


def test_events_of_fills_what_is_left_out():
    got = Events.of([4, 2])
    assert got.times.tolist() == [0, 1]
    assert got.weights.tolist() == [1, 1]
    assert got.values.tolist() == [1, 1]
    assert got.kinds.tolist() == [0, 0]
    assert got.positions.tolist() == [0, 0]
    assert [str(getattr(got, n).dtype) for n in ("rows", "times", "kinds", "values", "weights", "positions")] == [
        "int32", "int64", "int8", "float32", "float32", "int16",
    ]  # fmt: skip
    assert got.ids == ()


@pytest.mark.parametrize("index", [slice(1, None), np.array([False, True, True]), np.array([1, 2])])
def test_events_take(index):
    got = Events.of([4, 2, 7], weights=[1, -1, 0.5], ids=["a", "b", "c"]).take(index)
    assert got.rows.tolist() == [2, 7]
    assert got.weights.tolist() == [-1, 0.5]
    assert got.ids == ("b", "c")
    assert Events.of([1, 2]).take(slice(0, 1)).ids == ()


def test_events_of_unequal_lengths_are_refused():
    with pytest.raises(ContractError, match="weights"):
        Events.of([1, 2], weights=[1])
    with pytest.raises(ContractError, match="ids"):
        Events.of([1, 2], ids=["a"])


def test_request_is_frozen_with_an_empty_history():
    request = Request()
    assert len(request.history) == 0
    assert len(request.context) == 0
    with pytest.raises(FrozenInstanceError):
        request.k = 3


def test_slates_are_read_only():
    one = Slates.of([[1, 2]])
    for array in (one.items, one.scores, one.offsets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with_column = Slates(one.items, one.scores, one.offsets, {"x": np.arange(2)})
    with pytest.raises(ValueError, match="read-only"):
        with_column.columns["x"][0] = 5


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([1, 2], [0.5], [0, 2]), "2 items, 1 scores"),
        (([1, 2], [1, 2], [0, 1]), "offsets"),
        (([1, 2], [1, 2], [1, 2]), "offsets"),
    ],
)
def test_slates_that_do_not_fit_are_refused(parts, message):
    items, scores, offsets = parts
    with pytest.raises(ContractError, match=message):
        Slates(np.array(items, np.int32), np.array(scores, np.float32), np.array(offsets, np.int64))


def test_slates_with_short_columns_or_notes_are_refused():
    one = Slates.of([[1, 2], [3]])
    with pytest.raises(ContractError, match="'x'"):
        Slates(one.items, one.scores, one.offsets, {"x": np.arange(2)})
    with pytest.raises(ContractError, match="notes"):
        Slates(one.items, one.scores, one.offsets, {}, (Notes(),))


@given(slates(9))
@settings(max_examples=50, deadline=None)
def test_taking_slates_apart_and_putting_them_together(given_slates):
    parts = list(given_slates)
    assert len(parts) == len(given_slates)
    assert given_slates.lengths.tolist() == [len(p.items) for p in parts]
    assert Slates.of([p.items for p in parts], [p.scores for p in parts]).items.tolist() == given_slates.items.tolist()
    for i, part in enumerate(parts):
        assert part.items.tolist() == given_slates.items[given_slates.request_index == i].tolist()
        assert part.columns["row_twice"].tolist() == (part.items * 2).tolist()
        assert part.notes == (given_slates.notes[i],)
    again = Slates.joined(parts)
    if parts:
        assert again.items.tolist() == given_slates.items.tolist()
        assert again.offsets.tolist() == given_slates.offsets.tolist()
        np.testing.assert_array_equal(again.scores, given_slates.scores)
        assert again.columns["row_twice"].tolist() == (again.items * 2).tolist()
        assert again.notes == given_slates.notes


def test_slates_that_are_joined():
    assert len(Slates.joined([])) == 0
    noted = Slates.of([[3], []]).note(Notes(("x",)))
    both = Slates.joined([Slates.of([[1, 2]]), noted])
    assert [n.degraded for n in both.notes] == [(), ("x",), ("x",)]
    assert both.lengths.tolist() == [2, 1, 0]
    other = Slates(noted.items, noted.scores, noted.offsets, {"more": np.zeros(1)})
    with pytest.raises(ContractError, match="different columns"):
        Slates.joined([noted, other])


def test_slates_index_like_a_list():
    three = Slates.of([[1], [2, 3], []])
    assert three[-1].items.tolist() == []
    assert three[-2].items.tolist() == [2, 3]
    with pytest.raises(IndexError):
        three[3]


@given(slates(9, odd=True), st.integers(0, 10))
@settings(max_examples=100, deadline=None)
def test_ordered_sorts_each_list_and_takes_columns_along(given_slates, n):
    scores = given_slates.scores
    got = given_slates.ordered(scores, n, before=np.arange(len(scores)))
    for old, new in zip(given_slates, got, strict=True):
        # The definition: stable, best first, NaN after everything, cut to n.
        scored = [i for i in range(len(old.items)) if not np.isnan(old.scores[i])]
        rest = [i for i in range(len(old.items)) if np.isnan(old.scores[i])]
        order = sorted(scored, key=lambda i, old=old: -old.scores[i]) + rest
        assert new.items.tolist() == [int(old.items[i]) for i in order][:n]
    assert (got.columns["row_twice"] == got.items * 2).all()
    assert np.array_equal(scores[got.columns["before"]], got.scores, equal_nan=True)
    assert got.notes == given_slates.notes


def test_ordered_keeps_the_order_of_equal_scores():
    got = Slates.of([[5, 3, 9], [1]]).ordered(np.array([1, 1, 2, 0], np.float32))
    assert got.items.tolist() == [9, 5, 3, 1]


def test_notes_add_up():
    both = Notes(("a",), ("w",), ("r",), {"tokens_in": 10}).plus(Notes(("b",), counts={"tokens_in": 5, "repairs": 1}))
    assert both == Notes(("a", "b"), ("w",), ("r",), {"tokens_in": 15, "repairs": 1})
    noted = Slates.of([[1], [2]]).note(Notes(("x",))).note(Notes(("y",)))
    assert [n.degraded for n in noted.notes] == [("x", "y")] * 2


def test_offsets_of_lengths():
    got = offsets_of(np.array([2, 0, 3]))
    assert got.tolist() == [0, 2, 2, 5]
    assert got.dtype == np.int64


def result() -> Result:
    rows = (
        Recommendation(1, "sku-1", "A <b>kettle</b>", 0.5, ("transitions", "popularity"), 9.5, 3),
        Recommendation(2, "sku-2", "Teapot", 0.25),
    )
    return Result(rows, Trace((StageTrace("candidates", "als", 1.5, 0, 9), StageTrace("rank", "lightgbm", 2.0, 9, 2))))


def test_result_is_a_sequence_with_a_trace():
    got = result()
    assert len(got) == 2
    assert [r.item_id for r in got] == ["sku-1", "sku-2"]
    assert got[1].title == "Teapot"
    assert got.trace.took_ms == 3.5


def test_result_converts():
    got = result()
    dicts = got.to_dicts()
    assert dicts[0] == {
        "rank": 1, "item_id": "sku-1", "title": "A <b>kettle</b>", "score": 0.5,
        "sources": ["transitions", "popularity"], "price": 9.5, "stock": 3,
    }  # fmt: skip
    assert json.loads(json.dumps(dicts))[1]["price"] is None
    assert got.to_pandas()["item_id"].tolist() == ["sku-1", "sku-2"]
    assert got.to_polars()["rank"].to_list() == [1, 2]


def test_result_prints_as_a_table_and_as_escaped_html():
    text = str(result())
    assert "sku-1" in text
    assert "transitions, popularity" in text
    assert text.count("\n") == 2
    assert str(Result(())) == "(no items)"
    html = result()._repr_html_()
    assert "A &lt;b&gt;kettle&lt;/b&gt;" in html
    assert "<b>" not in html


def test_a_missing_frame_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(PluginUnavailable, match="pip install polars"):
        result().to_polars()


def test_now_is_now():
    assert abs(now_seconds() - datetime.now(UTC).timestamp()) < 5


def test_head_cuts_every_list_in_its_order():
    lists = Slates.of([[3, 1, 2], [], [5]], [[1, 9, 4], [], [2]])
    cut = lists.head(2)
    assert [one.items.tolist() for one in cut] == [[3, 1], [], [5]]
    assert cut.scores.tolist() == [1, 9, 2]
    assert lists.head(0).lengths.tolist() == [0, 0, 0]
