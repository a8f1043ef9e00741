"""Training a cross-encoder: where texts decide it finds out, what is written serves, runs resume bit-equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recsys_fine_tuned.crossencoder import CrossSettings, pair_scorer, train_cross_encoder
from recsys_fine_tuned.crossencoder_bases import minilm, small_bert
from recsys_fine_tuned.crossencoder_lists import SCALES, Cut, Lists, cut, epochs, ndcg, prior_scale

from recsys.config import ModelSettings
from recsys.dataset import ItemTable
from recsys.embed.minilm import MiniLM
from recsys.errors import ConfigError, DataError
from recsys.protocols import Deps
from recsys.rerank.encoder import CrossEncoded
from recsys.runtime.export import export
from recsys.runtime.segments import Segments
from recsys.runtime.tokens import Tokens
from recsys.training.loop import TrainSettings, tensors
from recsys.types import Events, Item, Request, Slates

torch = pytest.importorskip("torch")

FAMILIES, EACH, WIDTH = 4, 10, 6
NAMES = ("kettle", "lamp", "desk", "novel")
ITEMS = ItemTable.of(
    Item(item_id=f"i{i}", title=f"{NAMES[i % FAMILIES]} {['red', 'blue', 'green'][i % 3]}")
    for i in range(FAMILIES * EACH)
)
READING = CrossEncoded.Config(fields=("title",), history=2, max_tokens=16)
SETTINGS = CrossSettings(READING, depth=WIDTH, hard=2, drawn=2, lists=16, gain=2.0)
STEPS = 90


def how(**changed: Any) -> TrainSettings:
    plain = {"steps": STEPS, "learning_rate": 1.5e-3, "validate_every": 30, "metric": "ndcg", "lower": False}
    return TrainSettings(**{**plain, "threads": 1, **changed})


def lists(n: int, seed: int) -> Lists:
    """Return lists with one item of the history's family each, in an order that says little."""
    rng = np.random.default_rng(seed)
    requests, rows, scores, labels = [], [], [], []
    for _ in range(n):
        family = int(rng.integers(FAMILIES))
        others = rng.choice([f for f in range(FAMILIES) if f != family], WIDTH - 1)
        families = rng.permutation([family, *others])
        history = rng.integers(0, EACH // 2, 2) * FAMILIES + family
        requests.append(Request(history=Events.of(history.tolist())))
        rows.append(rng.permutation(np.arange(EACH // 2, EACH))[np.arange(WIDTH) % (EACH // 2)] * FAMILIES + families)
        scores.append(rng.normal(size=WIDTH) + 0.5 * (families == family))
        labels.append((families == family).astype(np.float32))
    return Lists(requests, Slates.of(rows, scores), np.concatenate(labels))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "bert"
    small_bert(ITEMS.titles, folder, layers=2, hidden=64, vocabulary=200, dropout=0.0, spread=0.15)
    return folder


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("cross")
    report = train_cross_encoder(
        base, ITEMS, lists(240, 0), lists(60, 1), folder / "hub", folder / "run", SETTINGS, how(), say=lambda line: None
    )
    return folder, report


def test_texts_that_decide_are_found_and_served(trained: tuple[Path, Any]) -> None:
    folder, report = trained
    assert report.best["ndcg"] > 0.95 > 0.8 > report.best["ndcg_prior"]
    about = json.loads((folder / "hub" / "cross_encoder.json").read_text(encoding="utf-8"))
    export(f"file://{folder / 'hub'}", folder / "onnx", task="cross-encoder", tell=lambda line: None)
    deps = Deps(items=ITEMS, models={"ce": ModelSettings(ref=f"file://{folder / 'onnx'}")})
    reranker = CrossEncoded.from_config(CrossEncoded.Config(**{**about["reranker"], "model": "ce"}), deps)
    held = lists(60, 2)
    ranked = reranker.rank(held.requests, held.slates, WIDTH)
    family = np.array([r.history.rows[0] % FAMILIES for r in held.requests])
    assert (ranked.items[ranked.offsets[:-1]] % FAMILIES == family).mean() > 0.9


def test_the_served_order_is_the_trained_one(base: Path, trained: tuple[Path, Any]) -> None:
    """Logit plus logarithm of the place, as served, are the module's logits in other units."""
    folder, _ = trained
    if not (folder / "onnx").exists():
        export(f"file://{folder / 'hub'}", folder / "onnx", task="cross-encoder", tell=lambda line: None)
    deps = Deps(items=ITEMS, models={"ce": ModelSettings(ref=f"file://{folder / 'onnx'}")})
    config = READING.model_copy(update={"model": "ce", "scale": "logit", "weight": 0.5})
    held = lists(8, 3)
    slates = held.slates.ordered(held.slates.scores)
    served = CrossEncoded.from_config(config, deps).judge(held.requests, slates).scores.reshape(8, WIDTH)
    scale = json.loads((folder / "hub" / "cross_encoder.json").read_text(encoding="utf-8"))["prior_scale"]
    module = pair_scorer(folder / "hub", scale)
    from transformers import AutoModelForSequenceClassification

    module.model = AutoModelForSequenceClassification.from_pretrained(folder / "hub").eval()
    with torch.no_grad():
        module.model.classifier.weight *= scale
        module.model.classifier.bias *= scale
        read = cut(held, ITEMS, READING, *readers(base), WIDTH)
        logits = module.logits(tensors(read.batch(np.arange(8), read.pair >= 0))).numpy()
    np.testing.assert_allclose(2 * scale * served, logits, atol=2e-3)


def readers(folder: Path) -> tuple[Tokens, Segments]:
    return Tokens.from_file(folder / "tokenizer.json"), Segments.from_file(folder / "tokenizer.json")


def test_it_starts_as_the_prior_and_learns_only_what_is_free(base: Path) -> None:
    read = cut(lists(8, 0), ITEMS, READING, *readers(base), WIDTH)
    module = pair_scorer(base, 2.0, frozen=1).eval()
    batch = tensors(read.batch(np.arange(len(read.pair)), read.pair >= 0))
    with torch.no_grad():
        np.testing.assert_allclose(module.logits(batch).numpy(), 2 * read.prior, atol=1e-6)
    free = {
        name.split(".")[3] if "layer." in name else name for name, p in module.named_parameters() if p.requires_grad
    }
    assert not any("embeddings" in name for name in free)
    module.losses(batch)["loss"].backward()
    assert module.model.classifier.weight.grad.abs().max() > 0
    with pytest.raises(ConfigError, match="has 2 layers"):
        pair_scorer(base, 1.0, frozen=3)


def test_a_cut_run_ends_like_a_whole_one(base: Path, tmp_path: Path) -> None:
    given = (base, ITEMS, lists(40, 0), lists(10, 1))
    options = {"steps": 6, "validate_every": 3}
    whole = train_cross_encoder(*given, tmp_path / "a", tmp_path / "ra", SETTINGS, how(**options), say=str)
    first = train_cross_encoder(
        *given, tmp_path / "b", tmp_path / "rb", SETTINGS, how(**options, stop_after=4), say=str
    )
    assert first.stopped == "deadline"
    assert not (tmp_path / "b").exists()
    other = (base, ITEMS, lists(40, 5), lists(10, 1))
    with pytest.raises(ConfigError, match="on other data"):
        train_cross_encoder(*other, tmp_path / "b", tmp_path / "rb", SETTINGS, how(**options), say=str)
    again = train_cross_encoder(*given, tmp_path / "b", tmp_path / "rb", SETTINGS, how(**options), say=str)
    assert again.best == whole.best
    a, b = ((tmp_path / f / "model.safetensors").read_bytes() for f in "ab")
    assert a == b


def test_what_cannot_be_learned_from(base: Path, tmp_path: Path) -> None:
    silent = Lists([Request()], Slates.of([[1, 2]]), np.array([1, 0], np.float32))
    with pytest.raises(DataError, match="got none"):
        cut(silent, ITEMS, READING, *readers(base), WIDTH)
    with pytest.raises(ConfigError, match="exists already"):
        train_cross_encoder(base, ITEMS, silent, silent, tmp_path, tmp_path / "run")
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}', encoding="utf-8")
    with pytest.raises(ConfigError, match="not from 'roberta'"):
        pair_scorer(tmp_path, 1.0)
    with pytest.raises(ConfigError, match="depth must be"):
        CrossSettings(hard=0, drawn=0)


def test_minilm_with_the_words_of_a_shop(tmp_path: Path) -> None:
    said = minilm(ITEMS.titles, tmp_path / "small")
    assert said.before == 30522
    assert said.after < 400
    small = AutoVectors(tmp_path / "small").of(ITEMS.titles[:5])
    np.testing.assert_allclose(small, MiniLM().embed(ITEMS.titles[:5], "item"), atol=1e-5)


class AutoVectors:
    """Mean-pooled unit vectors of a folder, by transformers."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.model, self.tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)

    def of(self, texts: list[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        read = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        with torch.inference_mode():
            states = self.model(**read).last_hidden_state
        mask = read["attention_mask"][..., None]
        mean = (states * mask).sum(1) / mask.sum(1)
        return np.asarray(torch.nn.functional.normalize(mean, dim=1))


def test_the_scale_of_the_prior_is_found() -> None:
    rng = np.random.default_rng(0)
    prior = np.tile(-np.log1p(np.arange(10)), (4000, 1)).astype(np.float32)
    noisy = 1.5 * prior + rng.gumbel(size=prior.shape)
    labels = (noisy == noisy.max(axis=1, keepdims=True)).astype(np.float32)
    found = prior_scale(Cut((), (), np.zeros(prior.shape, np.int64), prior, labels))
    assert abs(found - 1.5) < 0.15
    backwards = prior_scale(Cut((), (), np.zeros(prior.shape, np.int64), prior, labels[:, ::-1]))
    assert backwards == SCALES[0]


@settings(max_examples=30, deadline=None)
@given(hard=st.integers(0, 3), drawn=st.integers(0, 3), seed=st.integers(0, 99))
def test_a_step_sees_the_chosen_the_hard_and_some(hard: int, drawn: int, seed: int) -> None:
    if hard + drawn == 0:
        return
    rng = np.random.default_rng(seed)
    pair = np.where(rng.random((7, 6)) < 0.8, rng.integers(0, 5, (7, 6)), -1)
    pair[:, :2] = 1
    labels = np.where(pair >= 0, rng.random((7, 6)) < 0.3, 0).astype(np.float32)
    labels[:, 0], labels[:, 1] = 1, 0
    ids = tuple(np.arange(k + 1) for k in range(5))
    read = Cut(ids, ids, pair, np.zeros((7, 6), np.float32), labels)
    seen = 0
    for batch in epochs(read, 3, hard, drawn)(rng):
        there, chosen = batch["there"], batch["labels"] > 0
        seen += len(there)
        assert there.sum() == len(batch["ids"]) == len(batch["place"])
        assert (there & ~chosen).sum(axis=1).max() <= hard + drawn
        assert chosen.any(axis=1).all()
    assert seen == 7


def test_ndcg_knows_places_and_gaps() -> None:
    scores = np.array([[3, 2, 1, -1e9], [1, 2, 3, 4]], np.float32)
    labels = np.array([[1, 0, 0, 0], [1, 0, 0, 0]], np.float32)
    assert ndcg(scores, labels) == pytest.approx((1 + 1 / np.log2(5)) / 2)
