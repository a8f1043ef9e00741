from dataclasses import replace

import numpy as np
import pytest

from recsys.candidates.aspects import Aspects
from recsys.dataset import Dataset
from recsys.protocols import Delta, FitOptions
from recsys.testing.kits import AttributorTests, GeneratorTests, TrainableTests
from recsys.testing.worlds import checkerboard, small_shop
from recsys.types import NO_EVENTS, Event, Events, Item, Request, Review, Slates

# What the reviewers of each department talk about: (praise, blame).
TALK = (
    ("The handle is comfortable and the grip is secure.", "The grip is slippery, and the handle hurts."),
    ("The weight is perfect, wonderfully light.", "Too heavy, the weight is wrong."),
    ("The fit is great, it fits snugly.", "The fit is poor, and tight."),
    ("The print is crisp and the paper is lovely.", "The print is dull, the paper is poor."),
    ("The sound is clear and the battery lasts.", "The sound is bad and the battery is weak."),
)


def reviewed(world: Dataset) -> Dataset:
    """The world with six reviews of each item but the last one; every third is a bad one."""
    ids = world.items.ids
    reviews = [
        Review(
            user_id=f"critic-{row:02d}-{n}@mail.example", item_id=ids[row], text=TALK[row // 8 % 5][n % 3 == 2],
            rating=2.0 if n % 3 == 2 else 5.0, review_id=f"review-{row:02d}-{n}",
        )
        for row in range(len(ids) - 1)
        for n in range(6)
    ]  # fmt: skip
    return replace(world, reviews=tuple(reviews))


class Reviewed(GeneratorTests, TrainableTests, AttributorTests):
    @pytest.fixture
    def world(self):
        return reviewed(small_shop())

    @pytest.fixture
    def checkerboard(self):
        """Crimson tiles are talked about for their grip, navy ones for their sound."""
        world = checkerboard()
        said = ("The grip is great.", "The sound is great.")
        reviews = [
            Review(user_id=f"critic-{row}-{n}", item_id=i, text=said[row % 2], rating=5.0, review_id=f"tile-{row}-{n}")
            for row, i in enumerate(world.items.ids)
            for n in range(3)
        ]
        return replace(world, reviews=tuple(reviews))


class TestAspects(Reviewed):
    @pytest.fixture
    def component(self):
        return Aspects


class TestAspectsByPraise(Reviewed):
    @pytest.fixture
    def component(self):
        return lambda: Aspects(Aspects.Config(praise_weight=1.0, decay=0.5))


def small() -> Dataset:
    """Four items praised, four blamed and one not spoken of for their grip, four praised for something else."""
    said = {
        "praised": ("The grip is great.", 5.0), "blamed": ("The grip is terrible.", 1.0),
        "other": ("The sound is great.", 5.0), "silent": ("Arrived on Monday.", 5.0),
    }  # fmt: skip
    items = [Item(item_id=f"{i}-{n}", title=f"Thing {i} {n}") for i in said for n in range(4)]
    reviews = [
        Review(user_id=f"u{n}", item_id=i.item_id, text=text, rating=rating, review_id=f"{i.item_id}-{n}")
        for i in items
        for text, rating in [said[i.item_id.split("-")[0]]]
        for n in range(3)
    ]
    return Dataset.of(items, [Event(user_id="a", item_id="praised-0", time=1)], reviews)


PRAISED, BLAMED = range(4), range(4, 8)


def test_praise_comes_before_blame_and_blame_before_silence():
    fitted = Aspects(Aspects.Config(praise_weight=0.3)).fit(small(), FitOptions())
    got = fitted.generate([Request(history=Events.of([0]))], 16)
    assert got.items.tolist() == [*PRAISED, *BLAMED]


def test_full_weight_on_praise_drops_what_is_blamed():
    fitted = Aspects(Aspects.Config(praise_weight=1.0)).fit(small(), FitOptions())
    assert fitted.generate([Request(history=Events.of([0]))], 16).items.tolist() == list(PRAISED)
    assert (fitted.score([Request(history=Events.of([0]))], Slates.of([BLAMED])).scores < 0).all()


def test_without_reviews_nothing_is_found():
    data = replace(small(), reviews=())
    assert len(Aspects().fit(data, FitOptions()).generate([Request(history=Events.of([0]))], 4).items) == 0


def test_new_items_have_a_score_of_nothing():
    data = small()
    fitted = Aspects().fit(data, FitOptions())
    grown = data.items.put([Item(item_id="new")])
    live = fitted.apply(Delta(items=grown, changed=np.array([16], np.int32), events=NO_EVENTS))
    request = [Request(history=Events.of([0]))]
    assert live.score(request, Slates.of([[16, 0]])).scores.tolist()[0] == 0
    assert np.isnan(fitted.score(request, Slates.of([[16]])).scores[0])
    assert live.generate(request, 5).items.tolist() == fitted.generate(request, 5).items.tolist()
