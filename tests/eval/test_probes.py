import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ContractError, DataError
from recsys.eval.places import new_places, rearranged
from recsys.eval.probes import history_order, popularity_bias, position_bias
from recsys.rank.identity import Identity
from recsys.rank.shuffle import Shuffle
from recsys.types import NO_EVENTS, Events, Notes, Request, Slates

N_ITEMS, B, WIDE = 400, 200, 20


class By:
    """A reranker that orders by a rule: (requests, slates) -> (m,) the higher the better."""

    def __init__(self, rule):
        self.rule = rule

    def rank(self, requests, slates, n):
        return slates.ordered(self.rule(requests, slates).astype(np.float32), n)


def world(seed=0, wide=WIDE):
    """Lists of random items; what was chosen next is the item after the last one of the history."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, N_ITEMS, B).astype(np.int32)
    histories = [np.append(rng.integers(0, N_ITEMS, 9), (t - 1) % N_ITEMS) for t in targets.tolist()]
    others = [rng.choice(np.delete(np.arange(N_ITEMS), t), wide - 1, replace=False) for t in targets]
    lists = [rng.permutation([t, *o]) for t, o in zip(targets, others, strict=True)]
    requests = [Request(user=f"u{i}", history=Events.of(h)) for i, h in enumerate(histories)]
    return requests, Slates.of(lists), targets


REQUESTS, LISTS, TARGETS = world()
TASTE = np.random.default_rng(5).random(N_ITEMS)
POPULARITY = np.random.default_rng(6).zipf(1.5, N_ITEMS).clip(1, 10_000)


def content(requests, slates):
    return TASTE[slates.items]


def after_the_last(requests, slates):
    last = np.array([r.history.rows[-1] for r in requests])
    return TASTE[slates.items] + 10 * (slates.items == (last[slates.request_index] + 1) % N_ITEMS)


def after_any(requests, slates):
    def follows(request, rows):
        return np.isin(rows, (request.history.rows + 1) % N_ITEMS)

    hits = [follows(r, one.items) for r, one in zip(requests, slates, strict=True)]
    return TASTE[slates.items] + 10 * np.concatenate(hits)


def drawn_to_the_top(weight):
    return lambda requests, slates: TASTE[slates.items] * WIDE - weight * slates.places


def drawn_to_the_popular(weight):
    return lambda requests, slates: TASTE[slates.items] + weight * np.log(POPULARITY[slates.items])


def test_a_reranker_that_reads_the_order_of_the_history():
    found = history_order(By(after_the_last), REQUESTS, LISTS, TARGETS)
    assert found.ndcg == 1
    assert found.ci95[0] > 0.3
    assert found.tau < 0.95
    assert found.difference == pytest.approx(found.ndcg - found.shuffled)


@pytest.mark.parametrize("rule", [after_any, content])
def test_a_reranker_that_does_not(rule):
    found = history_order(By(rule), REQUESTS, LISTS, TARGETS)
    assert found.difference == 0
    assert found.ci95 == (0, 0)
    assert found.tau == 1
    assert found.lists == B


def test_times_stay_in_order_and_events_whole():
    seen = []

    class Looks(By):
        def rank(self, requests, slates, n):
            seen.extend(r.history for r in requests)
            return super().rank(requests, slates, n)

    history = Events.of(
        [5, 6, 7, 8], times=[10, 20, 30, 40], kinds=[0, 1, 2, 3], values=[1, 2, 3, 4], weights=[1, -1, 2, 0.5],
        ids=("a", "b", "c", "d"),
    )  # fmt: skip
    request = Request(history=history, text="kettle", user="u")
    history_order(Looks(content), [request] * 8, Slates.of([[0, 1]] * 8), np.zeros(8, np.int32), shuffles=2)
    whole = set(zip(*(c.tolist() for c in (history.rows, history.kinds, history.values, history.weights)), history.ids))
    for one in seen:
        assert one.times.tolist() == [10, 20, 30, 40]
        columns = (c.tolist() for c in (one.rows, one.kinds, one.values, one.weights))
        assert set(zip(*columns, one.ids)) == whole
    assert len({tuple(one.rows.tolist()) for one in seen}) > 5
    assert seen[0] is history


def test_identity_leaves_the_target_where_it_stands():
    found = position_bias(Identity(), REQUESTS, LISTS, TARGETS)
    assert found.positions == (0, 5, 10, 14, 19)
    assert found.places == (0, 5, 10, 14, 19)
    assert found.slope == pytest.approx(1)
    assert found.ndcg[0] == 1
    assert found.ndcg[-1] == 0


def test_a_reranker_that_looks_at_the_items_alone_has_no_slope():
    found = position_bias(By(content), REQUESTS, LISTS, TARGETS)
    assert found.slope == 0
    assert len(set(found.places)) == 1


def test_a_small_draw_to_the_top_is_found():
    found = position_bias(By(drawn_to_the_top(0.1)), REQUESTS, LISTS, TARGETS)
    assert 0 < found.ci95[0] <= found.slope <= found.ci95[1] < 0.5
    stronger = position_bias(By(drawn_to_the_top(0.5)), REQUESTS, LISTS, TARGETS)
    assert stronger.slope > 2 * found.slope


def test_a_random_order_has_no_slope_beyond_chance():
    rng = np.random.default_rng(0)
    found = position_bias(By(lambda r, s: rng.random(len(s.items))), REQUESTS, LISTS, TARGETS)
    assert found.ci95[0] < 0 < found.ci95[1]


def test_positions_may_be_chosen_and_short_lists_are_left_out():
    lists = Slates.joined([LISTS, Slates.of([[1, 2, 3], [7]])])
    requests, targets = [*REQUESTS, Request(), Request()], np.append(TARGETS, [1, 7]).astype(np.int32)
    found = position_bias(Identity(), requests, lists, targets, positions=(0, 19))
    assert (found.lists, found.places) == (B, (0, 19))
    assert position_bias(Identity(), requests, lists, targets).positions == (0, 1, 2)
    with pytest.raises(DataError, match="two positions"):
        position_bias(Identity(), REQUESTS, LISTS, TARGETS, positions=(3, 3))
    with pytest.raises(DataError, match="no list"):
        position_bias(Identity(), REQUESTS, LISTS, TARGETS, positions=(0, 20))


def test_columns_travel_with_their_items():
    class Checks(By):
        def rank(self, requests, slates, n):
            assert slates.columns["twice"].tolist() == (2 * slates.items).tolist()
            assert all((np.diff(one.scores) < 0).all() for one in slates)
            return super().rank(requests, slates, n)

    lists = Slates(LISTS.items, LISTS.scores, LISTS.offsets, {"twice": 2 * LISTS.items}, (Notes(),) * B)
    position_bias(Checks(content), REQUESTS, lists, TARGETS)
    popularity_bias(Checks(content), REQUESTS, lists, POPULARITY)
    history_order(Checks(content), REQUESTS, lists, TARGETS, shuffles=1)


@pytest.mark.parametrize(("weight", "low", "high"), [(100, 0.6, 1), (0.05, 0.03, 0.6), (-0.05, -0.6, -0.03)])
def test_a_liking_for_the_popular_is_found(weight, low, high):
    found = popularity_bias(By(drawn_to_the_popular(weight)), REQUESTS, LISTS, POPULARITY, targets=TARGETS)
    assert low < found.correlation < high
    assert np.sign(found.ci95[0]) == np.sign(found.ci95[1]) == np.sign(weight)
    assert np.sign(found.by_place[0] - found.by_place[-1]) == np.sign(weight)
    assert len(found.by_place) == WIDE


def test_no_liking_for_the_popular():
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        chance = By(lambda requests, slates, rng=rng: rng.random(len(slates.items)))
        found.append(popularity_bias(chance, REQUESTS, LISTS, POPULARITY, seed=seed))
    assert sum(one.ci95[0] <= 0 <= one.ci95[1] for one in found) >= 7
    assert abs(np.mean([one.correlation for one in found])) < 0.01
    still = popularity_bias(Identity(), REQUESTS, LISTS, POPULARITY)
    assert (still.correlation, still.ci95) == (0, (0, 0))


def test_targets_do_not_count_as_a_liking():
    famous = np.ones(N_ITEMS)
    famous[TARGETS] = 1000
    rng = np.random.default_rng(2)

    def knows(requests, slates):
        return (slates.items == TARGETS[slates.request_index]) * 10 + rng.random(len(slates.items))

    assert popularity_bias(By(knows), REQUESTS, LISTS, famous).ci95[0] > 0
    found = popularity_bias(By(knows), REQUESTS, LISTS, famous, targets=TARGETS)
    assert found.ci95[0] <= 0 <= found.ci95[1]


def test_lists_that_say_nothing_are_left_out():
    lists = Slates.joined([Slates.of([[1, 1, 2], [], [4], list(range(30))]), LISTS])
    requests = [Request(), Request(), Request(), Request(), *REQUESTS]
    targets = np.concatenate([[1, 3, 5, 99], TARGETS]).astype(np.int32)
    assert history_order(By(content), requests, lists, targets).lists == B
    assert position_bias(By(content), requests, lists, targets).lists == B
    flat = np.ones(N_ITEMS)
    flat[0] = 2
    holding = sum(0 in one.items for one in lists)
    assert popularity_bias(By(content), requests, lists, flat).lists == holding
    with pytest.raises(DataError, match="different popularity"):
        popularity_bias(By(content), requests, lists, np.ones(N_ITEMS))


@pytest.mark.parametrize("probe", [history_order, position_bias])
def test_what_does_not_belong_together(probe):
    with pytest.raises(DataError, match="belong together"):
        probe(Identity(), REQUESTS, LISTS, TARGETS[:-1])
    with pytest.raises(DataError, match="no list"):
        probe(Identity(), [Request(history=NO_EVENTS)] * B, LISTS, np.full(B, N_ITEMS + 5, np.int32))


def test_the_same_seed_gives_the_same_figures():
    for probe in (history_order, position_bias):
        one, two = (probe(By(drawn_to_the_top(0.3)), REQUESTS, LISTS, TARGETS, seed=4) for _ in range(2))
        assert one == two
        assert one.to_dict()["ci95"] == list(one.ci95)
    assert popularity_bias(Identity(), REQUESTS, LISTS, POPULARITY).to_dict()["by_place"]


def test_a_ranker_that_loses_items():
    class Loses:
        def rank(self, requests, slates, n):
            return slates.head(2)

    class Swaps:
        def rank(self, requests, slates, n):
            return Slates((slates.items + 1).astype(np.int32), slates.scores, slates.offsets)

    for broken in (Loses(), Swaps()):
        with pytest.raises(ContractError):
            new_places(broken, REQUESTS, LISTS)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=5), st.integers(0, 99))
def test_places_and_orders_undo_each_other(lengths, seed):
    rng = np.random.default_rng(seed)
    lists = Slates.of([rng.permutation(50)[:n] for n in lengths])
    arranged, order = rearranged(lists, rng.random(len(lists.items)))
    assert arranged.items.tolist() == lists.items[order].tolist()
    requests = [Request() for _ in lengths]
    assert new_places(Identity(), requests, arranged).tolist() == arranged.places.tolist()
    shuffle = Shuffle()
    ranked = shuffle.rank(requests, arranged, 99)
    places = new_places(shuffle, requests, arranged)
    assert ranked.items[arranged.offsets[arranged.request_index] + places].tolist() == arranged.items.tolist()
