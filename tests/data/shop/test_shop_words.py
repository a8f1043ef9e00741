from __future__ import annotations

import inspect
import re
from collections import Counter

import numpy as np
import pytest

from recsys.data.shop import SampleShop, Shop, make_shop
from recsys.data.shop.reader import settings_of
from recsys.data.shop.vocabulary import aspects
from recsys.errors import ConfigError, DataError
from recsys.protocols import Deps, Reader


class TestReviews:
    def test_they_say_what_the_truth_says_they_mention(self, shop: Shop) -> None:
        words = {a.name: a for a in aspects()}
        assert len(shop.truth.mentions) == len(shop.dataset.reviews) > 5000
        for review, mentions in zip(shop.dataset.reviews, shop.truth.mentions, strict=True):
            assert mentions
            for name, tone in mentions:
                sentences = words[name].good if tone > 0 else words[name].bad
                assert any(s in review.text for s in sentences)

    def test_they_judge_only_aspects_of_the_product(self, shop: Shop) -> None:
        rows = shop.dataset.items.vocabulary.rows([r.item_id for r in shop.dataset.reviews])
        column = {name: j for j, name in enumerate(shop.truth.aspects)}
        for row, mentions in zip(rows.tolist(), shop.truth.mentions, strict=True):
            assert all(shop.truth.quality[row, column[name]] != 0 for name, _ in mentions)

    def test_praise_follows_hidden_quality_and_stars_follow_praise(self, shop: Shop) -> None:
        rows = shop.dataset.items.vocabulary.rows([r.item_id for r in shop.dataset.reviews])
        column = {name: j for j, name in enumerate(shop.truth.aspects)}
        tones = np.array([tone for mentions in shop.truth.mentions for _, tone in mentions])
        quality = np.array([
            shop.truth.quality[row, column[name]]
            for row, mentions in zip(rows.tolist(), shop.truth.mentions, strict=True)
            for name, _ in mentions
        ])  # fmt: skip
        assert np.corrcoef(tones, quality)[0, 1] > 0.5
        stars = np.array([r.rating for r in shop.dataset.reviews])
        mean = np.array([np.mean([tone for _, tone in mentions]) for mentions in shop.truth.mentions])
        assert np.corrcoef(stars, mean)[0, 1] > 0.5
        assert set(np.unique(stars)) == {1, 2, 3, 4, 5}

    def test_they_read_well(self, shop: Shop) -> None:
        for review in shop.dataset.reviews:
            assert review.text == review.text.strip()
            assert review.summary
            assert not re.search(r"[{}]|  ", review.text), review.text
            assert re.search(r"[.!?]$", review.text), review.text
        repeats = Counter(r.text for r in shop.dataset.reviews)
        assert len(repeats) > 0.75 * len(shop.dataset.reviews)

    def test_each_follows_a_purchase(self, shop: Shop) -> None:
        log, items = shop.dataset.log, shop.dataset.items
        bought: dict[tuple[str, str], int] = {}
        ids = items.ids
        for user, row, kind, time in zip(
            log.owner.tolist(), log.events.rows.tolist(), log.events.kinds.tolist(), log.events.times.tolist(),
            strict=True,
        ):  # fmt: skip
            if kind == 4:
                bought[log.users[user], ids[row]] = time
        for review in shop.dataset.reviews:
            assert review.time is not None
            assert bought[review.user_id, review.item_id] < review.time < 1_793_491_200
        assert len({r.review_id for r in shop.dataset.reviews}) == len(shop.dataset.reviews)

    def test_some_name_what_they_go_with(self, shop: Shop) -> None:
        assert sum("to go with the" in r.text for r in shop.dataset.reviews) > 50


class TestQueries:
    def test_each_has_an_answer_and_grades(self, shop: Shop) -> None:
        assert len(shop.queries) >= 200
        assert len({q.query_id for q in shop.queries}) == len(shop.queries)
        for query in shop.queries:
            assert query.text == query.text.lower().strip() or query.kind == "synonym"
            assert (query.grades == 3).any(), query.text
            assert set(np.unique(query.grades)) <= {1, 2, 3}
            assert len(np.unique(query.rows)) == len(query.rows) == len(query.grades)
        kinds = Counter(q.kind for q in shop.queries)
        assert set(kinds) == {"type", "synonym", "material", "colour", "feature", "brand", "price", "typo"}

    def test_grades_mean_what_they_say(self, shop: Shop) -> None:
        items = shop.dataset.items
        for query in shop.queries:
            full = [int(r) for r in query.rows[query.grades == 3]]
            part = [int(r) for r in query.rows[query.grades == 2]]
            form = {items.categories[r][2] for r in full}
            assert len(form) == 1
            assert {items.categories[r][2] for r in part} <= form
            noun = next(iter(form)).lower()
            if query.kind == "price":
                budget = float(query.text.rsplit(" ", 1)[1])
                assert all(items.prices[r] <= budget for r in full)
                assert all(items.prices[r] > budget for r in part)
            elif query.kind in ("material", "colour"):
                wish = query.text.removesuffix(" " + noun)
                assert all(items.attributes[r][query.kind].lower() == wish for r in full)
                assert all(items.attributes[r].get(query.kind, "").lower() != wish for r in part)
            elif query.kind == "brand":
                wish = query.text.removesuffix(" " + noun)
                assert all(items.brands[r].lower() == wish for r in full)
                assert all(items.brands[r].lower() != wish for r in part)
            elif query.kind == "feature":
                wish = query.text.removesuffix(" " + noun)
                assert all(wish in [f.replace("-", " ") for f in items.attributes[r]["features"]] for r in full)
            elif query.kind == "typo":
                assert query.text != noun
                assert sorted(query.text) == sorted(noun)
            elif query.kind == "type":
                assert query.text == noun


class TestReader:
    def test_it_is_a_reader_like_any_other(self) -> None:
        reader = SampleShop.from_config(SampleShop.Config(), Deps())
        assert isinstance(reader, Reader)
        data, report = reader.read("seed=7&shoppers=20")
        assert data.name == "shop"
        assert data.info["seed"] == 7
        assert data.log.n_users == 20
        assert data.searches
        everything = (data.items, data.log, data.reviews, data.searches)
        assert report.read == report.kept == sum(len(part) for part in everything)
        assert report.dropped == report.repaired == 0
        assert not np.array_equal(SampleShop().read("shoppers=20")[0].log.events.rows[:50], data.log.events.rows[:50])

    @pytest.mark.parametrize(
        ("place", "settings"),
        [("", (0, 5000)), (" ", (0, 5000)), ("seed=7", (7, 5000)), ("shoppers=9&seed=1", (1, 9))],
    )
    def test_what_a_place_leaves_out_is_the_default(self, place: str, settings: tuple[int, int]) -> None:
        assert settings_of(place) == settings
        defaults = inspect.signature(make_shop).parameters
        assert settings_of("") == (defaults["seed"].default, defaults["n_shoppers"].default)

    @pytest.mark.parametrize(
        ("place", "said"),
        [("colour=red", "'colour'"), ("seed=x", "whole number"), ("seed", "must read"), ("shoppers=", "whole number")],
    )
    def test_other_places_are_refused(self, place: str, said: str) -> None:
        with pytest.raises(DataError, match=said):
            SampleShop().read(place)

    def test_a_shop_needs_shoppers(self) -> None:
        with pytest.raises(ConfigError, match="shoppers must be"):
            SampleShop().read("shoppers=0")
