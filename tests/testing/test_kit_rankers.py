from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from kit_toys import ToyRanker, ToyTrainedRanker, after, before, broken, checks, run_check

from recsys.protocols import Contributions
from recsys.testing.kits import DecomposableTests, RankerTests, TrainableRankerTests
from recsys.types import Slates, offsets_of

FAILED = (AssertionError, pytest.fail.Exception)


class TestToyRanker(RankerTests):
    @pytest.fixture
    def component(self):
        return ToyRanker


class TestToyTrainedRanker(RankerTests, TrainableRankerTests):
    @pytest.fixture
    def component(self):
        return ToyTrainedRanker


class TestRankerThatDrops(RankerTests):
    """At most three items a list: the kit accepts it once it is declared."""

    keeps_all = False

    @pytest.fixture
    def component(self):
        return before(ToyRanker, "rank", lambda s, r, given, n: (r, given, min(n, 3)))


def same(old, **parts):
    fields = {"items": old.items.copy(), "scores": old.scores.copy(), "offsets": old.offsets.copy(),
              "columns": old.columns, "notes": old.notes, **parts}  # fmt: skip
    return Slates(*fields.values())


def picked(old, keep):
    """Only the entries of a mask."""
    lengths = np.bincount(old.request_index[keep], minlength=len(old))
    return Slates(
        old.items[keep], old.scores[keep], offsets_of(lengths), {n: v[keep] for n, v in old.columns.items()}, old.notes
    )


def rank(change):
    return after(ToyRanker, "rank", change)


def doubled(self, out, *_):
    first = np.flatnonzero(np.diff(out.offsets) > 1)[0]
    items, columns = out.items.copy(), {n: v.copy() for n, v in out.columns.items()}
    at = int(out.offsets[first])
    items[at + 1] = items[at]
    columns["row_twice"][at + 1] = columns["row_twice"][at]
    return same(out, items=items, columns=columns)


def without_empty(self, out, *_):
    keep = out.lengths > 0
    notes = tuple(n for n, k in zip(out.notes, keep, strict=True) if k)
    return Slates(out.items, out.scores, offsets_of(out.lengths[keep]), out.columns, notes)


def refuses(test):
    def check(self, requests, given, n):
        assert test(requests, given, n)
        return requests, given, n

    return before(ToyRanker, "rank", check)


def spoil(self, requests, given, n):
    for request in requests:
        request.history.weights[:1] += 1
    return requests, given, n


def counts_calls(self, out, *_):
    self.calls = getattr(self, "calls", 0) + 1
    return same(out, scores=out.scores * np.float32(self.calls))


def remembers(self, requests, given, n):
    self.given = given
    time.sleep(0.02)
    return ToyRanker.rank(self, requests, self.given, n)


def drops_odd_scores(self, requests, given, n):
    return ToyRanker.rank(self, requests, picked(given, np.isfinite(given.scores)), n)


def misled_by_nan(self, requests, given, n):
    """Sorts in Python, where NaN compares as neither more nor less."""
    out = given.ordered(np.nan_to_num(given.scores))
    places = [
        int(a) + p
        for a, b in zip(out.offsets[:-1], out.offsets[1:], strict=True)
        for p in sorted(range(b - a), key=lambda p, a=a: -out.scores[a + p])[:n]
    ]
    scores = given.ordered(given.scores, n).scores[::-1].copy()
    kept = picked(out, np.isin(np.arange(len(out.items)), places))
    return same(kept, scores=scores)


class Memory:
    """Whom a ranker has seen."""

    def __init__(self):
        self.seen = set()

    def tags(self):
        return self.seen


class Keeps(ToyRanker):
    """Remembers who asked, and cannot forget."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.memory = Memory()

    def rank(self, requests, given, n):
        self.memory.seen |= {r.user for r in requests if r.user}
        return super().rank(requests, given, n)


class Pretends(Keeps):
    def forget(self, user):
        return 1


RANK = [
    ("rank_has_its_protocol", broken(ToyRanker, rank=None)),
    ("rank_dtypes", rank(lambda s, a, *_: same(a, scores=a.scores.astype(np.float64)))),
    ("rank_one_list_each", rank(without_empty)),
    ("rank_subset_of_its_input", rank(lambda s, a, *_: same(a, items=(a.items + 1).astype(np.int32)))),
    ("rank_at_most_n", before(ToyRanker, "rank", lambda s, r, given, n: (r, given, n + 1))),
    ("rank_as_many_as_it_can", before(ToyRanker, "rank", lambda s, r, given, n: (r, given, n - 1))),
    ("rank_as_many_as_it_can", rank(lambda s, a, *_: picked(a, np.zeros(len(a.items), dtype=bool)))),
    ("rank_more_than_there_is", refuses(lambda r, given, n: n <= 40)),
    ("rank_no_duplicates", rank(doubled)),
    ("rank_best_first", rank(lambda s, a, *_: same(a, scores=a.scores[::-1].copy()))),
    ("rank_best_first", rank(lambda s, a, *_: same(a, scores=np.where(a.items % 2, np.float32("nan"), a.scores)))),
    ("rank_columns_travel", rank(lambda s, a, r, given, n: same(a, columns={}))),
    ("rank_columns_travel",
     rank(lambda s, a, *_: same(a, columns={m: v[::-1].copy() for m, v in a.columns.items()}))),
    ("rank_notes_travel", rank(lambda s, a, *_: same(a, notes=()))),
    ("rank_forgets_whom_it_read", Keeps),
    ("rank_forgets_whom_it_read", Pretends),
    ("rank_empty_batch", refuses(lambda r, given, n: len(r) > 0)),
    ("rank_empty_batch", refuses(lambda r, given, n: len(given.items) > 0)),
    ("rank_hostile_scores", broken(ToyRanker, rank=drops_odd_scores)),
    ("rank_hostile_scores", broken(ToyRanker, rank=misled_by_nan)),
    ("rank_hostile_scores", refuses(lambda r, given, n: np.isfinite(given.scores).all())),
    ("rank_odd_histories", refuses(lambda r, given, n: all(len(x.history) for x in r))),
    ("rank_leaves_inputs_alone", before(ToyRanker, "rank", spoil)),
    ("rank_same_call_twice", rank(counts_calls)),
    ("rank_single_equals_batch", rank(lambda s, a, r, *_: same(a, scores=a.scores / np.float32(len(r))))),
    ("rank_in_two_threads", broken(ToyRanker, rank=remembers)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "component"), [(f"test_{c}", k) for c, k in RANK], ids=[f"{i}-{c}" for i, (c, _) in enumerate(RANK)]
)
def test_broken_ranker_fails_its_check(check, component, tmp_path):
    with pytest.raises(FAILED):
        run_check(RankerTests, check, component, tmp_path)


def test_every_check_has_a_ranker_that_fails_it():
    assert {f"test_{c}" for c, _ in RANK} == set(checks(RankerTests))


def test_a_trained_ranker_is_held_to_training(tmp_path):
    class Both(RankerTests, TrainableRankerTests):
        pass

    with pytest.raises(FAILED):
        run_check(Both, "test_trainable_has_its_protocol", broken(ToyTrainedRanker, rank=None), tmp_path)

    class Adding(ToyTrainedRanker):
        def fit(self, requests, slates, labels, options):
            old = self.rates
            super().fit(requests, slates, labels, options)
            self.rates = self.rates if old is None else self.rates + old
            return self

    (tmp_path / "second").mkdir()
    with pytest.raises(AssertionError, match="second fit"):
        run_check(Both, "test_second_fit_forgets_the_first", Adding, tmp_path / "second")


class Open(ToyRanker):
    """Says that its score is the sum of two things."""

    def feature_contributions(self, requests, slates, wanted):
        with np.errstate(invalid="ignore"):
            values = np.column_stack([slates.columns["prior_score"], slates.scores])[wanted]
        amounts = values.astype(np.float64) * [1, 0.5]
        return Contributions(("prior", "score"), ("what was known", "what came in"), values, amounts, 0.0)


class TestOpen(DecomposableTests, RankerTests):
    @pytest.fixture
    def component(self):
        return Open


def parts(change):
    return after(Open, "feature_contributions", lambda s, made, r, given, wanted: change(made, given, wanted))


def spoils_notes(self, requests, given, wanted):
    requests[0].history.weights[:1] += 1
    return requests, given, wanted


OPEN = [
    ("decomposable_has_its_protocol", broken(Open, feature_contributions=None)),
    ("feature_contributions_shape", parts(lambda made, *_: replace(made, amounts=made.amounts[:, :1]))),
    ("feature_contributions_shape", parts(lambda made, *_: replace(made, names=("one", "one")))),
    ("feature_contributions_shape", parts(lambda made, *_: replace(made, labels=("one", "")))),
    ("feature_contributions_sum_to_the_score", parts(lambda made, *_: replace(made, expected=0.3))),
    ("feature_contributions_sum_to_the_score", parts(lambda made, *_: replace(made, amounts=made.amounts * 0))),
    ("feature_contributions_of_some_are_those_of_all",
     parts(lambda made, given, wanted: replace(made, amounts=made.amounts / max(1, wanted.sum())))),
    ("feature_contributions_of_some_are_those_of_all",
     parts(lambda made, given, wanted: replace(made, values=made.values * np.float32(wanted.mean())))),
    ("feature_contributions_leave_inputs_alone", before(Open, "feature_contributions", spoils_notes)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "component"), [(f"test_{c}", k) for c, k in OPEN], ids=[f"{i}-{c}" for i, (c, _) in enumerate(OPEN)]
)
def test_broken_parts_fail_their_check(check, component, tmp_path):
    with pytest.raises(FAILED):
        run_check(DecomposableTests, check, component, tmp_path)


def test_every_check_of_parts_has_a_ranker_that_fails_it():
    assert {f"test_{c}" for c, _ in OPEN} == set(checks(DecomposableTests))


def test_slates_of_the_kit_have_an_empty_list_and_notes(small_shop):
    kit = RankerTests()
    requests = kit.requests(small_shop)
    given = kit.slates(small_shop, requests)
    assert given.lengths[1] == 0
    assert given.lengths.max() <= 12
    assert len(given.notes) == len(requests)
