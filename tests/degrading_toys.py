"""Rerankers, clocks and workers whose time is made up."""

import numpy as np

from recsys.degrading import Guard
from recsys.types import Request, Slates


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Turned:
    """A reranker that turns lists around and takes ``cost`` seconds an item of a clock; it may raise."""

    cheap = True

    def __init__(self, clock=None, cost=0.0, error=None):
        self.clock, self.cost, self.error = clock, cost, error
        self.calls, self.deadlines = [], []

    def rank(self, requests, slates, n):
        self.calls.append(len(slates.items))
        self.deadlines.append([r.deadline for r in requests])
        if self.clock is not None:
            self.clock.now += self.cost * len(slates.items)
        if self.error is not None:
            raise self.error
        place = np.arange(len(slates.items)) - np.repeat(slates.offsets[:-1], slates.lengths)
        order = np.lexsort((-place, slates.request_index))
        return Slates(slates.items[order], slates.scores, slates.offsets, {}, slates.notes).head(n)


class FakeRunner:
    """Runs work at once on the fake clock and then pretends to have stopped waiting in time."""

    def __init__(self, clock):
        self.clock = clock
        self.waited = []

    def run(self, work, seconds):
        begin = self.clock.now
        error = got = None
        try:
            got = work()
        except Exception as caught:
            error = caught
        took = self.clock.now - begin
        self.waited.append(min(took, max(seconds, 0)))
        self.clock.now = begin + self.waited[-1]
        if took > seconds:
            raise TimeoutError
        if error is not None:
            raise error
        return got


LISTS = Slates.of([[5, 6, 7, 8], [1], [], [3, 2]])


ASKED = [Request() for _ in range(4)]


def guard(reranker, clock, budget_ms=100, **more):
    return Guard(reranker, "r", budget_ms, clock=clock, runner=FakeRunner(clock), **more)


def degraded(slates):
    return {note.degraded for note in slates.notes}


def assert_kept(got, given):
    assert got.items.tolist() == given.items.tolist()
    assert got.scores.tolist() == given.scores.tolist()
    assert got.offsets.tolist() == given.offsets.tolist()
