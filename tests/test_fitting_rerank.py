"""Rerankers that learn inside a fit: lists without leaks, acceptance, bounds."""

from __future__ import annotations

import numpy as np
import pytest

from recsys.config import EngineConfig
from recsys.data.shop import make_shop
from recsys.data.splits import ChoicesBack, leave_one_out
from recsys.engine import Engine
from recsys.eval.evaluate import evaluate
from recsys.fitting import fit_all, fit_ranker, ranking_data
from recsys.fitting_rerank import Crossed, head, joined, parts_of, subset, with_hit, with_rerankers
from recsys.protocols import FitOptions
from recsys.registry import Registry
from recsys.rerank.base import Judgement, Reranker

OPTIONS = FitOptions(threads=1)
PLAN = {
    "candidates": {"transitions": {}, "attributes": {}, "popularity": {}},
    "rank": {"lightgbm": {"max_rounds": 5, "patience": 5, "threads": 1}},
    "rerank": {"taught": {"top": 12}},
    "variants": {"no-llm": {"rank": "lightgbm"}, "fine-tuned": {"rank": "lightgbm", "rerank": "taught"}},
    "variant": "no-llm",
}


class Taught(Reranker):
    """Learns how often each item was the one, against how often it was listed."""

    trained = False

    def fit(self, requests, slates, labels, options):
        n = len(self.items)
        hits = np.bincount(slates.items, weights=labels, minlength=n)
        self.rate = (hits + 1) / (np.bincount(slates.items, minlength=n) + 20)
        self.trained, self.seen = True, (len(requests), int(slates.lengths.max()), set(slates.columns))
        return self

    def judge(self, requests, slates):
        place = np.arange(len(slates.items)) - np.repeat(slates.offsets[:-1], slates.lengths)
        return Judgement((self.rate[slates.items] - 0.02 * place).astype(np.float32))


class Blind(Taught):
    """Learns nothing of use."""

    def judge(self, requests, slates):
        return Judgement((slates.items * 7919 % 101).astype(np.float32))


@pytest.fixture(scope="module")
def data():
    return make_shop(3, 300).dataset


def registry(taught=Taught) -> Registry:
    own = Registry()
    own.register("rerankers", "taught", taught)
    return own


@pytest.fixture(scope="module")
def made(data):
    config = EngineConfig.of(PLAN)
    found = ranking_data(config, Registry(), data, leave_one_out(data.log).rank, "lightgbm", OPTIONS)
    return found, fit_ranker(config, Registry(), found, "lightgbm", OPTIONS)


def test_each_shopper_is_ranked_by_who_did_not_learn_from_them(made):
    data, ranker = made
    crossed = Crossed.of(ranker, data.lists, OPTIONS, parts=3)
    got = crossed.ranked(data.lists, data.deps)
    part = parts_of(data.lists.users, 3, OPTIONS.seed)
    for k, twin in enumerate(crossed.twins):
        mine = subset(data.lists, part == k)
        want = twin.rank(mine.requests, mine.slates, 1000)
        ours = subset(got, parts_of(got.users, 3, OPTIONS.seed) == k)
        assert np.array_equal(ours.slates.items, want.items)
        others = subset(data.lists, part != k)
        again = ranker.again(others.requests, others.slates, others.labels, OPTIONS)
        assert np.array_equal(again.rank(mine.requests, mine.slates, 1000).scores, want.scores)
    assert sorted(got.users.tolist()) == sorted(data.lists.users.tolist())
    assert got.labels.sum() == data.lists.labels.sum()


def test_labels_stay_with_their_items(made):
    data, ranker = made
    chosen = {
        (int(u), int(i))
        for u, i, y in zip(
            data.lists.users[data.lists.slates.request_index], data.lists.slates.items, data.lists.labels, strict=True
        )
        if y
    }
    got = with_hit(head(Crossed.of(ranker, data.lists, OPTIONS, parts=2).ranked(data.lists, data.deps), 5))
    assert len(got.requests) == len(got.users) == len(got.slates)
    assert (got.slates.lengths <= 5).all()
    picked = got.labels > 0
    found = zip(got.users[got.slates.request_index][picked], got.slates.items[picked], strict=True)
    assert {(int(u), int(i)) for u, i in found} <= chosen
    both = joined([got, got])
    assert both.labels.tolist() == got.labels.tolist() * 2


def test_one_shopper_is_in_one_part():
    users = np.array([5, 2, 5, 9, 2])
    part = parts_of(users, 4, 0)
    assert part[0] == part[2]
    assert part[1] == part[4]
    assert parts_of(np.array([9]), 4, 0)[0] == part[3]


def test_earlier_choices_are_fitted_without_what_they_ask_for(data):
    back = ChoicesBack.of(data.log)
    fold = back.fold(4, 4)
    for user, target in zip(fold.users[:50].tolist(), fold.targets.rows[:50].tolist(), strict=True):
        kept, whole = fold.fit.history(user), data.log.history(user)
        assert len(kept) < len(whole)
        assert np.array_equal(kept.rows, whole.rows[: len(kept)])
        assert (whole.rows[len(kept) :] == target).any()


def test_an_engine_teaches_its_reranker(data):
    engine = Engine(EngineConfig.of(PLAN), registry=registry()).fit(data, OPTIONS)
    reranker = engine.fitted.rerankers["taught"]
    requests, longest, columns = reranker.seen
    assert requests > 30
    assert 12 < longest <= 50
    assert {"ranker_score", "transitions_score"} <= columns
    assert engine.fitted.made == {}
    said = engine.fitted.calibrations["taught"]
    assert reranker.config.max_move == (said.max_move if said.accepted else 0)
    assert len(engine.recommend(data.log.users[0], 5, variant="fine-tuned")) == 5


def test_who_learned_nothing_changes_nothing(data):
    engine = Engine(EngineConfig.of(PLAN), registry=registry(Blind)).fit(data, OPTIONS)
    assert engine.fitted.rerankers["taught"].config.max_move == 0
    assert any(w.startswith("taught changes nothing: not accepted") for w in engine.warnings)


def test_too_few_shoppers_leave_the_reranker_out(data):
    few = data.with_log(data.log.as_of(np.arange(len(data.log)) < 40))
    engine = Engine(EngineConfig.of(PLAN), registry=registry()).fit(few, OPTIONS)
    assert "taught" not in engine.fitted.rerankers
    assert any(w.startswith("taught was not fitted: ") for w in engine.warnings)
    assert len(engine.recommend(few.log.users[0], 5, variant="fine-tuned")) > 0


def test_an_evaluation_has_a_row_for_each_reranker(data):
    config = EngineConfig.of({**PLAN, "rerank": {"taught": {"top": 12}, "none": {"use": "identity"}}})
    rows = ["cascade", "cascade+taught", "cascade+none"]
    got = evaluate(data, "leave-one-out", config, rows=rows, registry=registry(), refit=False)
    assert list(got.per_user) == rows
    metrics = got.per_user
    assert np.array_equal(metrics["cascade+none"]["ndcg@10"], metrics["cascade"]["ndcg@10"])
    assert np.array_equal(metrics["cascade+taught"]["hr@20"], metrics["cascade"]["hr@20"])
    assert any(n.startswith("cascade+taught: calibrated on validation, ") for n in got.results.notes)
    assert got.results.rows[-1].latency_ms


class Studious(Taught):
    """Reads logs, and remembers which, and in what order."""

    def __init__(self, config, items):
        super().__init__(config, items)
        self.read = []

    def study(self, log, options):
        self.read.append(("study", len(log)))
        return self

    def fit(self, requests, slates, labels, options):
        self.read.append(("fit", len(requests)))
        return super().fit(requests, slates, labels, options)


def test_who_studies_reads_no_label_before_it_learned_from_it(data):
    folds = leave_one_out(data.log)
    config = EngineConfig.of(PLAN).model_copy(update={"hide_seen": True})
    own = registry(Studious)
    fitted = fit_all(config, own, data, folds.rank, folds.test.fit, OPTIONS)
    said = []
    got = with_rerankers(config, own, data, fitted, folds.test.fit, OPTIONS, said.append, folds.older, folds.valid)
    read = got.rerankers["taught"].read
    assert [kind for kind, _ in read] == ["study", "fit", "study"]
    assert read[0][1] == len(folds.rank.fit) < read[2][1] == len(folds.test.fit)
    # The choices of older folds are in what it read first: the lists of the rank fold alone are left to learn from.
    assert read[1][1] <= len(folds.rank)
