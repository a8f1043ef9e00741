from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.filters import matches, parse, to_text
from recsys.search import facets
from recsys.search.facets import FacetIndex, price_ranges
from recsys.types import Item

VALUE = st.sampled_from(["red", "blue", "Wood"])
WORTH = VALUE | st.booleans() | st.tuples(VALUE, VALUE) | st.just(3.0)
ITEM = st.builds(
    lambda brand, categories, attributes, price: {
        "brand": brand, "categories": tuple(categories), "attributes": attributes, "price": price,
    },
    st.none() | VALUE, st.lists(VALUE, max_size=3),
    st.dictionaries(st.sampled_from(["colour", "size"]), WORTH),
    st.none() | st.floats(0, 1e6),
)  # fmt: skip


def table(drawn: list[dict]) -> ItemTable:
    return ItemTable.of(Item(item_id=str(i), **fields) for i, fields in enumerate(drawn))


@settings(deadline=None)
@given(st.lists(ITEM, min_size=1, max_size=12), st.lists(ITEM, max_size=3), st.data())
def test_counts_are_those_of_counting(before, after, data):
    items = table(before)
    index = FacetIndex.of(items)
    changed = [
        Item(item_id=str(data.draw(st.integers(0, len(before)))) + ("" if i else "n"), **fields)
        for i, fields in enumerate(after)
    ]
    grown = items.put(changed)
    live = index.put(grown, grown.vocabulary.rows([c.item_id for c in changed]).astype(np.int32))
    for made, catalogue in ((index, items), (live, grown), (FacetIndex.of(grown), grown)):
        rows = np.flatnonzero(
            data.draw(st.lists(st.booleans(), min_size=len(catalogue), max_size=len(catalogue)))
        ).astype(np.int32)
        got = made.count(rows, n_values=100)
        for name, column in (
            ("brand", [[b] if b else [] for b in catalogue.brands]),
            ("categories", catalogue.categories),
        ):
            counts: dict[str, int] = {}
            for row in rows:
                for value in set(column[row]):
                    counts[value] = counts.get(value, 0) + 1
            assert got.to_dict()["fields"].get(name, {}) == counts
        known = catalogue.prices[rows]
        assert sum(p.count for p in got.prices) == (~np.isnan(known)).sum()
        assert got.total == len(rows)


def test_commonest_first_and_article_numbers_never():
    items = ItemTable.of(
        Item(
            item_id=str(i),
            brand="ab"[i % 2],
            attributes={"ean": f"4{i}", "colour": "red" if i % 3 else "blue", "new": True},
        )
        for i in range(99)
    )
    got = FacetIndex.of(items).count(np.arange(99, dtype=np.int32), n_values=1)
    assert [f.field for f in got.fields] == ["brand", "attributes.colour", "attributes.new"]
    assert [(v.value, v.count) for f in got.fields for v in f.values] == [("a", 50), ("red", 66), ("yes", 99)]
    assert [f.more for f in got.fields] == [1, 1, 0]


def test_hostile_values_are_cut_or_left_out():
    items = ItemTable.of(
        [Item(item_id="a", brand="x" * 10**6, categories=tuple(map(str, range(10**4))), attributes={"t": "y" * 10**6})]
    )
    got = FacetIndex.of(items).count(np.array([0], np.int32)).to_dict()["fields"]
    assert set(got) == {"categories"}


HIDDEN = st.sampled_from(["red", "yes", "no", "x" * 101, "re\u202ed", "blue\u00a0sky", "b\u200bo", "a\nb", ""])
SHOWN = st.builds(
    lambda brand, categories, attributes: {"brand": brand, "categories": tuple(categories), "attributes": attributes},
    HIDDEN, st.lists(HIDDEN, max_size=3),
    st.dictionaries(
        st.sampled_from(["colour", "cable less", "x\u202ey", "n" * 300]),
        HIDDEN | st.booleans() | st.tuples(HIDDEN, VALUE),
    ),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(SHOWN, min_size=1, max_size=8))
def test_every_line_of_a_facet_is_a_filter(drawn):
    """What a facet counts is what a filter of its field and value finds, in every form."""
    items = table(drawn)
    got = FacetIndex.of(items).count(np.arange(len(items), dtype=np.int32), n_values=100).to_dict()["fields"]
    for field, values in got.items():
        for value, count in values.items():
            for where in (parse({"eq": [field, value]}), parse(to_text(parse({"eq": [field, value]})))):
                assert matches(items, where).sum() == count
            assert all(c.isprintable() or c == "\u00a0" for c in value)


def test_values_that_come_and_go_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(facets, "SPARE", 20)
    items = ItemTable.of([Item(item_id=str(n), brand="Acme", attributes={"seen": "day 0"}) for n in range(5)])
    index = FacetIndex.of(items)
    for day in range(1, 200):
        items = items.put([Item(item_id="0", brand="Acme", attributes={"seen": f"day {day}"})])
        index = index.put(items, np.array([0], np.int32))
        assert len(index._table.names) <= 20 + 2 * 3 + 1
    fields = index.count(np.arange(5, dtype=np.int32)).to_dict()["fields"]
    assert fields == {"brand": {"Acme": 5}, "attributes.seen": {"day 0": 4, "day 199": 1}}


def test_price_ranges_are_round_and_hold_all():
    got = price_ranges(np.array([1, 3, 9, 12, 19, 48, 55, 210, np.nan], np.float32), 4)
    assert sum(p.count for p in got) == 8
    assert got[0].low == 1
    assert got[-1].high == 210
    assert all(a.high == b.low for a, b in pairwise(got))
    assert price_ranges(np.array([np.nan], np.float32), 4) == ()
    assert [(p.low, p.high, p.count) for p in price_ranges(np.array([5, 5], np.float32), 4)] == [(5, 5, 2)]
