"""SASRec: the kits, parity of torch and ONNX, kept states, cold items, what a fit writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recsys_sequential.graph import state_graph
from recsys_sequential.model import SequenceModel
from recsys_sequential.sasrec import SASRec
from recsys_sequential.training import held_out, list_of_batches
from recsys_sequential.windows import Window, start_of, training_windows, windows

from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError, NotFittedError
from recsys.protocols import Deps, FitOptions, Forgetful
from recsys.runtime.onnx import OnnxSession
from recsys.testing.kits import GeneratorTests, LiveTests, TrainableTests
from recsys.testing.worlds import requests_of
from recsys.training.modules import arrays
from recsys.types import Event, Events, Item, Request

TINY = SASRec.Config(
    width=16, heads=2, layers=1, reach=8, projected=8, negatives=64, events=200, epochs=12, rate=1e-2, held_out=20,
    dropout=0.0, options={"lsa": {"dim": 16}}, short=2,
)  # fmt: skip
OPTIONS = FitOptions(seed=0, threads=1)


class TestSASRec(GeneratorTests, TrainableTests, LiveTests):
    @pytest.fixture
    def component(self):
        return lambda: SASRec.from_config(TINY, Deps())


def ring(shoppers: int = 150, items: int = 24) -> Dataset:
    """Everybody walks around a ring; two items beside it were never chosen, and one of them has words."""
    rng = np.random.default_rng(0)
    words = [f"alpha{i % 5} beta{i} gamma{i}" for i in range(items)]
    table = [Item(item_id=f"i{i}", title=words[i]) for i in range(items)]
    table += [Item(item_id="cold", title=words[3]), Item(item_id="mute", title="")]
    events = []
    for user in range(shoppers):
        begin = int(rng.integers(items))
        for step in range(int(rng.integers(4, 8))):
            events.append(Event(user_id=f"u{user}", item_id=f"i{(begin + step) % items}", time=step + 1))
    return Dataset.of(table, events, name="ring")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return ring()


@pytest.fixture(scope="module")
def fitted(data: Dataset) -> SASRec:
    return SASRec.from_config(TINY.model_copy(update={"epochs": 40, "patience": 40}), Deps()).fit(data, OPTIONS)


def asks(*rows: int, user: str | None = None) -> Request:
    return Request(user=user, history=Events.of(list(rows), times=list(range(1, len(rows) + 1))))


def test_the_next_step_is_found(fitted: SASRec) -> None:
    got = fitted.generate([asks(4, 5, 6), asks(20, 21), asks(22, 23)], 1)
    assert got.items.tolist() == [7, 22, 0]


def test_an_item_that_nobody_chose_is_scored_by_its_text(data: Dataset, fitted: SASRec) -> None:
    cold, mute = data.items.vocabulary.rows(["cold", "mute"])
    order = fitted.generate([asks(0, 1, 2)], len(data.items)).items.tolist()
    assert order.index(cold) < len(order) // 2
    assert mute not in order
    assert not np.asarray(fitted.known)[mute]


@pytest.mark.parametrize("gated", [False, True])
def test_onnx_says_what_torch_says_in_one_go_and_event_by_event(gated: bool) -> None:
    torch.manual_seed(0)
    module = SequenceModel(
        torch.randn(9, 5), torch.ones(9, dtype=torch.bool), width=12, layers=2, heads=3, reach=6, dropout=0.1,
        blank=0.1, gated=gated,
    ).eval()  # fmt: skip
    for block in module.blocks:
        torch.nn.init.normal_(block.distance)
    events = torch.randn(2, 7, 12)
    with torch.no_grad():
        expected = module.wanted(events).numpy()
    session = OnnxSession(state_graph(arrays(module), heads=3))
    past = np.zeros((2, 2, 2, 3, 0, 4), np.float32)
    whole = session.run({"events": events.numpy(), "past": past})
    assert np.abs(whole["wanted"] - expected).max() < 1e-5
    for at in range(7):
        made = session.run({"events": events[:, at : at + 1].numpy(), "past": past})
        past = made["state"]
        assert np.abs(made["wanted"][:, 0] - expected[:, at]).max() < 1e-5
    assert np.abs(past - whole["state"]).max() < 1e-5


def test_a_kept_state_gives_the_same_answer_and_can_be_forgotten(data: Dataset, fitted: SASRec) -> None:
    assert isinstance(fitted, Forgetful)
    history = list(range(0, 20))
    for end in range(1, 20):
        kept = fitted.user_factors([asks(*history[:end], user="u1")])
        fresh = fitted.user_factors([asks(*history[:end])])
        assert kept == pytest.approx(fresh, abs=1e-5)
    assert fitted.forget("u1") > 0
    assert fitted.forget("u1") == 0


def test_only_new_events_are_read(fitted: SASRec, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    run = OnnxSession.run
    monkeypatch.setattr(OnnxSession, "run", lambda s, i, o=None: read.append(i["events"].shape[1]) or run(s, i, o))
    fitted.forget("u2")
    for rows in ((1, 2, 3), (1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5, 6)):
        fitted.user_factors([asks(*rows, user="u2")])
    assert read == [3, 1, 2]
    fitted.forget("u2")


def test_short_histories_are_read_anew(fitted: SASRec) -> None:
    fitted.user_factors([asks(1, 2, user="u9")])
    assert fitted.forget("u9") == 0
    fitted.user_factors([asks(1, 2, 3, user="u9")])
    assert fitted.forget("u9") == 1


def test_a_changed_item_has_another_code_and_states_are_read_anew(data: Dataset, fitted: SASRec) -> None:
    from recsys.protocols import Delta

    request = asks(2, 3, user="u3")
    fitted.user_factors([request])
    items = data.items.put([replace(data.items.item(3), title="alpha1 beta9 gamma9")])
    live = fitted.apply(Delta(items=items, changed=np.array([3], np.int32), events=Events.of([])))
    assert not np.allclose(live.user_factors([request]), fitted.user_factors([request]))
    assert live.user_factors([request]) == pytest.approx(live.user_factors([replace(request, user=None)]), abs=1e-5)
    fitted.forget("u3")


def test_histories_without_a_known_choice_are_not_answered(fitted: SASRec) -> None:
    got = fitted.generate([asks(), Request(history=Events.of([1, 2], weights=[-1, -1]))], 5)
    assert got.lengths.tolist() == [0, 0]


@given(st.integers(0, 300), st.integers(2, 60))
def test_windows_hold_the_latest_and_seldom_move(length: int, reach: int) -> None:
    begin = start_of(length, reach)
    assert 0 <= begin <= length
    assert length - begin <= reach
    assert length - begin >= min(length, reach - max(1, reach // 2) + 1) or not begin
    assert start_of(length + 1, reach) in (begin, begin + max(1, reach // 2))


@given(st.lists(st.integers(1, 80), min_size=1, max_size=5), st.integers(2, 20))
def test_every_choice_but_the_first_is_foreseen_once(lengths: list[int], reach: int) -> None:
    events = [
        Event(user_id=f"u{u}", item_id=f"i{u}-{step}", time=step + 1)
        for u, n in enumerate(lengths)
        for step in range(n)
    ]
    data = Dataset.of([Item(item_id=e.item_id) for e in events], events)
    found = training_windows(data.log, reach)
    assert all(len(w.rows) <= reach + 1 for w in found)
    foreseen = np.concatenate([np.empty(0, np.int64), *(w.rows[w.first :] for w in found)])
    firsts = {int(data.log.history(u).rows[0]) for u in range(len(lengths))}
    assert sorted(foreseen.tolist()) == sorted(set(range(len(events))) - firsts)


def test_what_decides_when_to_stop_is_not_learned() -> None:
    every = [Window(np.arange(u, u + 5), 1) for u in range(50)]
    learned, asked = held_out(every, 100, 0)
    assert len(asked) == 5
    assert sum(len(w.rows) for w in learned) == 50 * 5 - 5
    few, none = held_out([Window(np.arange(2), 1)] * 30, 10, 0)
    assert none == []
    assert len(few) == 30


def test_batches_hold_every_window_once() -> None:
    rng = np.random.default_rng(0)
    every = [Window(np.arange(n), 1) for n in rng.integers(2, 40, 200)]
    batches = list_of_batches(every, 100, rng)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    padded = [len(b) * max(len(every[i].rows) - 1 for i in b) for b in batches]
    assert max(padded) <= 125


def test_a_cut_training_goes_on(data: Dataset, tmp_path: Path) -> None:
    config = TINY.model_copy(update={"epochs": 3})
    whole = SASRec.from_config(config, Deps()).fit(data, OPTIONS)
    kept = config.model_copy(update={"checkpoints": str(tmp_path)})
    cut = SASRec.from_config(kept, Deps()).fit(data, FitOptions(seed=0, threads=1, deadline=0.0))
    assert cut.report["stopped"] == "deadline"
    assert cut.report["steps"] < whole.report["steps"]
    # Whoever asks again, with more time, gets what one long training gives.
    again = SASRec.from_config(kept, Deps()).fit(data, OPTIONS)
    assert again.report["stopped"] == whole.report["stopped"] == "done"
    assert np.array_equal(again.fitted(), whole.fitted())


def test_refusals(data: Dataset) -> None:
    with pytest.raises(NotFittedError):
        SASRec.from_config(TINY, Deps()).generate([asks(1)], 3)
    with pytest.raises(DataError, match="nothing follows"):
        SASRec.from_config(TINY, Deps()).fit(Dataset.of([Item(item_id="a")], []), OPTIONS)
    with pytest.raises(ValueError, match="multiple of heads"):
        SASRec.Config(width=10, heads=3)
    with pytest.raises(ValueError, match="not among the embedders"):
        SASRec.Config(options={"minilm": {}})
    with pytest.raises(ConfigError, match="registry"):
        SASRec.from_config(SASRec.Config(embedders=("minilm",)), Deps())


def test_requests_of_a_world_are_the_same_one_by_one(small_shop: Dataset) -> None:
    made = SASRec.from_config(TINY, Deps()).fit(small_shop, OPTIONS)
    requests = requests_of(small_shop)
    every = made.user_factors(requests)
    assert np.concatenate([made.user_factors([r]) for r in requests]) == pytest.approx(every, abs=1e-5)
    assert len(windows(requests, TINY.reach, made.n_items)) == len(requests)
