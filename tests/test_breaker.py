from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.breaker import Breaker
from recsys.errors import ConfigError


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def opened(clock):
    breaker = Breaker(3, 30, 30, clock)
    for _ in range(3):
        breaker.failed(breaker.allow())
    return breaker


def test_three_failures_in_the_window_open_it(clock):
    breaker = Breaker(3, 30, 30, clock)
    for _ in range(2):
        breaker.failed(breaker.allow())
    assert breaker.state == "closed"
    breaker.failed(breaker.allow())
    assert breaker.state == "open"
    assert not breaker.allow()


def test_failures_far_apart_do_not(clock):
    breaker = Breaker(3, 30, 30, clock)
    for _ in range(20):
        breaker.failed(breaker.allow())
        clock.now += 16
    assert breaker.state == "closed"
    assert breaker.allow()


def test_after_the_cool_down_one_at_a_time_may_try(clock):
    breaker = opened(clock)
    clock.now += 29.9
    assert not breaker.allow()
    clock.now += 0.1
    assert breaker.state == "half-open"
    turns = [breaker.allow() for _ in range(3)]
    assert [bool(turn) for turn in turns] == [True, False, False]
    breaker.succeeded(turns[0])
    assert breaker.state == "closed"
    assert breaker.allow()


def test_a_failed_trial_opens_it_again(clock):
    breaker = opened(clock)
    clock.now += 30
    breaker.failed(breaker.allow())
    assert breaker.state == "open"
    clock.now += 29
    assert not breaker.allow()
    clock.now += 1
    assert breaker.allow()


def test_once_closed_it_counts_from_nothing(clock):
    breaker = opened(clock)
    clock.now += 30
    breaker.succeeded(breaker.allow())
    breaker.failed(breaker.allow())
    breaker.failed(breaker.allow())
    assert breaker.state == "closed"


def test_a_trial_that_never_tells_is_given_up(clock):
    breaker = opened(clock)
    clock.now += 30
    assert breaker.allow()
    clock.now += 30
    assert breaker.allow()


def test_an_abandoned_trial_is_free_at_once(clock):
    breaker = opened(clock)
    clock.now += 30
    breaker.abandoned(breaker.allow())
    assert breaker.allow()


@pytest.mark.parametrize("outcome", ["failed", "succeeded", "abandoned"])
def test_what_began_before_it_opened_says_nothing(clock, outcome):
    breaker = Breaker(3, 30, 30, clock)
    early = breaker.allow()
    for _ in range(3):
        breaker.failed(breaker.allow())
    clock.now += 29
    getattr(breaker, outcome)(early)
    assert breaker.state == "open"
    clock.now += 1
    trial = breaker.allow()
    assert trial
    getattr(breaker, outcome)(early)
    assert breaker.state == "half-open"
    assert not breaker.allow()
    breaker.succeeded(trial)
    for _ in range(3):
        getattr(breaker, outcome)(early)
    assert breaker.state == "closed"


def test_a_trial_that_was_given_up_says_nothing_of_the_next(clock):
    breaker = opened(clock)
    clock.now += 30
    first = breaker.allow()
    clock.now += 30
    second = breaker.allow()
    breaker.failed(first)
    breaker.succeeded(first)
    assert breaker.state == "half-open"
    breaker.succeeded(second)
    assert breaker.state == "closed"


def test_many_threads_get_one_trial(clock):
    breaker = opened(clock)
    clock.now += 30
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: bool(breaker.allow()), range(200))) == 1


@pytest.mark.parametrize("wrong", [{"failures": 0}, {"window_s": 0}, {"cooldown_s": -1}, {"window_s": float("nan")}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        Breaker(**wrong)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0, 40), st.sampled_from(["failed", "succeeded", "abandoned"])), max_size=60),
)
def test_nothing_passes_during_a_cool_down(failures, steps):
    clock = Clock()
    breaker = Breaker(failures, 30, 30, clock)
    open_since = None
    for pause, outcome in steps:
        clock.now += pause
        before = breaker.state
        if turn := breaker.allow():
            assert open_since is None or clock.now - open_since >= 30
            getattr(breaker, outcome)(turn)
        else:
            assert before == "open"
        if breaker.state == "open":
            open_since = clock.now if before != "open" else open_since
        elif breaker.state == "closed":
            open_since = None
