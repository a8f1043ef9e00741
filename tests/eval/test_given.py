from __future__ import annotations

import numpy as np
import pytest

from recsys.config import EngineConfig
from recsys.data.given import INFO_KEY, Given
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError, UnknownPlugin
from recsys.eval.given import alone, evaluate_given, is_given, with_sampled, without_lists
from recsys.eval.given_fit import drawn
from recsys.registry import Registry
from recsys.rerank.base import Judgement, Reranker
from recsys.settings import settings_for
from recsys.testing.worlds import checkerboard

CONFIG = EngineConfig.of(
    {
        "candidates": {"transitions": {}, "popularity": {}},
        "rank": {"lightgbm": {"max_rounds": 8, "min_data_in_leaf": 5, "num_leaves": 4, "folds": 2}},
        "variants": {"no-llm": {"rank": "lightgbm"}},
    }
)


class Ring(Reranker):
    """Goes on in the ring from what was chosen last; the prior has a say unless it is asked alone."""

    prior = 1.0

    @classmethod
    def from_config(cls, config, deps):
        made = super().from_config(config, deps)
        made.known = float(deps.popularity.sum())
        return made

    def alone(self):
        return self._with(prior=0.0)

    def judge(self, requests, slates):
        last = np.array([r.history.rows[-1] for r in requests])[slates.request_index]
        place = np.arange(len(slates.items)) - np.repeat(slates.offsets[:-1], slates.lengths)
        step = (slates.items - last) % len(self.items)
        return Judgement((-step - 50 * (step % 2) - self.prior * place).astype(np.float32))


class Learner(Ring):
    """Has to be taught, and notes on what."""

    trained = False
    prior = 0.01

    def fit(self, requests, slates, labels, options):
        self.trained, self.lengths, self.hits = True, set(slates.lengths.tolist()), labels.sum() / len(requests)
        LESSONS.append(self)
        return self


LESSONS: list[Learner] = []


@pytest.fixture
def registry() -> Registry:
    own = Registry()
    own.register("rerankers", "ring", Ring)
    own.register("rerankers", "learner", Learner)
    return own


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Shoppers who stay on the squares of one colour; half of each list is of the other."""
    from dataclasses import replace

    world = checkerboard()
    rng = np.random.default_rng(1)
    users, rows = [], []
    for user in range(0, world.log.n_users, 2):
        target = int(world.log.history(user).rows[-1])
        others = [i for i in rng.permutation(len(world.items)).tolist() if i != target][:7]
        users.append(world.log.users[user])
        rows.append(rng.permutation([target, *others]))
    given = Given(tuple(users), np.array(rows, dtype=np.int32))
    return replace(world, info={**world.info, INFO_KEY: given})


def test_rows_of_given_lists(data):
    evaluation = evaluate_given(data, CONFIG)
    results = evaluation.results
    assert [r.name for r in results.rows] == ["random", "transitions", "popularity", "fusion", "cascade"]
    assert results.users == len(data.info[INFO_KEY].users)
    rows = {r.name: r.metrics for r in results.rows}
    assert rows["transitions"]["ndcg@10"] > rows["random"]["ndcg@10"] + 0.1
    # Eight places: the mean over where a target may stand.
    assert rows["random"]["hr@1"] == pytest.approx(1 / 8, abs=0.1)
    for metrics in rows.values():
        assert metrics["ndcg@1"] == metrics["hr@1"] <= metrics["ndcg@5"] <= metrics["ndcg@10"] <= metrics["ndcg@20"]
    assert results.best_by_validation in rows
    assert {len(v) for values in evaluation.per_user.values() for v in values.values()} == {results.users}


def test_rows_can_be_chosen(data):
    results = evaluate_given(data, CONFIG, rows=["popularity", "cascade"]).results
    assert [r.name for r in results.rows] == ["popularity", "cascade"]
    with pytest.raises(ConfigError, match="choose among random"):
        evaluate_given(data, CONFIG, rows=["best"])


def test_rerankers_that_need_no_training_stand_alone_and_nothing_is_fitted(data, registry, monkeypatch):
    from recsys.eval import given

    def never(*args, **words):
        raise AssertionError("nothing has to be fitted")

    monkeypatch.setattr(given, "fit_given", never)
    results = evaluate_given(data, CONFIG, rows=["random", "ring"], rerank=["ring"], registry=registry).results
    assert [r.name for r in results.rows] == ["random", "ring"]
    ring, random = (results.row(name).metrics["ndcg@10"] for name in ("ring", "random"))
    assert ring > random + 0.2
    assert "No interaction of anybody else: ring." in results.notes
    with pytest.raises(ConfigError, match="choose among random, transitions"):
        evaluate_given(data, CONFIG, rows=["learner"], rerank=["learner"], registry=registry)


def test_who_is_alone_does_not_look_at_the_order_and_may_move_anything(data):
    from recsys.protocols import Deps

    bound = Ring.from_config(Ring.Config(max_move=1), Deps(items=data.items, popularity=np.zeros(4)))
    free = alone(bound)
    assert (free.prior, free.config.max_move, bound.config.max_move) == (0.0, None, 1)


def test_rerankers_behind_the_cascade_learn_and_are_bounded_on_such_lists(data, registry):
    LESSONS.clear()
    results = evaluate_given(
        data, CONFIG, rows=["cascade", "cascade+learner", "cascade+ring"], rerank=["learner", "ring"],
        registry=registry,
    ).results  # fmt: skip
    assert [r.name for r in results.rows] == ["cascade", "cascade+learner", "cascade+ring"]
    (learner,) = LESSONS
    assert (learner.lengths, learner.hits) == ({8}, 1.0)
    assert sum(note.startswith("cascade+") for note in results.notes) == 2
    assert "cascade" in results.row("cascade+ring").p_vs


def test_kept_settings_may_name_generators_that_are_not_installed(data, monkeypatch):
    from recsys import settings

    plain = CONFIG.plain()
    kept = EngineConfig.of({**plain, "candidates": {**plain["candidates"], "novel": {"use": "of-another-package"}}})
    monkeypatch.setattr(settings, "_packaged", lambda name: kept)
    results = evaluate_given(data, rows=["random", "popularity"]).results
    assert [r.name for r in results.rows] == ["random", "popularity"]
    assert any("novel" in note and "not installed" in note for note in results.notes)
    # Settings that somebody names are taken by their word.
    with pytest.raises(UnknownPlugin, match="of-another-package"):
        evaluate_given(data, kept, rows=["novel"])


@pytest.mark.parametrize("name", ["llmrank:games", "llmrank:ml-1m"])
def test_kept_settings_name_what_generators_know(name):
    kept, registry = settings_for(name), Registry()
    assert kept is not None
    for stage in kept.candidates.values():
        options = {k: v for k, v in stage.options.items() if k != "use"}
        registry.get("candidates", stage.use).Config.model_validate(options)


def test_drawn_lists_hold_the_target_once():
    from recsys.data.splits import leave_one_out

    world = checkerboard(12)
    fold = leave_one_out(world.log).valid
    rows = drawn(fold, len(world.items), 7, seed=3)
    assert all(len(set(row)) == 7 and target in row for row, target in zip(rows, fold.targets.rows, strict=True))
    assert np.array_equal(rows, drawn(fold, len(world.items), 7, seed=3))


def test_a_row_of_one_generator_fits_that_one_alone(data):
    said: list[str] = []
    every = evaluate_given(data, CONFIG).results
    some = evaluate_given(data, CONFIG, rows=["random", "transitions"], progress=said.append).results
    assert [line for line in said if line.startswith("fitting")] == ["fitting transitions"]
    assert [row.name for row in some.rows] == ["random", "transitions"]
    assert some.row("transitions").metrics == every.row("transitions").metrics
    assert some.settings_hash == every.settings_hash


def test_what_has_no_lists_is_refused(data):
    from dataclasses import replace

    plain = replace(data, info={})
    assert is_given(data)
    assert not is_given(plain)
    with pytest.raises(DataError, match="no candidate lists"):
        evaluate_given(plain, CONFIG)
    strange = replace(data, info={INFO_KEY: Given(("nobody",), np.zeros((1, 3), dtype=np.int32))})
    with pytest.raises(DataError, match="nobody"):
        evaluate_given(strange, CONFIG)


def test_lists_can_be_left_aside(data):
    whole = without_lists(data)
    assert not is_given(whole)
    assert whole.log is data.log
    assert whole.name != data.name
    assert is_given(data)
    assert without_lists(whole) is whole


def test_sampled_lists_hold_what_the_shopper_never_chose():
    world = checkerboard(30)
    made = with_sampled(world, 10, seed=4)
    given = made.info[INFO_KEY]
    assert given.fresh
    assert len(given.users) == world.log.n_users
    for user, row in zip(given.users, given.rows, strict=True):
        chosen = world.log.history(world.log.users.index(user)).rows
        assert len(set(row)) == 10
        assert set(row) & set(chosen) == {chosen[-1]}
    assert np.array_equal(given.rows, with_sampled(world, 10, seed=4).info[INFO_KEY].rows)
    assert not np.array_equal(given.rows, with_sampled(world, 10, seed=5).info[INFO_KEY].rows)
    found = evaluate_given(made, CONFIG).results
    assert found.protocol["ranking"] == "10 given items"
    assert any(note.startswith("Sampled: 9 others") for note in found.notes)
    assert found.row("cascade").metrics["hr@1"] > 2 * found.row("random").metrics["hr@1"]


def test_lists_that_cannot_be_sampled():
    with pytest.raises(ConfigError, match="at least 2"):
        with_sampled(checkerboard(12), 1)
    with pytest.raises(DataError, match="too few for lists of 60"):
        with_sampled(checkerboard(12), 60)
