"""The whole way: settings, engine, server, trace."""

import re
import time

import pytest

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.testing.worlds import shopper_id, small_shop


def answer(handler):
    prompt = handler.asked["messages"][-1]["content"]
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    if "Statements:" in prompt:
        text = " ".join(re.findall(r"^- (.*)$", prompt, re.MULTILINE))
    else:
        numbers = re.findall(r"^\[(\d+)\]", prompt, re.MULTILINE)
        text = " > ".join(f"[{n}]" for n in reversed(numbers))
    handler.json({"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": usage})


@pytest.fixture
def engine(server):
    server.usual = answer
    remote = {"url": server.url, "model": "small", "backoff_s": 0, "read_s": 5}
    config = EngineConfig.of(
        {
            "candidates": {"transitions": {}, "popularity": {"n": 30}},
            "rerank": {"remote-chat": {**remote, "top": 5, "price_in": 1.0}},
            "explain": {"use": "remote-chat", "options": remote},
            "variants": {"plain": {"explain": "template"}, "remote": {"rerank": "remote-chat"}},
            "variant": "plain",
        }
    )
    made = Engine(config).fit(small_shop())
    yield made
    made.close()


def ids(result):
    return [row.item_id for row in result]


def test_nothing_is_sent_unless_a_variant_says_so(engine, server):
    engine.recommend(shopper_id(3), 8, explain=True)
    assert server.seen == []


def test_the_best_are_reordered_and_the_trace_counts(engine, server):
    before, after = engine.recommend(shopper_id(3), 8), engine.recommend(shopper_id(3), 8, variant="remote")
    assert ids(after) == ids(before)[:5][::-1] + ids(before)[5:]
    assert after.trace.counts["tokens_in"] == 100
    assert after.trace.counts["cost_micros"] == 100
    assert not after.trace.degraded
    assert len(server.seen) == 1


def test_a_server_that_is_down_costs_no_list(engine, server):
    before = engine.recommend(shopper_id(3), 8)
    server.usual = lambda handler: handler.reset()
    after = engine.recommend(shopper_id(3), 8, variant="remote")
    assert ids(after) == ids(before)
    assert after.trace.degraded == ("rerank:remote-chat:Unreachable",)


def test_reasons_are_written_in_the_background_and_checked(engine, server):
    at_once = engine.recommend(shopper_id(3), 5, variant="remote", explain=True)
    assert {row.explanation.kind for row in at_once} <= {"template", "none"}
    assert at_once.pending > 0
    until = time.monotonic() + 20
    while (later := engine.recommend(shopper_id(3), 5, variant="remote", explain=True)).pending:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert "generated" in {row.explanation.kind for row in later}
    assert all(row.explanation.evidence for row in later if row.explanation.text)
