import numpy as np
import pytest

from recsys.testing.worlds import DAY, checkerboard, requests_of, right_answers, small_shop
from recsys.types import KINDS


@pytest.mark.parametrize("size", [8, 20, 30])
def test_checkerboard_has_one_right_answer_each(size):
    data = checkerboard(size)
    answers = right_answers(data)
    assert data.log.n_users == len(data.items) == size
    for u, request in enumerate(requests_of(data, hide_seen=True)):
        same_colour = set(range(u % 2, size, 2))
        assert same_colour - set(request.history.rows.tolist()) == {u}
        assert answers[u] == u
        assert request.allowed[u]
        assert not request.allowed[request.history.rows].any()


def test_checkerboard_is_a_ring_in_time():
    data = checkerboard()
    for u in range(20):
        rows, times = data.log.history(u).rows, data.log.history(u).times
        assert ((np.diff(rows) % 20) == 2).all()
        assert (np.diff(times) > 0).all()
        assert (rows[-1] + 2) % 20 == u


def test_colours_can_be_read():
    items = checkerboard().items
    assert len({items.brands[i] for i in range(0, 20, 2)}) == 1
    assert items.brands[0] != items.brands[1]


def test_small_shop_is_what_it_says():
    data = small_shop()
    items, log = data.items, data.log
    assert (len(items), log.n_users) == (40, 61)
    assert items.texts[17] == ""
    assert np.isnan(items.prices[11])
    assert (items.stock == 0).sum() == 2
    assert items.parents[0] == items.parents[1] != ""
    assert {KINDS[k] for k in log.events.kinds} >= {"view", "purchase", "rating", "dislike", "return", "impression"}
    assert 39 not in log.events.rows
    assert len(set(log.events.ids)) == len(log)
    assert (log.events.positions > 0).any()
    assert len(log.history(58)) == 1
    assert (log.history(59).weights < 0).all()
    assert (log.history(60).weights == 0).all()
    assert len(data.reviews) == 5


def test_shoppers_keep_to_their_department():
    log = small_shop().log
    home = [(log.history(u).rows // 8 == u % 5).mean() for u in range(58)]
    assert np.mean(home) > 0.75


def test_someone_buys_again_and_someone_takes_back():
    log = small_shop().log
    purchases = [log.history(u).rows[log.history(u).weights == 1] for u in range(log.n_users)]
    assert any(len(np.unique(p)) < len(p) for p in purchases)
    taken_back = (log.events.kinds == KINDS.index("purchase")) & (log.events.weights == 0)
    assert taken_back.any()


def test_worlds_are_made_anew_and_equal():
    a, b = small_shop(), small_shop()
    assert np.array_equal(a.log.events.rows, b.log.events.rows)
    assert a.log.events.rows is not b.log.events.rows
    assert not np.array_equal(a.log.events.rows[:50], small_shop(seed=8).log.events.rows[:50])


def test_requests_of_some_shoppers():
    data = small_shop()
    got = requests_of(data, 3, users=[2, 5], text="kettle")
    assert [r.user for r in got] == [data.log.users[2], data.log.users[5]]
    assert {(r.k, r.text, r.allowed) for r in got} == {(3, "kettle", None)}
    assert got[0].now == data.log.events.times.max() + DAY
    assert requests_of(data, now=77)[0].now == 77


def test_fixtures_are_fresh_each_time(small_shop):
    small_shop.log.events.weights[:] = 0


def test_and_unharmed(small_shop, checkerboard):
    assert (small_shop.log.events.weights != 0).any()
    assert checkerboard.name == "checkerboard"
