"""Aspects of real reviews: they run, they are plausible, and they follow the stars."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.aspects import AspectSource, AspectTable, ReviewIndex
from recsys.data.amazon import Amazon
from recsys.dataset import Dataset
from recsys.protocols import FitOptions
from recsys.testing.worlds import requests_of
from recsys.types import Slates

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def instruments(request: pytest.FixtureRequest) -> Dataset:
    folder: Path = request.getfixturevalue("data_folder") / "amazon_reviews"
    place = folder / "reviews_Musical_Instruments_5.json.gz"
    if not place.is_file():
        pytest.skip(f"{place} is not here")
    data = Amazon().read(str(place))[0]
    return replace(data, reviews=data.reviews[:6_000])


@pytest.fixture(scope="module")
def table(instruments: Dataset) -> AspectTable:
    return AspectTable().fit(instruments, FitOptions())


def test_what_players_judge_is_found(table: AspectTable) -> None:
    assert {"sound", "price", "quality", "tone", "noise", "durability", "size", "weight"} <= set(table.aspects)


def test_no_name_of_a_thing_is_an_aspect(table: AspectTable) -> None:
    assert not {"guitar", "pedal", "pedals", "amp", "mic", "capo", "picks"} & set(table.aspects)


def test_sentiment_follows_the_stars_of_reviews_that_were_not_read(instruments: Dataset) -> None:
    reviews = instruments.reviews
    lexicon = AspectTable().fit(Dataset(instruments.items, instruments.log, reviews[::2]), FitOptions()).lexicon
    means: dict[bool, list[float]] = {True: [], False: []}
    for review in reviews[1::2]:
        if review.rating is not None and review.rating != 3:
            heard = [m.sentiment for m in lexicon.mentions(review.text)]
            if heard:
                means[review.rating > 3].append(float(np.mean(heard)))
    good, bad = np.array(means[True]), np.array(means[False])
    # The chance that a good review has the better mean than a bad one.
    assert (good[:, None] > bad[None, :]).mean() + 0.5 * (good[:, None] == bad[None, :]).mean() > 0.75


def test_every_quote_is_where_it_says(instruments: Dataset, table: AspectTable) -> None:
    source = AspectSource(table, ReviewIndex(table.lexicon, instruments.reviews, instruments.items))
    requests = requests_of(instruments, users=range(30))
    rng = np.random.default_rng(0)
    slates = Slates.of([rng.choice(len(instruments.items), 10, replace=False) for _ in requests])
    texts = {r.review_id: r for r in instruments.reviews}
    found = source.facts(requests, slates, instruments.items)
    assert np.mean([bool(one) for one in found]) > 0.3
    for one, owner, row in zip(found, slates.request_index.tolist(), slates.items.tolist(), strict=True):
        for e in (e for fact in one for e in fact.evidence):
            review = texts[e.review_id]
            assert e.item_id == review.item_id == instruments.items.ids[row]
            assert review.user_id != requests[owner].user
            assert review.text[e.start : e.end] == e.quote
