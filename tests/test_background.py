"""Processes that end while a model works in the background: they end as they would without it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# A model that takes half a minute for a call, and a script that ends while it is at it.
SLOW = """
import time
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from recsys.runtime.onnx import OnnxSession
N, LAYERS = 512, 3000
nodes = [helper.make_node("MatMul", [f"x{i}", "w"], [f"x{i + 1}"]) for i in range(LAYERS)]
value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [N, N])
graph = helper.make_graph(
    nodes, "slow", [value("x0")], [value(f"x{LAYERS}")], [numpy_helper.from_array(np.eye(N, dtype=np.float32), "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = OnnxSession(model.SerializeToString(), threads=1)
begun = []
def think():
    begun.append(time.monotonic())
    return session.run({"x0": np.ones((N, N), np.float32)})
def wait():
    while not begun:
        time.sleep(0.01)
    time.sleep(0.1)
"""
DESK = """
from recsys.explanation import Case, Evidence, Fact
from recsys.writing import Desk
desk = Desk(lambda cases: think(), "model")
evidence = (Evidence(kind="popularity", item_id="a", count=9),)
desk.ask([Case(item_id="a", title="A", facts=(Fact(kind="popularity", strength=0.9, evidence=evidence),), user="u")])
wait()
"""
GUARD = """
from recsys.degrading import Guard
from recsys.testing.worlds import requests_of, small_shop
from recsys.types import Slates
class Late:
    def rank(self, requests, slates, n):
        think()
        return slates
got = Guard(Late(), "late", 200).rank(requests_of(small_shop())[:1], Slates.of([[0, 1, 2]]), 3)
assert got.notes[0].degraded == ("rerank:late:timeout",), got.notes
"""
BATCHER = """
from recsys.errors import BudgetExceeded
from recsys.runtime.batching import Batcher
try:
    Batcher(lambda key, things, deadline: think())([1], deadline=time.monotonic() + 0.2)
except BudgetExceeded:
    wait()
else:
    raise AssertionError("it was in time")
"""


def run(script: str, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=seconds,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("work", [DESK, GUARD, BATCHER], ids=["desk", "guard", "batcher"])
def test_a_process_ends_well_while_a_model_works(work: str) -> None:
    done = run(SLOW + work, 240)
    assert (done.returncode, done.stderr) == (0, "")


STUCK = """
import atexit
import time
from recsys import background
background.start(lambda: time.sleep(60), "stuck")
begin = time.monotonic()
background.end(0.2)
assert time.monotonic() - begin < 2
try:
    background.start(print, "late")
except RuntimeError as error:
    print(error)
atexit.unregister(background.end)
"""


def test_the_end_waits_no_longer_than_it_may_and_nothing_begins_after_it() -> None:
    done = run(STUCK, 120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the process is ending" in done.stdout
