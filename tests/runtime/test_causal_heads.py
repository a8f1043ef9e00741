"""The head apart from the body: a graph that equals numpy, and deadlines between calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import BudgetExceeded, ShapeMismatch, StageError
from recsys.runtime import heads
from recsys.runtime.architectures import Architecture
from recsys.runtime.causal import CausalLM
from recsys.runtime.constraints import Trie
from recsys.runtime.decoder_graph import head_graph
from recsys.runtime.heads import ArrayHead, GraphHead, log_probs, many_logits
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.prefixes import Prompt
from recsys.runtime.session import Session, SessionSpec
from recsys.runtime.weights import WeightFile

Causal = Callable[[str], CausalLM]


@pytest.fixture(scope="module")
def both(causal: Causal, tmp_path_factory: pytest.TempPathFactory) -> tuple[ArrayHead, GraphHead, Architecture]:
    folder, a = tmp_path_factory.mktemp("head"), causal("qwen3").architecture
    matrix = np.random.default_rng(0).normal(size=(a.vocabulary, a.hidden)).astype(np.float32)
    with WeightFile(folder / "weights.bin") as store:
        (folder / "head.onnx").write_bytes(head_graph(a, matrix, store))
    return ArrayHead(matrix), GraphHead(OnnxSession(folder / "head.onnx", threads=1), matrix), a


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9), st.integers(0, 99), st.sampled_from([0.0, 1.0, 30.0]))
def test_the_graph_gives_what_numpy_gives(
    both: tuple[ArrayHead, GraphHead, Architecture], rows: int, seed: int, scale: float
) -> None:
    array, graph, a = both
    rng = np.random.default_rng(seed)
    hidden = (scale * rng.normal(size=(rows, a.hidden))).astype(np.float32)
    targets = rng.integers(0, a.vocabulary, rows)
    for one, other in zip(array.logits(hidden), graph.logits(hidden), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(array.picked(hidden, targets), graph.picked(hidden, targets), rtol=1e-5, atol=2e-4)


def test_chunks_change_nothing(
    both: tuple[ArrayHead, GraphHead, Architecture], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, head, a = both
    rng = np.random.default_rng(1)
    hidden, targets = rng.normal(size=(23, a.hidden)).astype(np.float32), rng.integers(0, a.vocabulary, 23)
    whole, (logits, _) = head.picked(hidden, targets), head.logits(hidden)
    monkeypatch.setattr(heads, "HELD_LOGITS", 1)
    monkeypatch.setattr(heads, "FEWEST", 5)
    np.testing.assert_allclose(log_probs(head, hidden, targets), whole, atol=1e-5)
    parts = [(part.start, rows) for part, rows, _ in many_logits(head, hidden)]
    assert [start for start, _ in parts] == [0, 5, 10, 15, 20]
    np.testing.assert_allclose(np.concatenate([rows for _, rows in parts]), logits, atol=1e-5)


def test_a_matrix_of_another_model(causal: Causal, tmp_path: Path) -> None:
    a = causal("qwen3").architecture
    with WeightFile(tmp_path / "w") as store, pytest.raises(ShapeMismatch, match="the head has shape"):
        head_graph(a, np.zeros((a.vocabulary, 3), np.float32), store)


class Slow:
    """A session whose calls take a while."""

    def __init__(self, inner: Session, seconds: float) -> None:
        self.inner, self.seconds, self.calls = inner, seconds, 0

    @property
    def spec(self) -> SessionSpec:
        return self.inner.spec

    def run(self, inputs: dict[str, np.ndarray], outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        self.calls += 1
        time.sleep(self.seconds)
        return self.inner.run(inputs, outputs)


@pytest.fixture
def slow(causal: Causal, written_folder: Callable[[str], Path]) -> tuple[CausalLM, Slow]:
    folder, a = written_folder("qwen2-tied"), causal("qwen2-tied").architecture
    body = Slow(OnnxSession(folder / "body.onnx", threads=1), 0.05)
    return CausalLM(body, np.load(folder / "embeddings.npy"), a, batch_rows=16), body


def test_a_deadline_stops_between_calls(slow: tuple[CausalLM, Slow]) -> None:
    model, body = slow
    rng = np.random.default_rng(2)
    prefix, group = Prompt((rng.integers(3, 400, 12),)), [Prompt((rng.integers(3, 400, 9),)) for _ in range(40)]
    calls: list[Callable[[float | None], object]] = [
        lambda when: model.score([prefix], [group], deadline=when),
        lambda when: model.hidden([prefix], [group], deadline=when),
        lambda when: model.choice_logits([prefix], [group], np.array([5, 6]), deadline=when),
    ]
    for call in calls:
        body.calls = 0
        with pytest.raises(BudgetExceeded, match="the deadline passed"):
            call(time.monotonic())
        assert body.calls == 0
        with pytest.raises(StageError):
            call(time.monotonic() + 0.12)
        assert 0 < body.calls < 8


def test_prompts_that_nobody_has_read_in_time_stay_empty(slow: tuple[CausalLM, Slow]) -> None:
    model, body = slow
    prompts = [Prompt((np.full(12, 5 + k),)) for k in range(30)]
    trie = Trie([np.array([7, 8])])
    replies = model.generate(prompts, max_new_tokens=2, constraint=trie, deadline=time.monotonic() + 0.12)
    assert body.calls < 8
    assert [(r.reason, r.complete, r.tokens_out) for r in replies][-1] == ("deadline", False, 0)
    assert replies[-1].tokens_in == 0


def test_time_enough_changes_nothing(slow: tuple[CausalLM, Slow]) -> None:
    model, _ = slow
    one = Prompt((np.array([5, 6, 7]),))
    free, bound = (model.score([one], [[one]], deadline=d)[0] for d in (None, time.monotonic() + 60))
    np.testing.assert_array_equal(free, bound)
