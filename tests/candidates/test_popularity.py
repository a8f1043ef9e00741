import numpy as np
import pytest

from recsys.candidates.popularity import Popularity, Trending
from recsys.dataset import Dataset
from recsys.protocols import Delta, Deps, FitOptions
from recsys.testing.kits import GeneratorTests, LiveTests, TrainableTests
from recsys.testing.worlds import DAY, START
from recsys.types import Event, Events, Item, Request, Slates

ITEMS = [Item(item_id=name) for name in "abcd"]
EVERY = Slates.of([range(4)])


class TestPopularity(GeneratorTests, TrainableTests, LiveTests):
    uses_history = False

    @pytest.fixture
    def component(self):
        return Popularity


class TestTrending(GeneratorTests, TrainableTests, LiveTests):
    uses_history = False

    @pytest.fixture
    def component(self):
        return lambda: Trending(Trending.Config(recent_days=30, usual_days=300))


def log(*events: tuple[str, float, str]) -> Dataset:
    return Dataset.of(
        ITEMS,
        [Event(user_id=f"u{i}", item_id=item, time=START + int(day * DAY), kind=kind)
         for i, (item, day, kind) in enumerate(events)],
    )  # fmt: skip


def test_counts_halve_with_every_half_life():
    data = log(("a", 20, "purchase"), ("b", 10, "purchase"), ("b", 0, "purchase"), ("c", 10, "view"))
    fitted = Popularity(Popularity.Config(half_life_days=10)).fit(data, FitOptions())
    assert fitted.score([Request()], EVERY).scores == pytest.approx([1.0, 0.5 + 0.25, 0.3 * 0.5, 0.0])
    assert fitted.generate([Request()], 4).items.tolist() == [0, 1, 2]


def test_dislikes_and_returns_are_no_votes():
    data = log(("a", 0, "purchase"), ("b", 0, "dislike"), ("b", 0, "purchase"), ("c", 0, "return"))
    fitted = Popularity().fit(data, FitOptions())
    assert fitted.score([Request()], EVERY).scores == pytest.approx([1, 1, 0, 0])


def test_new_events_age_the_old_ones():
    fitted = Popularity(Popularity.Config(half_life_days=10)).fit(log(("a", 0, "purchase")), FitOptions())
    fresh = Events.of([1], times=[START + 10 * DAY])
    table = log(("a", 0, "purchase")).items
    live = fitted.apply(Delta(items=table, changed=np.empty(0, np.int32), events=fresh))
    assert live.score([Request()], EVERY).scores == pytest.approx([0.5, 1, 0, 0])


def test_a_late_event_counts_for_its_age():
    fitted = Popularity(Popularity.Config(half_life_days=10)).fit(log(("a", 20, "purchase")), FitOptions())
    late = Events.of([1], times=[START + 10 * DAY])
    live = fitted.apply(Delta(items=log(("a", 0, "view")).items, changed=np.empty(0, np.int32), events=late))
    assert live.score([Request()], EVERY).scores == pytest.approx([1, 0.5, 0, 0])


def test_trending_prefers_what_rose_to_what_is_big(tmp_path):
    steady = [("a", float(day), "purchase") for day in range(100)]
    risen = [("b", 97 + n / 10, "purchase") for n in range(10)]
    fitted = Trending(Trending.Config(recent_days=5, usual_days=100)).fit(log(*steady, *risen), FitOptions())
    assert fitted.generate([Request()], 2).items.tolist() == [1, 0]
    popular = Popularity(Popularity.Config(half_life_days=100)).fit(log(*steady, *risen), FitOptions())
    assert popular.generate([Request()], 2).items.tolist() == [0, 1]


def test_loaded_counts_go_on_ageing(tmp_path):
    fitted = Trending(Trending.Config(recent_days=5, usual_days=50)).fit(log(("a", 0, "purchase")), FitOptions())
    fitted.save(tmp_path)
    delta = Delta(
        items=log(("a", 0, "view")).items, changed=np.empty(0, np.int32), events=Events.of([1], times=[START + 5 * DAY])
    )
    loaded = Trending.load(tmp_path, Deps()).apply(delta).score([Request()], EVERY).scores
    assert loaded == pytest.approx(fitted.apply(delta).score([Request()], EVERY).scores)
    # a: half of 1 lately over 0.933 usually; expectation is usual x 5 / 50, damped by a prior of 3
    assert loaded[0] == pytest.approx(0.5 / (0.5 ** (5 / 50) * 5 / 50 + 3))
