"""The list-wise reranker: where texts decide what comes next it finds it out, and without them it does not."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from recsys_fine_tuned.compressor import compress, shuffled
from recsys_fine_tuned.listwise import Listwise

from recsys.dataset import EventLog, ItemTable
from recsys.errors import ArtifactDamaged, ArtifactMissing, BudgetExceeded, ConfigError, DataError, NotFittedError
from recsys.protocols import Delta, Deps, FitOptions
from recsys.testing.kits.rankers import RankerTests
from recsys.testing.kits.trainable import TrainableRankerTests
from recsys.training import runs
from recsys.types import NO_EVENTS, NO_ROWS, Events, Item, Request, Slates

DIM = 16
FAMILIES, EACH, WIDTH = 12, 12, 10
TINY = {
    "embedder": "words", "projected": 16, "width": 16, "layers": 1, "heads": 2, "history": 6, "dropout": 0.0,
    "epochs": (3,), "more_epochs": 1, "negatives": 32, "batch": 32, "rate": 1e-2, "head_width": 8, "head_epochs": 2,
    "head_seeds": 2, "own": False,
}  # fmt: skip
OPTIONS = FitOptions(seed=0, threads=1)


class Words:
    """A text's vector is the sum of its words', each drawn by its checksum."""

    dim = DIM

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> np.ndarray[Any, np.dtype[np.float32]]:
        out = np.zeros((len(texts), DIM), np.float32)
        for i, text in enumerate(texts):
            for word in text.lower().split():
                out[i] += np.random.default_rng(zlib.crc32(word.encode("utf-8", "replace"))).normal(size=DIM)
        return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)


def built(kind: str, options: Any) -> Words:
    assert (kind, options["use"]) == ("embedders", "words")
    return Words()


def deps(items: ItemTable) -> Deps:
    return Deps(items=items, popularity=np.ones(len(items), np.float32), build=built)


class TestListwise(RankerTests, TrainableRankerTests):
    @pytest.fixture
    def component(self, world):
        return lambda: Listwise.from_config(Listwise.Config(**TINY), self.deps(world))

    def deps(self, world):
        return deps(world.items)


# A world in which the family of the last item decides the next one, and only the text says which family an item is of.
TABLE = ItemTable.of(
    Item(item_id=f"item{i}", title=f"family{i % FAMILIES} colour{i // FAMILIES}", text=f"family{i % FAMILIES}")
    for i in range(FAMILIES * EACH)
)
SEEN = FAMILIES * EACH // 2  # items of the log; lists are made of the others


def log(n: int = 300, seed: int = 0) -> EventLog:
    rng = np.random.default_rng(seed)
    users, rows = [], []
    for user in range(n):
        family = int(rng.integers(FAMILIES))
        for _ in range(int(rng.integers(2, 7))):
            users.append(f"shopper{user:04d}")
            rows.append(int(rng.integers(SEEN // FAMILIES)) * FAMILIES + family)
    return EventLog.of(users, Events.of(rows))


def lists(n: int, seed: int) -> tuple[list[Request], Slates, np.ndarray[Any, np.dtype[np.float32]]]:
    """Return n lists with one item of the history's family each, in an order that says little."""
    rng = np.random.default_rng(seed)
    requests, items, scores, labels = [], [], [], []
    for _ in range(n):
        family = int(rng.integers(FAMILIES))
        history = rng.integers(0, SEEN // FAMILIES, 3) * FAMILIES + family
        others = rng.choice([f for f in range(FAMILIES) if f != family], WIDTH - 1, replace=False)
        families = rng.permutation([family, *others])
        items.append(rng.integers(SEEN // FAMILIES, EACH, WIDTH) * FAMILIES + families)
        labels.append((families == family).astype(np.float32))
        noisy = rng.normal(size=WIDTH) + 0.5 * labels[-1]
        order = np.argsort(-noisy)
        items[-1], labels[-1] = items[-1][order], labels[-1][order]
        scores.append(noisy[order])
        requests.append(Request(history=Events.of(history)))
    return requests, Slates.of(items, scores), np.concatenate(labels)


LARGER = {**TINY, "epochs": (5, 5), "head_epochs": 40, "head_rate": 1e-2, "head_seeds": 1}


@pytest.fixture(scope="module")
def taught() -> dict[str, Listwise]:
    made = {}
    for use in ("items", "permuted", "none"):
        model = Listwise.from_config(Listwise.Config(**{**LARGER, "text": use}), deps(TABLE))
        made[use] = model.study(log(), OPTIONS).fit(*lists(300, 1), OPTIONS)
    return made


def reciprocal(slates: Slates, requests: Sequence[Request]) -> float:
    family = np.array([r.history.rows[-1] % FAMILIES for r in requests])[slates.request_index]
    right = slates.items % FAMILIES == family
    place = np.arange(len(right)) - np.repeat(slates.offsets[:-1], slates.lengths)
    return float(np.mean(1 / (1 + place[right])))


def test_texts_beat_the_prior_and_both_controls(taught):
    requests, slates, _ = lists(200, 2)
    found = {use: reciprocal(model.rank(requests, slates, WIDTH), requests) for use, model in taught.items()}
    before = reciprocal(slates, requests)
    assert found["items"] > 0.9
    assert found["items"] > before + 0.3
    for control in ("permuted", "none"):
        assert abs(found[control] - before) < 0.12, found


def test_onnx_is_torch(taught):
    import torch
    from recsys_fine_tuned.listwise_fit import _module_of, matched
    from recsys_fine_tuned.listwise_model import ListHead

    model = taught["items"]
    requests, slates, _ = lists(50, 3)
    requests[0] = Request(history=NO_EVENTS)
    inputs = model.inputs(requests, slates)
    tensors = {n: torch.from_numpy(v) for n, v in inputs.items()}
    learned = model.learned
    assert learned is not None
    with torch.no_grad():
        match = matched(_module_of(learned.encoder, model.config), tensors)
        features = torch.cat([tensors["features"], match[..., None]], 2)
        scores = []
        for weights in learned.heads:
            c = model.config
            head = ListHead(
                features.shape[2], width=c.head_width, layers=c.head_layers, heads=4, dropout=0.0, blank=0.0
            )
            head.load_state_dict({n: torch.from_numpy(np.array(w)) for n, w in weights.items()})
            scores.append(head.eval()(features, tensors["prior"], tensors["mask"]).numpy())
    got = model.fitted().run(inputs)["scores"]
    there = inputs["mask"] > 0
    assert np.abs(got - np.mean(scores, axis=0))[there].max() < 1e-4


def test_an_untrained_head_changes_nothing():
    import torch
    from recsys_fine_tuned.listwise_model import ListHead

    head = ListHead(5, width=8, layers=1, heads=4, dropout=0.0, blank=0.0).eval()
    prior = torch.randn(3, 4)
    assert torch.allclose(head(torch.randn(3, 4, 5), prior, torch.ones(3, 4)), prior)


def test_candidates_have_no_order(taught):
    model = taught["items"]
    requests, slates, _ = lists(20, 4)
    before = model.inputs(requests, slates)
    order = np.random.default_rng(0).permutation(WIDTH)
    mixed = {n: v[:, order] if n in ("candidates", "features", "prior", "mask") else v for n, v in before.items()}
    straight, other = (model.fitted().run(i)["scores"] for i in (before, mixed))
    assert np.allclose(straight[:, order], other, atol=1e-5)


def test_a_new_item_is_read_when_it_comes(taught):
    model = taught["items"]
    added = TABLE.put([Item(item_id="new", title="family3 colour99", text="family3")])
    row = len(TABLE)
    live = model.apply(Delta(items=added, changed=np.array([row], np.int32), events=NO_EVENTS))
    assert live.codes().shape == (row + 1, TINY["width"])
    rivals = [f + FAMILIES * (EACH - 1) for f in range(FAMILIES) if f != 3]
    asked = [Request(history=Events.of([3, 3 + FAMILIES]))]
    got = live.rank(asked, Slates.of([[*rivals, row]]), 3)
    assert got.items[0] == row
    assert model.codes().shape == (row, TINY["width"])
    kept = model.rank(asked, Slates.of([[*rivals, row]]), 99)
    assert kept.items[-1] == row  # unknown to the older snapshot: it could not be scored


def test_study_again_goes_on_and_keeps_the_head(taught, tmp_path: Path):
    taught["items"].save(tmp_path)
    model = Listwise.load(tmp_path, deps(TABLE))
    assert model.learned is not None
    encoder, heads = model.learned.encoder, model.learned.heads
    model.study(log(seed=9), OPTIONS)
    assert not np.array_equal(model.learned.encoder["one.weight"], encoder["one.weight"])
    assert np.array_equal(model.learned.encoder["projection"], encoder["projection"])
    assert model.learned.heads is heads
    requests, slates, _ = lists(100, 5)
    assert reciprocal(model.rank(requests, slates, WIDTH), requests) > 0.9


def test_it_serves_another_shop(taught):
    """Codes come from texts alone: a catalogue that the model never saw is read as well."""
    other = ItemTable.of([TABLE.item(i) for i in reversed(range(len(TABLE)))])
    model = taught["items"].over(other)
    requests, slates, _ = lists(100, 6)
    last = len(TABLE) - 1
    turned = [Request(history=Events.of(last - r.history.rows)) for r in requests]
    got = model.rank(turned, Slates.of([last - s.items for s in slates], [s.scores for s in slates]), WIDTH)
    back = Slates(last - got.items, got.scores, got.offsets)
    assert reciprocal(back, requests) > 0.9


def test_what_is_wanted_is_what_the_head_matches(taught):
    """The encoder alone says of every item what the head reads of a candidate, and ranks a catalogue without lists."""
    import torch
    from recsys_fine_tuned.listwise_fit import _module_of, matched

    model = taught["items"]
    requests, slates, _ = lists(60, 7)
    requests[0] = Request(history=NO_EVENTS)
    wanted = model.wanted(requests)
    assert wanted.shape == (60, TINY["width"])
    assert not wanted[0].any()
    inputs = model.inputs(requests, slates)
    with torch.no_grad():
        tensors = {n: torch.from_numpy(v) for n, v in inputs.items()}
        match = matched(_module_of(model.learned.encoder, model.config), tensors).numpy()
    scores = wanted @ model.codes().astype(np.float32).T
    listed = np.take_along_axis(scores, slates.items.reshape(60, WIDTH).astype(np.int64), 1)
    assert np.allclose(listed - listed.mean(1, keepdims=True), match, atol=1e-4)
    assert np.allclose(model.wanted(requests[3:4]), wanted[3:4], atol=1e-5)
    assert model.wanted([]).shape == (0, TINY["width"])
    right = scores[1:].argmax(1) % FAMILIES == np.array([r.history.rows[-1] % FAMILIES for r in requests[1:]])
    assert right.mean() > 0.9
    with pytest.raises(NotFittedError):
        Listwise.from_config(Listwise.Config(**TINY), deps(TABLE)).wanted(requests)


def test_chosen_items_are_known_by_a_vector_of_their_own_here_and_by_their_texts_elsewhere(tmp_path: Path):
    # Every item says the same: only what followed what in the log tells them apart.
    same = ItemTable.of(Item(item_id=f"item{i}", title="thing") for i in range(FAMILIES * EACH))
    settings = Listwise.Config(**{**LARGER, "own": True, "epochs": (40,)})
    model = Listwise.from_config(settings, deps(same)).study(log(), OPTIONS)
    requests, slates, labels = lists(300, 1)
    known = Slates(slates.items % SEEN, slates.scores, slates.offsets)
    model.fit(requests, known, labels, OPTIONS)
    assert (model.codes()[:SEEN] != model.codes()[SEEN:]).any(axis=1).all()
    assert (model.codes()[SEEN:] == model.codes()[SEEN]).all()
    asked = [Request(history=Events.of([f, f + FAMILIES])) for f in range(FAMILIES)]
    follows = (model.wanted(asked) @ model.codes()[:SEEN].astype(np.float32).T).argmax(axis=1)
    assert (follows % FAMILIES == np.arange(FAMILIES)).mean() > 0.8
    model.save(tmp_path)
    assert np.array_equal(Listwise.load(tmp_path, deps(same)).codes(), model.codes())
    again = Listwise.load(tmp_path, deps(same)).study(log(seed=1), OPTIONS)
    assert (again.codes()[:SEEN] != model.codes()[SEEN]).any(axis=1).all()
    elsewhere = model.over(same)
    assert (elsewhere.codes() == model.codes()[SEEN]).all()


def test_over_another_shop_it_can_be_given_the_texts_of_others_or_none(taught):
    model, (requests, slates, _) = taught["items"], lists(200, 8)
    before = reciprocal(slates, requests)
    found = {use: model.over(TABLE, text=use) for use in ("items", "permuted", "none")}
    assert np.array_equal(found["items"].codes(), model.codes())
    assert np.array_equal(found["permuted"].codes(), model.codes()[shuffled(len(TABLE), "permuted")])
    assert found["none"].codes().shape == model.codes().shape
    assert not found["none"].codes().any()
    reached = {use: reciprocal(m.rank(requests, slates, WIDTH), requests) for use, m in found.items()}
    assert reached["items"] > 0.9
    assert reached["permuted"] < before + 0.15
    assert reached["none"] < before + 0.15


@pytest.mark.parametrize("name", ["rank.onnx", "encoder.safetensors", "codes.npy", "listwise.json"])
def test_missing_and_damaged_files_are_named(taught, tmp_path: Path, name: str):
    taught["items"].save(tmp_path)
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(ArtifactDamaged):
        Listwise.load(tmp_path, deps(TABLE))
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactMissing):
        Listwise.load(tmp_path, deps(TABLE))


def test_cut_training_goes_on_bit_equal(tmp_path: Path, monkeypatch):
    def made(folder: Path) -> Listwise:
        return Listwise.from_config(Listwise.Config(**TINY, checkpoints=str(folder)), deps(TABLE))

    whole = made(tmp_path / "whole").study(log(), OPTIONS)
    train = runs.train

    def cut(module, batches, validate, settings, folder, **options):
        import dataclasses

        return train(module, batches, validate, dataclasses.replace(settings, stop_after=7), folder, **options)

    monkeypatch.setattr(runs, "train", cut)
    made(tmp_path / "parts").study(log(), OPTIONS)
    monkeypatch.setattr(runs, "train", train)
    resumed = made(tmp_path / "parts").study(log(), OPTIONS)
    assert whole.learned is not None
    assert resumed.learned is not None
    for name, weights in whole.learned.encoder.items():
        assert np.array_equal(weights, resumed.learned.encoder[name]), name
    # What was learned from another log is not taken for this one's: a run of its own begins, and the old one stays.
    before = {p.name for p in (tmp_path / "parts").iterdir()}
    grown = made(tmp_path / "parts").study(log(seed=1), OPTIONS)
    assert grown.learned is not None
    assert not np.array_equal(grown.learned.encoder["bias"], whole.learned.encoder["bias"])
    after = {p.name for p in (tmp_path / "parts").iterdir()}
    assert before < after
    assert len(after) == 2 * len(before)


def test_a_study_of_a_long_log_takes_no_more_than_its_steps(monkeypatch):
    taken, train = [], runs.train

    def counted(module, batches, validate, settings, folder, **options):
        taken.append(settings.steps)
        return train(module, batches, validate, settings, folder, **options)

    monkeypatch.setattr(runs, "train", counted)
    model = Listwise.from_config(Listwise.Config(**{**TINY, "epochs": (6, 2), "steps": 8}), deps(TABLE))
    model.study(log(), OPTIONS).study(log(), OPTIONS)
    first, second, again = taken
    assert first + second <= 8
    assert (first, second) == (6, 2)
    assert 1 <= again <= 8


def test_refusals():
    with pytest.raises(ConfigError, match="catalogue"):
        Listwise.from_config(Listwise.Config(), Deps())
    with pytest.raises(ConfigError, match="registry"):
        Listwise.from_config(Listwise.Config(), Deps(items=TABLE))
    model = Listwise.from_config(Listwise.Config(**TINY), deps(TABLE))
    with pytest.raises(DataError, match="two items"):
        model.study(EventLog.of(["a"], Events.of([1])), OPTIONS)
    with pytest.raises(DataError, match="at least 2 lists"):
        model.fit([Request()], Slates.of([[1, 2]]), np.zeros(2, np.float32), OPTIONS)


def test_a_passed_deadline_is_said(taught):
    requests, slates, _ = lists(2, 1)
    late = [Request(history=r.history, deadline=0.0) for r in requests]
    with pytest.raises(BudgetExceeded):
        taught["items"].rank(late, slates, 5)


def test_compressor_reads_fields_and_leaves_silence_silent():
    table = ItemTable.of([Item(item_id="a", title="red kettle", brand="acme"), Item(item_id="b")])
    made = compress(table, Words(), [0, 1])
    assert made.shape == (2, 4, DIM)
    assert made.dtype == np.float16
    assert made[0, 0].any()
    assert made[0, 1].any()
    assert made[0, 3].any()
    assert not made[0, 2].any()
    assert not made[1].any()
    assert np.array_equal(compress(table, Words(), [1, 0]), made[::-1])


def test_shuffled_gives_every_text_once():
    assert np.array_equal(shuffled(5, "items"), np.arange(5))
    mixed = shuffled(100, "permuted")
    assert sorted(mixed) == list(range(100))
    assert (mixed != np.arange(100)).sum() > 90


def test_apply_counts_what_was_chosen(taught):
    events = Events.of([0, 0, 1])
    live = taught["items"].apply(Delta(items=TABLE, changed=NO_ROWS, events=events))
    assert live.facts.popularity[:3].tolist() == [3.0, 2.0, 1.0]
