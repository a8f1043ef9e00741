from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.candidates.transitions import Transitions
from recsys.errors import ContractError
from recsys.explain import causal
from recsys.explain.causal import among, drop_uncaused, with_drops, without_item
from recsys.explanation import Evidence, Fact
from recsys.ids import Vocabulary
from recsys.protocols import FitOptions
from recsys.testing.worlds import requests_of, small_shop
from recsys.types import Events, Request, Slates

N = 8
IDS = Vocabulary(f"i{row}" for row in range(N))


def event(row: int, strength: float = 0.9) -> Fact:
    said = Evidence(kind="event", item_id=f"i{row}", event_kind="purchase", time=1)
    return Fact(kind="event", strength=strength, evidence=(said,))


def brand(row: int) -> Fact:
    return Fact(
        kind="attribute", strength=0.5,
        evidence=(Evidence(kind="attribute", item_id=f"i{row}", field="brand", value="Acme"),),
    )  # fmt: skip


def linear(matrix, shift: float = 0.0, calls: list | None = None):
    """Scores are sums over the history, and all of them move by ``shift`` for each event that is there."""

    def rescore(requests, slates):
        if calls is not None:
            calls.append(len(requests))
        total = np.stack([matrix[r.history.rows].sum(axis=0) + shift * len(r.history) for r in requests])
        return slates.ordered(total[slates.request_index, slates.items].astype(np.float32))

    return rescore


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_drops_are_those_of_one_rerun_each(data):
    cells = data.draw(st.lists(st.integers(-3, 9), min_size=N * N, max_size=N * N))
    matrix = np.array(cells, dtype=np.float64).reshape(N, N)
    histories = data.draw(st.lists(st.lists(st.integers(0, N - 1), min_size=1, max_size=6), min_size=1, max_size=4))
    shift = data.draw(st.sampled_from([0.0, 5.0]))
    requests = [Request(history=Events.of(rows)) for rows in histories]
    candidates = Slates.of([data.draw(st.permutations(range(N))) for _ in requests])
    rescore = linear(matrix, shift)
    ranked = rescore(requests, candidates)
    lists = ranked.ordered(ranked.scores, 3)
    facts = [
        [brand(row), *(event(r) for r in dict.fromkeys(histories[owner]))]
        for owner, row in zip(lists.request_index.tolist(), lists.items.tolist(), strict=True)
    ]
    found = with_drops(requests, lists, ranked, facts, rescore, IDS)
    for owner, row, before, after in zip(lists.request_index.tolist(), lists.items.tolist(), facts, found, strict=True):
        history = np.array(histories[owner])
        old = matrix[history].sum(axis=0)
        assert [f.evidence for f in after] == [f.evidence for f in before]
        assert after[0].causal_drop is None
        for fact in after[1:]:
            kept = history[history != IDS.row(fact.evidence[0].item_id)]
            fall = old - matrix[kept].sum(axis=0)
            span = np.ptp(old)
            if not span:
                assert fact.causal_drop is None
                continue
            expected = np.clip((fall[row] - np.median(fall)) / span, -1, 1)
            assert fact.causal_drop == pytest.approx(expected, abs=1e-4)


def test_an_event_that_moves_nothing_is_no_reason():
    matrix = np.zeros((N, N))
    matrix[1, 3], matrix[2, 4] = 5, 5
    requests = [Request(history=Events.of([1, 2]))]
    rescore = linear(matrix)
    ranked = rescore(requests, Slates.of([range(N)]))
    facts = with_drops(
        requests, Slates.of([[3, 4]]), ranked, [[event(1), brand(3)], [event(1), brand(4)]], rescore, IDS
    )
    assert facts[0][0].causal_drop == pytest.approx(1.0)
    assert [f.kind for f in drop_uncaused(facts[0])] == ["event", "attribute"]
    assert facts[1][0].causal_drop == pytest.approx(0.0)
    assert [f.kind for f in drop_uncaused(facts[1])] == ["attribute"]


def test_where_nothing_was_measured_all_stays():
    assert drop_uncaused([event(1), brand(1)]) == [event(1), brand(1)]


def test_nothing_unmeasured_takes_the_place_of_a_reason_that_failed():
    failed, passed = replace(event(1), causal_drop=0.0), replace(event(3), causal_drop=0.2)
    assert drop_uncaused([failed, event(2), brand(1)]) == [brand(1)]
    assert drop_uncaused([failed, passed, event(2)]) == [passed]


def test_all_events_on_the_item_are_taken_out():
    request = Request(history=Events.of([1, 2, 1, 3], ids=("a", "b", "c", "d")))
    assert without_item(request, 1).history.rows.tolist() == [2, 3]
    assert without_item(request, 1).history.ids == ("b", "d")
    assert len(request.history) == 4


def test_one_batch_for_a_list_and_bounded_ones_for_many(monkeypatch):
    matrix, calls = np.eye(N), []
    requests = [Request(history=Events.of([1, 2, 3])) for _ in range(5)]
    rescore = linear(matrix, calls=calls)
    ranked = rescore(requests, Slates.of([range(N)] * 5))
    facts = [[event(1), event(2)], [event(2), event(3)]] * 5
    slates = Slates.of([[1, 2]] * 5)
    calls.clear()
    whole = with_drops(requests, slates, ranked, facts, rescore, IDS)
    assert calls == [15]
    monkeypatch.setattr(causal, "CHUNK_ENTRIES", 4 * N + 3)
    calls.clear()
    assert with_drops(requests, slates, ranked, facts, rescore, IDS) == whole
    assert calls == [4, 4, 4, 3]
    calls.clear()
    first = with_drops(requests, slates, ranked, facts, rescore, IDS, most=1)
    assert sum(calls) == 10
    assert all(f.causal_drop is None for one in first for f in one[1:])


def test_nothing_cited_nothing_ranked():
    def never(requests, slates):
        raise AssertionError("nothing to rank")

    requests, slates = [Request()], Slates.of([[1]])
    assert with_drops(requests, slates, slates, [[brand(1)]], never, IDS) == [[brand(1)]]


def test_a_listed_item_must_have_been_ranked():
    requests = [Request(history=Events.of([1]))]
    rescore = linear(np.eye(N))
    with pytest.raises(ContractError, match="not among"):
        with_drops(requests, Slates.of([[5]]), Slates.of([[1, 2]]), [[event(1)]], rescore, IDS)


def test_a_rescorer_that_loses_an_item_is_found_out():
    requests, ranked = [Request(history=Events.of([1]))], Slates.of([[1, 2, 3]])

    def forgetful(requests, slates):
        return slates.ordered(slates.scores, 2)

    with pytest.raises(ContractError):
        with_drops(requests, ranked, ranked, [[event(1)]] * 3, forgetful, IDS)


def test_scores_that_are_missing_fall_nowhere():
    requests, ranked = [Request(history=Events.of([1]))], Slates.of([[1, 2, 3, 4]], [[3.0, np.nan, 1.0, 2.0]])
    found = with_drops(requests, ranked, ranked, [[event(1)]] * 4, lambda r, s: s, IDS)
    assert [one[0].causal_drop for one in found] == [0, 0, 0, 0]


@pytest.mark.parametrize("scores", [[0.9], [0.9, 0.1], [0.5, 0.5, 0.5], [0.9, 0.1, np.nan]])
def test_lists_that_are_too_short_or_flat_measure_nothing(scores):
    requests, ranked = [Request(history=Events.of([1]))], Slates.of([[2, 3, 4][: len(scores)]], [scores])

    def fallen(requests, slates):
        return slates.ordered(np.full(len(slates.items), 0.1, np.float32))

    facts = [[event(1), brand(2)]] * len(scores)
    found = with_drops(requests, ranked, ranked, facts, fallen, IDS)
    assert found == facts
    assert [drop_uncaused(one) for one in found] == facts


def shared(*rows: int) -> Fact:
    """A brand that the item has and ``rows`` of the history have, too."""
    said = tuple(e for row in rows for e in event(row).evidence)
    return replace(brand(7), evidence=(*brand(7).evidence, *said))


def test_an_event_that_failed_does_not_come_back_by_a_shared_value():
    failed, passed = replace(event(1), causal_drop=0.0), replace(event(3), causal_drop=0.2)
    assert drop_uncaused([failed, shared(1)]) == []
    assert drop_uncaused([failed, shared(1, 2)]) == [shared(2)]
    assert drop_uncaused([failed, passed, shared(3, 1)]) == [passed, shared(3)]
    assert drop_uncaused([event(1), shared(1)]) == [event(1), shared(1)]


def test_what_is_listed_and_was_no_candidate_is_told_apart():
    listed, ranked = Slates.of([[0, 3], [1], []]), Slates.of([[2, 1, 0], [], [5]])
    assert among(listed, ranked).tolist() == [True, False, False]
    requests = [Request(history=Events.of([1]))] * 3
    rescore = linear(np.eye(N))
    public = [[event(1)], [brand(3)], [brand(1)]]
    assert [f.causal_drop for f in with_drops(requests, listed, ranked, public, rescore, IDS)[0]] != [None]
    with pytest.raises(ContractError, match="lists"):
        among(listed, ranked[0])


def test_a_real_generator_feels_the_loss_of_what_it_credits():
    data = small_shop()
    generator = Transitions().fit(data, FitOptions())
    requests = [r for r in requests_of(data) if (r.history.weights > 0).sum() > 4][:20]
    every = Slates.of([range(len(data.items))] * len(requests))

    def rescore(requests, slates):
        return slates.ordered(np.nan_to_num(generator.score(requests, slates).scores))

    ranked = rescore(requests, every)
    lists = ranked.ordered(ranked.scores, 1)
    credited = generator.contributions(requests, lists).toarray()
    facts = []
    for i, request in enumerate(requests):
        row = request.history.rows[credited[i].argmax()]
        said = Evidence(kind="event", item_id=data.items.ids[row], event_kind="purchase", time=1)
        facts.append([Fact(kind="event", strength=0.9, evidence=(said,))])
    found = with_drops(requests, lists, ranked, facts, rescore, data.items.vocabulary)
    drops = np.array([one[0].causal_drop for one in found])
    assert (drops > 0).mean() > 0.8
