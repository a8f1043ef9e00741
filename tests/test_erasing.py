"""A shopper who is erased while a call of theirs is under way: nothing of them comes back."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest
from engine_toys import CHEAP, SHOPPERS
from pydantic import BaseModel, ConfigDict

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.erasing import Erasures
from recsys.explain.template import Template
from recsys.explaining import Reasons
from recsys.registry import Registry
from recsys.rerank.base import Judgement, Reranker
from recsys.testing.worlds import small_shop

U = SHOPPERS[3]


class Keeping(Reranker):
    """Keeps whom it read, and once it began to read `U` it goes on only when it is told."""

    kept: set[str] = set()
    begun, go = Event(), Event()

    @classmethod
    def from_config(cls, config, deps):
        return cls(config, deps.items)

    def judge(self, requests, slates):
        if requests[0].user == U:
            self.begun.set()
            self.go.wait(20)
        self.kept.update(r.user for r in requests)
        return Judgement(np.zeros(len(slates.items), np.float32))

    def forget(self, user):
        self.kept.discard(user)
        return 1


class Slow:
    """Says what the template says, and that it wrote it."""

    slow = True
    Config = type("Config", (BaseModel,), {"model_config": ConfigDict(extra="forbid")})

    @classmethod
    def from_config(cls, config, deps):
        return cls()

    def explain(self, cases):
        return [replace(one, kind="generated") if one.text else one for one in Template().explain(cases)]


def made(**rerank) -> Engine:
    Keeping.kept, Keeping.begun, Keeping.go = set(), Event(), Event()
    own = Registry()
    own.register("rerankers", "keeping", Keeping)
    own.register("explainers", "slow", Slow)
    variants = {"fused": {}, "judged": {"rerank": "keeping"}, "written": {"explain": "slow"}}
    config = {**CHEAP, "rerank": {"keeping": rerank}, "variants": variants}
    return Engine(EngineConfig.of(config), registry=own).fit(small_shop())


def test_a_reranker_keeps_nothing_of_who_was_erased_while_it_judged():
    engine = made()
    engine.recommend(SHOPPERS[4], 5, variant="judged")
    call = Thread(target=lambda: engine.recommend(U, 5, variant="judged"))
    call.start()
    assert Keeping.begun.wait(20)
    engine.erase(U)
    Keeping.go.set()
    call.join()
    assert Keeping.kept == {SHOPPERS[4]}


def test_nor_does_one_that_was_late_and_went_on_after_the_list():
    engine = made(budget_ms=100)
    got = engine.recommend(U, 5, variant="judged")
    assert got.trace.degraded == ("rerank:keeping:timeout",)
    assert Keeping.begun.wait(20)
    engine.erase(U)
    Keeping.go.set()
    # The engine drops what it kept right after it.
    until = time.monotonic() + 10
    while engine._erasures._calls and time.monotonic() < until:
        time.sleep(0.01)
    assert not engine._erasures._calls
    time.sleep(0.05)
    assert Keeping.kept == set()


def test_reasons_of_a_list_that_began_before_the_erasure_are_not_kept(monkeypatch: pytest.MonkeyPatch):
    engine = made()
    plain, begun, go = Reasons.cases, Event(), Event()

    def cases(self, requests, listed, facts):
        out = plain(self, requests, listed, facts)
        if requests[0].user == U:
            begun.set()
            go.wait(20)
        return out

    monkeypatch.setattr(Reasons, "cases", cases)
    engine.recommend(SHOPPERS[4], 5, variant="written", explain=True)
    call = Thread(target=lambda: engine.recommend(U, 5, variant="written", explain=True))
    call.start()
    assert begun.wait(20)
    engine.erase(U)
    go.set()
    call.join()
    assert engine.wait_for_reasons(20)
    desk = engine._desks["slow"]
    assert {key.user for key in desk._ready} == {SHOPPERS[4]}


def test_who_is_forgotten_is_dropped_at_once_and_at_the_end_of_each_call_under_way():
    dropped = []
    erasures = Erasures(lambda user, reviews: dropped.append((user, reviews)))
    with erasures.watched():
        with erasures.watched():
            erasures.forget("a", ["r1"])
            assert dropped == [("a", ["r1"])]
        assert dropped[1:] == [("a", ("r1",))]
    assert dropped[2:] == [("a", ("r1",))]

    def fails():
        with erasures.watched():
            erasures.forget("b")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert dropped[4:] == [("b", ())]
    with erasures.watched():
        pass
    assert len(dropped) == 5
