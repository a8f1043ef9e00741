from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from filter_cases import exprs, holds, items
from hypothesis import given, settings

from recsys.dataset import ItemTable
from recsys.errors import DataError
from recsys.filters import compile_where, from_filter, matches, parse, remarks, where_of
from recsys.filters.columns import columns_of
from recsys.types import Filter, Item

TABLE = ItemTable.of(
    [
        Item(item_id="a", brand="Oak", categories=("Home", "Chairs"), price=10.0, stock=3, parent_id="p",
             created=datetime(2024, 1, 1, tzinfo=UTC), attributes={"colour": "red", "gift": True, "kg": 1.0}),
        Item(item_id="b", brand="Oak", categories=("Home",), price=20.0, stock=0,
             attributes={"colour": ("red", "blue")}),
        Item(item_id="c", brand="Elm", categories=("Garden",), price=None, parent_id="p", attributes={"kg": 4}),
        Item(item_id="d", categories=(), price=9.99, attributes={"gift": False, "kg": "4"}),
        Item(item_id="e", brand="Oakum", categories=("Homestead",), price=30.0, stock=1,
             attributes={"sizes": ("1", "2")}),
    ]
)  # fmt: skip


def ids(where: str, table: ItemTable = TABLE) -> str:
    return "".join(np.array(table.ids, dtype=object)[compile_where(table, parse(where))])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("TRUE", "abcde"),
        ("FALSE", ""),
        ("item_id = 'b'", "b"),
        ("item_id != 'b'", "acde"),
        ("item_id IN ('b', 'zz', 'a')", "ab"),
        ("brand = 'Oak'", "ab"),
        ("brand != 'Oak'", "ce"),  # d has no brand: a missing value meets no comparison
        ("NOT brand = 'Oak'", "cde"),  # NOT is all the others
        ("brand NOT IN ('Oak', 'Elm')", "de"),
        ("brand EXISTS", "abce"),
        ("category = 'Home'", "ab"),
        ("category contains 'Chairs'", "a"),
        ("category != 'Chairs'", "bce"),
        ("category in ('Garden', 'Chairs')", "ac"),
        ("price < 10", "d"),
        ("price <= 9.99", "d"),  # the catalogue holds float32
        ("price = 9.99", "d"),
        ("price != 10", "bde"),
        ("price between 9.99 and 20", "abd"),
        ("NOT price >= 0", "c"),
        ("price <= 1e300", "abde"),
        ("price in (10, 30)", "ae"),
        ("price exists", "abde"),
        ("stock > 0", "ae"),
        ("stock = 0", "b"),
        ("stock exists", "abe"),
        ("availability = 'in_stock'", "acde"),
        ("availability = 'out_of_stock'", "b"),
        ("availability in ('in_stock', 'out_of_stock')", "abcde"),
        ("availability != 'in_stock'", "b"),
        ("created >= '2024-01-01'", "a"),
        ("created > '2024-01-01'", ""),
        ("created < '2024-01-01T00:30:00+00:00'", "a"),
        ("created between '2023-01-01' and '2024-12-31'", "a"),
        ("parent_id = 'p'", "ac"),
        ("parent_id exists", "ac"),
        ("attributes.colour = 'red'", "ab"),
        ("attributes.colour != 'blue'", "a"),
        ("attributes.colour = 'red' and not attributes.colour = 'blue'", "a"),
        ("attributes.gift = true", "a"),
        ("attributes.gift = 1", ""),  # true is no number
        ("attributes.gift != true", "d"),
        ("attributes.kg >= 2", "c"),
        ("attributes.kg = 4", "c"),
        ("attributes.kg = '4'", "d"),
        ("attributes.kg != 4", "ad"),
        ("attributes.kg in (1, '4')", "ad"),
        ("attributes.kg between 1 and 4", "ac"),
        ("attributes.sizes contains '2'", "e"),
        ("attributes.none exists or brand = ''", ""),
        ("price <= 20 and (brand = 'Oak' or not stock exists)", "abd"),
    ],
)
def test_what_a_filter_finds(where, expected):
    assert ids(where) == expected


@settings(max_examples=300, deadline=None)
@given(items(), exprs())
def test_the_mask_is_what_each_item_says(table, expr):
    expected = [holds(expr, table, row) for row in range(len(table))]
    assert matches(table, expr).tolist() == expected
    assert compile_where(table, expr).tolist() == [
        bool(a and b) for a, b in zip(expected, table.available, strict=True)
    ]


@given(items(), exprs())
def test_a_mask_is_the_callers_own(table, expr):
    mask = matches(table, expr)
    before = mask.copy()
    mask[:] = ~mask
    assert np.array_equal(matches(table, expr), before)


def test_withdrawn_items_are_never_found():
    table = TABLE.without(np.array([0, 3], dtype=np.int32))
    assert ids("TRUE", table) == "bce"
    assert ids("NOT brand = 'Elm'", table) == "be"


def test_columns_are_made_once_and_die_with_the_catalogue():
    table = ItemTable.of([Item(item_id="a", brand="Oak")])
    columns = columns_of(table)
    assert columns_of(table.without(np.array([0], dtype=np.int32))) is columns
    assert columns_of(replace(table, brands=["Elm"])) is not columns
    kept = weakref.ref(columns_of(table))
    del table, columns
    gc.collect()
    assert kept() is None


def test_an_added_item_is_found():
    assert ids("brand = 'Oak'") == "ab"
    grown = TABLE.put([Item(item_id="f", brand="Oak"), Item(item_id="b", brand="Elm")])
    assert ids("brand = 'Oak'", grown) == "af"
    assert ids("brand = 'Oak'") == "ab"


def test_invented_attributes_are_not_kept():
    columns = columns_of(TABLE)
    for n in range(50):
        ids(f"attributes.invented{n} = 1")
    assert all("invented" not in name for name in columns._attributes)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Filter(), "availability = 'in_stock'"),
        (Filter(in_stock=False), "TRUE"),
        (Filter(in_stock=False, min_price=10, max_price=20), "price >= 10 AND price <= 20"),
        (Filter(in_stock=False, min_price=float("-inf")), "price EXISTS"),
        (Filter(in_stock=False, max_price=float("inf")), "price EXISTS"),
        (Filter(in_stock=False, min_price=float("inf")), "FALSE"),
        (Filter(brands=("Oak",), categories=("Home",), exclude_item_ids=("a", "zz")),
         "availability = 'in_stock' AND brand IN ('Oak') AND category IN ('Home') AND NOT item_id IN ('a', 'zz')"),
    ],
)  # fmt: skip
def test_a_filter_value_as_a_tree(where, expected):
    assert from_filter(where) == parse(expected)


def test_a_filter_value_may_name_any_number_of_items():
    mask = compile_where(TABLE, from_filter(Filter(exclude_item_ids=("a", *(f"x{n}" for n in range(20_000))))))
    assert mask.tolist() == [False, False, True, True, True]


def test_bounds_that_make_no_sense():
    with pytest.raises(DataError, match=r"where\.min_price must be a number, got NaN"):
        from_filter(Filter(min_price=float("nan")))
    with pytest.raises(DataError, match=r"min_price 5\.0 is above where\.max_price 4\.0"):
        from_filter(Filter(min_price=5.0, max_price=4.0))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, "acde"),
        ("brand = 'Oak'", "a"),  # out of stock stays hidden
        ({"eq": ["brand", "Oak"]}, "a"),
        ('{"eq": ["brand", "Oak"]}', "a"),
        ("brand = 'Oak' and availability in ('in_stock', 'out_of_stock')", "ab"),
        ("stock <= 0", "b"),
        (Filter(brands=("Oak",), in_stock=False), "ab"),
    ],
)
def test_out_of_stock_is_hidden_unless_asked_for(where, expected):
    assert "".join(np.array(TABLE.ids, dtype=object)[compile_where(TABLE, where_of(where))]) == expected


def test_remarks_name_what_no_item_has():
    where = parse("brand in ('Oak', 'Elmm') and attributes.color = 'red' and category != 'Gardn' and item_id = 'zz'")
    assert remarks(TABLE, where) == (
        "no item has the brand 'Elmm'; did you mean 'Elm'?",
        "no item has the attribute 'color'; did you mean 'colour'?",
        "no item has the category 'Gardn'; did you mean 'Garden'?",
        "no item has the item_id 'zz'",
    )
    assert remarks(TABLE, parse("brand = 'Oak' and price > 3 and attributes.kg exists and brand exists")) == ()
    assert remarks(TABLE, parse("brand in ('1', '2', '3', '4', '5')"))[-1] == "and 2 more of brand that no item has"
