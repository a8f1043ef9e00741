"""The ranker of searches: what it learns from, what it must not see, what it does when there is nothing to learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from engine_toys import CHEAP, LIGHTGBM, NOW, SHOPPERS, fitted, ids, pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys import fitting_search
from recsys.config import EngineConfig
from recsys.dataset import weighed
from recsys.engine import Engine
from recsys.errors import DataError, StageError
from recsys.fitting_search import Choices, learned_by_search, requests_of
from recsys.funnel import Stopwatch
from recsys.registry import Registry
from recsys.searching import order
from recsys.testing.worlds import DAY, START, small_shop
from recsys.types import Request, Search, Slates

WORLD = small_shop()
IDS = WORLD.items.ids
SEARCH = {"use": "lightgbm", "later": 0.3, **LIGHTGBM, "max_rounds": 30, "prior": 0.0}
LEARNING = EngineConfig.of({**CHEAP, "rank": {"search": SEARCH, "shuffle": {}}, "search": {"rank": "search"}})
PRICES = np.nan_to_num(WORLD.items.prices, nan=0.0)


def log_of_dear_choices(n: int = 240) -> tuple[Search, ...]:
    """Searches by one word of a title after which everybody chooses the dearest product that has the word."""
    words = ("steel", "copper", "mesh", "brass", "wooden", "walnut", "kettle", "lamp")
    titles = [t.casefold() for t in WORLD.items.titles]
    out = []
    for i in range(n):
        word = words[i % len(words)]
        rows = [r for r, title in enumerate(titles) if word in title]
        dearest = max(rows, key=lambda r: PRICES[r])
        out.append(
            Search(
                user_id=SHOPPERS[i % 58], text=word, time=START + i * DAY // 3, chosen=(IDS[dearest],),
                search_id=f"s{i}",
            )
        )  # fmt: skip
    return tuple(out)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(LEARNING).fit(replace(WORLD, searches=log_of_dear_choices()))


def test_it_learns_what_is_chosen(engine: Engine) -> None:
    plain = fitted()
    right = wrong = 0
    for asked in ("steel", "copper", "mesh", "brass", "wooden", "walnut"):
        found = [r for r in engine.search(asked, None, 40, now=NOW, fold=False) if asked in r.title.casefold()]
        dearest = max(found, key=lambda r: r.price or 0).item_id
        right += found[0].item_id == dearest
        wrong += ids(plain.search(asked, None, 40, now=NOW, fold=False))[0] == dearest
    assert right >= 5
    assert wrong <= 3
    assert any(s.stage == "rank" and s.plugin == "search" for s in engine.search("steel", now=NOW).trace.stages)


def test_a_bundle_keeps_it(engine: Engine, tmp_path) -> None:
    engine.save(tmp_path / "bundle")
    again = Engine.load(tmp_path / "bundle", engine.store)
    assert "search" in again.fitted.rankers
    for asked in ("steel", "lmp", "mesh shoe"):
        for user in (None, SHOPPERS[3]):
            assert pairs(again.search(asked, user, now=NOW)) == pairs(engine.search(asked, user, now=NOW))


def test_it_learns_from_what_the_engine_holds() -> None:
    engine = Engine(LEARNING).fit(WORLD)
    assert any("search was not fitted: 0 searches with a choice" in w for w in engine.warnings)
    assert pairs(engine.search("steel", now=NOW)) == pairs(fitted().search("steel", now=NOW))
    engine.add_searches(log_of_dear_choices())
    assert "search" in engine.fit().fitted.rankers
    assert not engine.warnings


def test_the_rankers_of_lists_are_left_alone() -> None:
    both = {**CHEAP, "rank": {"lightgbm": LIGHTGBM}, "variants": {"fused": {"rank": "lightgbm"}}}
    shared = EngineConfig.of({**both, "search": {"rank": "lightgbm"}})
    assert learned_by_search(shared, Registry()) is None
    assert learned_by_search(EngineConfig.of({**CHEAP, "search": {"rank": "shuffle"}}), Registry()) is None
    assert learned_by_search(LEARNING, Registry()) == "search"


def test_variants_without_its_columns_do_without_it(engine: Engine) -> None:
    plans = engine._current().searches
    assert plans["fused"].ranker is not None
    assert plans["popular"].ranker is None
    assert len(engine.search("steel", now=NOW, variant="popular"))


def test_one_that_fails_leaves_the_fused_order(engine: Engine) -> None:
    class Broken:
        def rank(self, requests, slates, n):
            raise ValueError("broken")

    plan = replace(engine._current().searches["fused"], ranker=Broken())
    requests, slates = [Request(text="steel")], Slates.of([[3, 1, 2]], [[0.2, 0.9, 0.5]])
    out = order(plan, requests, slates, Stopwatch())
    assert out.items.tolist() == [1, 2, 3]
    assert out.notes[0].degraded == ("rank:search:ValueError",)
    strict = replace(plan, personal=type(plan.personal)(plan.personal.plan, strict=True))
    with pytest.raises(StageError, match="broken"):
        order(strict, requests, slates, Stopwatch())


def test_nothing_that_it_foresees_is_in_what_it_foresees_with(monkeypatch) -> None:
    """Generators see the events before the cut, the ranker the searches after it."""
    seen = {}
    fit_generators, answer = fitting_search.fit_generators, fitting_search.training_answers

    def spy(config, registry, data, log, *more, **named):
        seen.setdefault("log", log) if log is not data.log else None
        return fit_generators(config, registry, data, log, *more, **named)

    def spy_answers(plan, choices, requests):
        seen["requests"] = requests
        return answer(plan, choices, requests)

    monkeypatch.setattr(fitting_search, "fit_generators", spy)
    monkeypatch.setattr(fitting_search, "training_answers", spy_answers)
    Engine(LEARNING).fit(replace(WORLD, searches=log_of_dear_choices()))
    last = int(seen["log"].events.times.max())
    assert last <= min(r.now for r in seen["requests"])
    assert len(seen["log"]) < len(WORLD.log)
    assert all(int(r.history.times.max(initial=0)) < r.now for r in seen["requests"])
    assert 0 < sum(len(r.history) == 0 for r in seen["requests"]) < len(seen["requests"])


times = st.integers(START - DAY, START + 160 * DAY)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*SHOPPERS, "nobody"]), times), max_size=8), st.integers(1, 9))
def test_histories_are_those_of_the_moment(typed, limit) -> None:
    searches = [Search(user_id=user, text="steel", time=time, chosen=(IDS[0],)) for user, time in typed]
    choices = Choices.of(WORLD, searches)
    requests = requests_of(choices, WORLD.log, limit)
    assert [r.now for r in requests] == sorted(time for _, time in typed)
    for request, group in zip(requests, choices.groups.tolist(), strict=True):
        history = WORLD.log.history(group) if group >= 0 else WORLD.log.history(0).take(slice(0, 0))
        before = history.take(history.times < request.now)
        before = weighed(before, np.zeros(len(before), dtype=np.int64), WORLD.log.event_weights)
        expected = before.take(np.flatnonzero(before.weights)[-limit:])
        assert request.history.rows.tolist() == expected.rows.tolist()
        assert request.history.weights.tolist() == expected.weights.tolist()
        assert request.allowed is None
    guests = requests_of(choices, WORLD.log, limit, np.ones(len(choices), dtype=np.bool_))
    assert not any(len(r.history) for r in guests)


def test_choices_are_read_in_rows_and_time_order() -> None:
    searches = [
        Search(user_id=SHOPPERS[1], text="late", time=START + 9, chosen=(IDS[4], "no-such-item", IDS[2], IDS[4])),
        Search(user_id="nobody", text="early", time=START, chosen=(IDS[7],)),
        Search(user_id="nobody", text="nothing chosen", time=START),
        Search(user_id="nobody", text="unknown alone", time=START, chosen=("no-such-item",)),
        Search(user_id="nobody", text="no time", chosen=(IDS[7],)),
    ]
    choices = Choices.of(WORLD, searches)
    assert choices.texts == ("early", "late")
    assert choices.groups.tolist() == [-1, WORLD.log.users.index(SHOPPERS[1])]
    assert choices.chosen.tolist() == [7, 4, 2]
    assert choices.labels(Slates.of([[4, 7], [2, 7, 4]])).tolist() == [0, 1, 1, 0, 1]
    assert choices.take(np.array([1])).chosen.tolist() == [4, 2]
    with pytest.raises(DataError, match="no search whose answer"):
        fitting_search.training_answers(_plan_that_finds_nothing(), choices, requests_of(choices, WORLD.log, 5))


def _plan_that_finds_nothing():
    """A plan of searches over a catalogue in which nobody finds the words "early" and "late"."""
    engine = fitted()
    return fitting_search.learning_plan(engine.config, engine.fitted.generators)


def test_a_fold_of_the_log_takes_later_searches_along() -> None:
    data = replace(WORLD, searches=log_of_dear_choices())
    middle = int(np.median(WORLD.log.events.times))
    past = data.with_log(data.log.as_of(data.log.events.times <= middle))
    assert 0 < len(past.searches) < len(data.searches)
    last = {u: past.log.history(g).times.max(initial=-1) for g, u in enumerate(past.log.users)}
    assert all(s.time <= last[s.user_id] for s in past.searches)
    assert data.with_log(data.log).searches == data.searches
