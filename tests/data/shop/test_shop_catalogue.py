from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pytest

from recsys.data.shop import Shop
from recsys.data.shop.catalogue import charm, make_catalogue
from recsys.data.shop.vocabulary import FILES, aspects, departments


def test_it_is_a_whole_shop(shop: Shop) -> None:
    items = shop.dataset.items
    assert len(items) >= 2000
    assert len({c[0] for c in items.categories}) == len(FILES) == 12
    variants = np.unique(items.parents, return_counts=True)[1]
    assert variants.max() == 4
    assert (variants > 1).mean() > 0.4
    assert all(i.startswith(p + "-") for i, p in zip(items.ids, items.parents, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_every_seed_has_enough_items_and_no_title_twice(seed: int) -> None:
    catalogue = make_catalogue(np.random.default_rng(seed))
    assert len(catalogue) >= 2000
    assert len(set(catalogue.items.titles)) == len(catalogue)
    assert not [t for t in catalogue.items.titles if re.search(r"\b(\w{3,}) \1\b", t)]


def test_titles_and_texts_read_well(shop: Shop) -> None:
    items = shop.dataset.items
    for title, text in zip(items.titles, items.texts, strict=True):
        for words in (title, text):
            assert words == words.strip()
            assert "  " not in words
            assert not re.search(r", ?,| ,|\.\.|[{}]|^,|,$", words), words
            assert not re.search(r"\b(\w{3,}) \1\b", words), words
        assert 12 <= len(title) <= 90, title
        sentences = re.split(r"(?<=[.!?]) (?!gives)", text)  # "Good Hound Co. gives" is no end
        assert 4 <= len(sentences) <= 9
        assert all((s[0].isupper() or s[0].isdigit()) and s[-1] in ".!?" for s in sentences), text


def test_titles_say_what_tells_variants_apart(shop: Shop) -> None:
    items = shop.dataset.items
    for title, attributes, brand, categories in zip(
        items.titles, items.attributes, items.brands, items.categories, strict=True
    ):
        for name in ("size", "colour", "material"):
            assert attributes.get(name, "") in title
            assert attributes.get(name, "-") != ""
        assert len(attributes["features"]) in (2, 3)
        assert categories[2] in title
        assert brand in title or categories[1] == "Books"


def test_prices_and_stock_make_sense(shop: Shop) -> None:
    items = shop.dataset.items
    assert np.isfinite(items.prices).all()
    assert items.prices.min() >= 2
    assert items.prices.max() <= 900
    assert (items.stock >= 0).all()
    assert 0.02 < (items.stock == 0).mean() < 0.09
    prices = dict(zip(items.ids, items.prices.tolist(), strict=True))
    pans = [i for i, c in enumerate(items.categories) if c[2] == "Frying Pan"]
    sizes = {"20 cm": 0, "24 cm": 1, "28 cm": 2}
    for i in pans:
        for j in pans:
            if items.parents[i] == items.parents[j]:
                larger = sizes[items.attributes[i]["size"]] > sizes[items.attributes[j]["size"]]
                assert not larger or prices[items.ids[i]] > prices[items.ids[j]]


@pytest.mark.parametrize(("price", "printed"), [(3.2, 2.95), (12.3, 12.45), (34.6, 34.95), (129.4, 129.0)])
def test_prices_are_charming(price: float, printed: float) -> None:
    assert charm(price) == pytest.approx(printed)


def test_items_come_in_over_the_years_and_some_are_new(shop: Shop) -> None:
    created = shop.dataset.items.created
    start, end = datetime(2025, 11, 1, tzinfo=UTC).timestamp(), datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    assert 0.5 < (created < start).mean() < 0.8
    assert (created < end).all()
    assert 0.002 < (created > end - 14 * 86_400).mean() < 0.08
    months = np.histogram(created[created >= start], bins=10, range=(start, end))[0]
    assert (months[:9] > 0).all()


def test_a_brand_makes_what_it_is_for(shop: Shop) -> None:
    items = shop.dataset.items
    forms = {c[2] for b, c in zip(items.brands, items.categories, strict=True) if b == "Whiskerby"}
    assert forms
    assert not any("Dog" in form for form in forms)


def test_the_words_are_complete() -> None:
    forms = {t.form for d in departments() for t in d.types}
    known = {a.name for a in aspects()}
    brands = [b.name for d in departments() for b in d.brands]
    assert len(brands) == len(set(brands)) == 60
    for department in departments():
        assert len(department.types) >= 9
        assert 1 <= department.peak <= 12
        for kind in department.types:
            assert set(kind.aspects) <= known
            assert set(kind.goes_with) <= forms - {kind.form}
            assert len(kind.goes_with) >= 2
            assert len(kind.features) == 5
            assert len(kind.pitch) == 2
            assert kind.price[0] < kind.price[1]
    for aspect in aspects():
        assert len(aspect.good) == len(aspect.bad) == 4
