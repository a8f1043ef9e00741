"""The search of settings: bounded, the same each time, gone on with where it ended."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from recsys.errors import ConfigError, DataError
from recsys.tune.study import Budget, Studies
from recsys.tune.trials import Trials

WIDE = {name: [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7] for name in ("a", "b", "c", "d")}
NOW = {"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}


class Hill:
    """Highest at 0.5 in every direction, and counts how often it was measured."""

    def __init__(self) -> None:
        self.seen: list[dict[str, float]] = []

    def __call__(self, values: dict[str, float]) -> float:
        self.seen.append(values)
        return -sum((v - 0.5) ** 2 for v in values.values())


def test_a_small_space_is_tried_whole_and_no_values_twice() -> None:
    hill = Hill()
    values, score, measured = Studies(Budget(trials=16), "m", 1).best(
        "x", {"a": [0.1, 0.5], "b": [0.5, 0.9]}, {"a": 0.3, "b": 0.9}, hill
    )
    assert (values, score) == ({"a": 0.5, "b": 0.5}, 0.0)
    assert measured == len(hill.seen) == 6  # the present value of a is a third one
    assert hill.seen[0] == {"a": 0.3, "b": 0.9}


def test_a_large_space_is_sampled_within_the_budget_and_the_same_each_time() -> None:
    one, two = Hill(), Hill()
    found = [Studies(Budget(trials=60), "m", 1, seed=3).best("x", WIDE, NOW, hill) for hill in (one, two)]
    assert found[0] == found[1]
    assert one.seen == two.seen
    assert len(one.seen) == 60
    assert found[0][1] >= -0.0201  # it begins at -1, and 60 drawn at random end near -0.03


def test_the_present_values_stay_unless_something_is_better() -> None:
    values, score, _ = Studies(Budget(trials=20), "m", 1).best(
        "x", {"a": [1, 2, 3], "b": ["u", "v"]}, {"a": 2, "b": "v"}, lambda _: 0.5
    )
    assert (values, score) == ({"a": 2, "b": "v"}, 0.5)


def test_a_study_goes_on_where_it_ended(tmp_path: Path) -> None:
    class Ends(Hill):
        def __call__(self, values: dict[str, float]) -> float:
            if len(self.seen) == 12:
                raise KeyboardInterrupt
            return super().__call__(values)

    budget, first, second, third = Budget(trials=30, study=tmp_path / "new" / "study.db"), Ends(), Hill(), Hill()
    with pytest.raises(KeyboardInterrupt):
        Studies(budget, "m", 1).best("x", WIDE, NOW, first)
    _, score, measured = Studies(budget, "m", 1).best("x", WIDE, NOW, second)
    assert measured == 18
    assert not [values for values in second.seen if values in first.seen]
    again, kept, measured = Studies(budget, "m", 1).best("x", WIDE, NOW, third)
    assert (measured, kept, third.seen) == (0, score, [])
    assert again in first.seen + second.seen


def test_a_study_of_something_else_is_not_gone_on_with(tmp_path: Path) -> None:
    budget = Budget(trials=5, study=tmp_path / "study.db")
    space, now = {"a": [0.1, 0.2]}, {"a": 0.1}
    for mark, facts, wanted in (("m", "", 2), ("m", "", 0), ("other", "", 2), ("m", "n=50", 2)):
        assert Studies(budget, mark, 1).best("x", space, now, Hill(), facts)[2] == wanted


def test_which_value_is_the_present_one_makes_no_other_search(tmp_path: Path) -> None:
    budget, space = Budget(trials=9, study=tmp_path / "s.db"), {"kind": ["u", "v", "w"], "flag": [False, True]}
    for now, wanted in (({"kind": "u", "flag": False}, 6), ({"kind": "w", "flag": True}, 0)):
        found = Studies(budget, "m", 1).best("x", space, now, lambda v: float(v["kind"] == "w"))
        assert found[2] == wanted


def test_seconds_are_shared_evenly_and_everybody_has_a_turn() -> None:
    clock = SimpleNamespace(now=0.0)

    def slow(values: dict[str, float]) -> float:
        clock.now += 10.0
        return 0.0

    studies = Studies(Budget(trials=100, seconds=100.0), "m", 2, clock=lambda: clock.now)
    assert [studies.best(name, WIDE, NOW, slow)[2] for name in ("x", "y", "z")] == [5, 5, 1]


def test_budgets_and_files_that_are_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trials must be at least 1"):
        Budget(trials=0)
    with pytest.raises(ConfigError, match="seconds must be above 0"):
        Budget(seconds=float("nan"))
    (tmp_path / "notes.txt").write_text("these are notes, no data base")
    with pytest.raises(DataError, match=r"notes.txt is no study"):
        Studies(Budget(study=tmp_path / "notes.txt"), "m", 1)


def test_the_file_is_read_by_others(tmp_path: Path) -> None:
    Studies(Budget(study=tmp_path / "s.db"), "m", 1).best("x", {"a": [0.1, 0.2]}, {"a": 0.1}, Hill())
    with sqlite3.connect(tmp_path / "s.db") as base:
        assert base.execute("select count(*) from trials where state = 'COMPLETE'").fetchone() == (2,)
    base.close()


class Settings(BaseModel):
    decay: float = 0.5
    factors: int = 8


def test_settings_of_requests_need_no_new_fit() -> None:
    fitted: list[dict[str, object]] = []

    def made(values: dict[str, object]) -> SimpleNamespace:
        fitted.append(values)
        return SimpleNamespace(config=Settings(**values))

    trials = Trials(made, made({}))
    for factors in (8, 16, 16, 8, 32, 64, 128, 16):
        for decay in (0.1, 0.9):
            config = trials.component({"decay": decay, "factors": factors}).config
            assert (config.decay, config.factors) == (decay, factors)
    assert fitted == [{}, {"factors": 16}, {"factors": 32}, {"factors": 64}, {"factors": 128}, {"factors": 16}]
