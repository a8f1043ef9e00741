"""Reasons that are worded in the background: the list does not wait, what is written joins later lists."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_toys import CHEAP, SHOPPERS, ids
from pydantic import BaseModel, ConfigDict

from recsys.cli.lists import worded
from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import ArtifactMissing, StageError
from recsys.explain.template import Template
from recsys.explaining import _in_passing
from recsys.explanation import Case, Evidence, Fact
from recsys.registry import Registry
from recsys.testing.worlds import small_shop
from recsys.writing import Desk


class Slow:
    """Says what the template says, and that it wrote it."""

    slow = True

    class Config(BaseModel):
        """``fails`` raises instead."""

        model_config = ConfigDict(frozen=True, extra="forbid")

        fails: bool = False

    def __init__(self, config):
        self.config, self.plain = config, Template()

    @classmethod
    def from_config(cls, config, deps):
        return cls(config)

    def explain(self, cases):
        if self.config.fails:
            raise RuntimeError("no words")
        said = self.plain.explain(cases)
        return [replace(one, kind="generated") if one.text else one for one in said]


class Gone(Slow):
    """Its model is not there."""

    @classmethod
    def from_config(cls, config, deps):
        raise ArtifactMissing("the model is not there")


def engine() -> Engine:
    own = Registry()
    own.register("explainers", "slow", Slow)
    own.register("explainers", "failing", Slow)
    own.register("explainers", "gone", Gone)
    config = EngineConfig.of(
        {**CHEAP, "explain": {"others": {"failing": {"fails": True}}},
         "variants": {"fused": {}, "written": {"explain": "slow"}, "failing": {"explain": "failing"},
                      "gone": {"explain": "gone"}}}
    )  # fmt: skip
    return Engine(config, registry=own).fit(small_shop())


@pytest.fixture(scope="module")
def made() -> Engine:
    return engine()


def kinds(result):
    return {row.explanation.kind for row in result if row.explanation.text}


def test_words_come_later(made):
    first = made.recommend(SHOPPERS[3], 5, variant="written", explain=True)
    assert kinds(first) == {"template"}
    assert first.pending > 0
    assert made.wait_for_reasons(10)
    second = made.recommend(SHOPPERS[3], 5, variant="written", explain=True)
    assert ids(second) == ids(first)
    assert kinds(second) == {"generated"}
    assert second.pending == 0
    assert [r.explanation.text for r in second] == [r.explanation.text for r in first]


def test_the_plain_variant_is_worded_at_once(made):
    got = made.recommend(SHOPPERS[3], 5, variant="fused", explain=True)
    assert kinds(got) == {"template"}
    assert got.pending == 0


def test_what_was_written_goes_with_the_shopper():
    one = engine()
    one.recommend(SHOPPERS[4], 5, variant="written", explain=True)
    assert one.wait_for_reasons(10)
    desk = one._desks["slow"]
    assert len(desk) > 0
    one.erase(SHOPPERS[4])
    assert len(desk) == 0


def test_a_writer_that_keeps_failing_rests_and_that_is_said(made):
    for shopper in SHOPPERS[5:9]:
        made.recommend(shopper, 5, variant="failing", explain=True)
        assert made.wait_for_reasons(10)
    got = made.recommend(SHOPPERS[9], 5, variant="failing", explain=True)
    assert made.wait_for_reasons(10)
    assert kinds(got) <= {"template"}
    assert made._desks["failing"].counts["error:RuntimeError"] > 0


def test_a_model_that_is_not_there_leaves_the_words_to_the_template(made):
    got = made.recommend(SHOPPERS[3], 5, variant="gone", explain=True)
    assert kinds(got) == {"template"}
    assert got.trace.degraded == ("explain:gone:ArtifactMissing",)
    with pytest.raises(StageError, match="the model is not there"):
        made.recommend(SHOPPERS[3], 5, variant="gone", explain=True, strict=True)


def test_after_closing_nothing_is_pending():
    one = engine()
    one.recommend(SHOPPERS[3], 5, variant="written", explain=True)
    one.close()
    got = one.recommend(SHOPPERS[4], 5, variant="written", explain=True)
    assert got.pending == 0
    assert got.trace.degraded == ("explain:slow:closed",)


def test_a_command_shows_what_is_worded_in_the_background():
    one = engine()
    got = worded(one, lambda: one.recommend(SHOPPERS[3], 5, variant="written", explain=True))
    assert kinds(got) == {"generated"}
    assert one.recommend(SHOPPERS[4], 5, variant="written", explain=True).trace.degraded == ("explain:slow:closed",)


def test_a_kept_text_says_what_its_event_counts_for_in_this_list():
    def case(drop):
        bought = Evidence(kind="event", item_id="a", title="A", event_kind="purchase", time=1)
        facts = (Fact(kind="event", strength=0.9, evidence=(bought,), causal_drop=drop),)
        return Case(item_id="x", title="X", user="u", now=10, facts=facts)

    plain = Template()
    desk = Desk(lambda cases: [replace(one, kind="generated") for one in plain.explain(cases)], "m")
    first = _in_passing(desk, [case(0.08)], plain, "slow").explanations[0]
    assert desk.wait(10)
    second = _in_passing(desk, [case(0.8)], plain, "slow").explanations[0]
    assert (first.kind, first.causal_drop) == ("template", 0.08)
    assert (second.kind, second.causal_drop) == ("generated", 0.8)
    desk.close()
