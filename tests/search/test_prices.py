from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.dataset import Dataset, ItemTable
from recsys.engine import Engine
from recsys.filters import And, Compare, parse
from recsys.protocols import FitOptions
from recsys.search.generator import TextSearch
from recsys.search.index import TextIndex
from recsys.search.prices import Priced, priced
from recsys.testing.worlds import small_shop
from recsys.types import Item, Request


@pytest.mark.parametrize(
    ("text", "rest", "low", "high"),
    [
        ("coffee press under 30", "coffee press", None, 30),
        ("headphones over 50 under 100", "headphones", 50, 100),
        ("lamp between $20 and $35.50", "lamp", 20, 35.5),
        ("lamp between 30 and 20", "lamp", 20, 30),
        ("kettle UNDER £40", "kettle", None, 40),
        ("tent < 200", "tent", None, 200),
        ("speaker up to 99,99 black", "speaker black", None, 99.99),
        ("jacket less than 100 euros", "jacket", None, 100),
        ("laptop under 1,000", "laptop", None, 1000),
        ("laptop under $1,299.50", "laptop", None, 1299.5),
        ("car between 1,000 and 12,345,678 usd", "car", 1000, 12345678),
        ("toys for kids under $5", "toys for kids", None, 5),
        ("toys for kids under 5 under 20 euros", "toys for kids under 5", None, 20),
        ("kids shoes under 15", "kids shoes", None, 15),
        ("board game over 8 under 30", "board game over 8", None, 30),
        ("game over 25", "game", 25, None),
    ],
)
def test_bounds_are_read(text, rest, low, high):
    assert priced(text) == Priced(rest, low, high)


@pytest.mark.parametrize(
    "text",
    [
        "rope under 2 m", "usb cable under 2m", "ink under 50 ml", "monitor under 27 inch", "under armour shirt",
        "phone pro max 512", "iphone 12", "2001 a space odyssey", "shoes under 1.000", "under 30", "screen under 27\"",
        "toys for kids under 5", "board game over 8", "book for ages between 3 and 5", "lego aged over 12",
        "game for up to 4 players", "toys for children under 3 years", "laptop under 1,0000",
        "bag below 3.5 kg", "under 20000 leagues", "", "between friends", "x" * 600 + " under 5",
    ],
)  # fmt: skip
def test_what_is_no_price_stays(text):
    expected = Priced("leagues", None, 20000) if "leagues" in text else Priced(text)
    assert priced(text) == expected


def test_other_languages():
    assert priced("kaffeemühle unter 50 euro", "german") == Priced("kaffeemühle", None, 50)
    assert priced("lampe zwischen 10 und 20", "german") == Priced("lampe", 10, 20)
    assert priced("laptop unter 1.299,50 €", "german") == Priced("laptop", None, 1299.5)
    assert priced("spiel ab kinder unter 5", "german") == Priced("spiel ab kinder unter 5")
    assert priced("laptop unter 1,000", "german") == Priced("laptop unter 1,000")
    assert priced("lampe moins de 20", "french") == Priced("lampe", None, 20)


@given(st.text(max_size=80))
def test_any_text_is_read(text):
    found = priced(text)
    assert found or found.text == text


def test_masks_and_their_words():
    prices = np.array([19.95, 20, np.nan, 5, 0], dtype=np.float32)
    assert priced("x under 19.95").mask(prices).tolist() == [True, False, False, True, True]
    assert Priced("x", 5, 20).mask(prices).tolist() == [True, True, False, True, False]
    assert Priced("x", 5, 19.5).said == "price >= 5 AND price <= 19.5"
    assert priced("tv under 10999.95").said == "price <= 10999.95"
    assert priced("tv under 1234567").said == "price <= 1234567"
    assert Priced("x").said == ""


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_what_is_said_is_a_filter(low, high):
    low, high = sorted((round(low, 2), round(high, 2)))
    said = parse(Priced("x", low, high).said)
    assert said == And((Compare("gte", "price", low), Compare("lte", "price", high)))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.from_config({"candidates": {"popularity": {}}, "variants": {"no-llm": {}}, "rank": {}}).fit(
        small_shop()
    )


def test_the_engine_keeps_to_the_price(engine):
    items = engine.store.items()
    word, middle = items.titles[0].split()[-2], float(np.nanmedian(items.prices))
    whole = engine.search(f"{word}", k=50)
    found = engine.search(f"{word} under {middle:.2f}", k=50)
    assert found.price == f"price <= {round(middle, 2):g}"
    assert 0 < found.total < whole.total
    assert all(r.price is not None and r.price <= middle + 0.01 for r in found)


def test_at_any_price_rather_than_nothing(engine):
    word = engine.store.items().titles[0].split()[-2]
    found = engine.search(f"{word} under 0.01", k=50)
    assert found.price == ""
    assert len(found)


def test_the_noun_counts_for_more_than_its_neighbours():
    made_items = [
        Item(item_id=f"press-{i}", title=f"Garlic Press {i}", categories=("Kitchen", "Garlic Press")) for i in range(6)
    ]
    made_items += [Item(item_id=f"pen-{i}", title=f"Pen {i}", categories=("Office", "Pen")) for i in range(60)]
    made_items.append(Item(item_id="ruler", title="Steel Ruler", categories=("Office", "Ruler")))
    made = ItemTable.of(made_items)
    index = TextIndex.of(made)
    assert index.names_a_kind(index.lexicon.term("press"))
    assert not index.names_a_kind(index.lexicon.term("steel"))

    def first(head: float) -> str:
        text = TextSearch(TextSearch.Config(head=head)).fit(Dataset.of(made_items, []), FitOptions())
        return made.ids[int(text.generate([Request(text="steel press")], 1).items[0])]

    assert first(0.0) == "ruler"
    assert first(5.0).startswith("press")
