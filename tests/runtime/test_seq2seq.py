"""T5 from disk: the same logits, scores and texts as transformers, packed, ragged or single."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers.models.t5.modeling_t5 import T5Attention

from recsys.errors import ArtifactDamaged, BudgetExceeded, ConfigError, ModelError, ShapeMismatch
from recsys.runtime.artifact import Artifact, seal
from recsys.runtime.constraints import Trie
from recsys.runtime.prefixes import Prompt
from recsys.runtime.seq2seq import Seq2Seq
from recsys.runtime.session import Session, SessionSpec
from recsys.runtime.t5 import seq2seq_files, seq2seq_from
from recsys.runtime.t5_graph import T5Architecture
from recsys.testing.tiny import tiny_seq2seq

KINDS = {"t5": False, "flan": True}
Model = Callable[[str], Seq2Seq]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shop_texts: list[str]) -> Callable[[str], Path]:
    return cache(lambda name: tiny_seq2seq(tmp_path_factory.mktemp("hub") / name, shop_texts, KINDS[name], seed=3))


@pytest.fixture(scope="module")
def model(folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Model:
    def made(name: str) -> Seq2Seq:
        return opened(folder(name), tmp_path_factory.mktemp("onnx"))

    return cache(made)


def opened(source: Path, folder: Path, **options: Any) -> Seq2Seq:
    seal(folder, seq2seq_files(source, folder, max_tokens=100, **options))
    return seq2seq_from(Artifact.open(folder), threads=1)


def reference(folder: Path) -> transformers.PreTrainedModel:
    return transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()


def ids(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(3, 300, n)


def naive(model: transformers.PreTrainedModel, source: np.ndarray, text: np.ndarray) -> float:
    with torch.inference_mode():
        begun = torch.from_numpy(np.concatenate([[0], text[:-1]]))[None]
        logp = model(input_ids=torch.from_numpy(source)[None], decoder_input_ids=begun).logits[0].log_softmax(-1)
    return float(logp[torch.arange(len(text)), torch.from_numpy(text)].mean())


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize(("buckets", "reach"), [(32, 128), (8, 20), (16, 1000)])
def test_places_equal_the_reference(folder: Callable[[str], Path], both: bool, buckets: int, reach: int) -> None:
    config = json.loads((folder("t5") / "config.json").read_text())
    sizes = {"relative_attention_num_buckets": buckets, "relative_attention_max_distance": reach}
    a = T5Architecture.from_config(config | sizes)
    distance = np.arange(-3000, 3000)
    want = T5Attention._relative_position_bucket(torch.from_numpy(distance), both, buckets, reach).numpy()
    assert np.array_equal(a.places(distance, both=both), want)


@pytest.mark.parametrize("name", list(KINDS))
def test_first_logits_of_a_ragged_batch(name: str, folder: Callable[[str], Path], model: Model) -> None:
    rng, theirs = np.random.default_rng(1), reference(folder(name))
    prompts = [ids(rng, n) for n in (1, 17, 60, 5)]
    got = model(name).next_token_logits([Prompt((p,)) for p in prompts])
    for row, prompt in zip(got, prompts, strict=True):
        with torch.inference_mode():
            want = theirs(input_ids=torch.from_numpy(prompt)[None], decoder_input_ids=torch.zeros(1, 1, dtype=int))
        assert np.abs(row - want.logits[0, 0].numpy()).max() < 1e-4


@pytest.mark.parametrize("name", list(KINDS))
def test_packed_scores_equal_naive_ones(name: str, folder: Callable[[str], Path], model: Model) -> None:
    rng, theirs = np.random.default_rng(2), reference(folder(name))
    sources = [ids(rng, n) for n in (30, 1, 64)]
    texts = [[ids(rng, c) for c in sizes] for sizes in ((3, 9, 1, 24), (2,), (5, 90, 40, 99, 80))]
    got = model(name).score([Prompt((s,)) for s in sources], [[Prompt((t,)) for t in group] for group in texts])
    for source, group, scores in zip(sources, texts, got, strict=True):
        np.testing.assert_allclose(scores, [naive(theirs, source, t) for t in group], atol=1e-4)


@pytest.mark.parametrize("name", list(KINDS))
def test_greedy_text_is_the_same(name: str, folder: Callable[[str], Path], model: Model) -> None:
    rng, theirs = np.random.default_rng(4), reference(folder(name))
    prompts = [ids(rng, n) for n in (3, 37)]
    # Longer than the store of keys is at first.
    got = model(name).generate([Prompt((p,)) for p in prompts], max_new_tokens=70)
    for reply, prompt in zip(got, prompts, strict=True):
        source = torch.from_numpy(prompt)[None]
        want = theirs.generate(
            input_ids=source,
            attention_mask=torch.ones_like(source),
            do_sample=False,
            max_new_tokens=70,
            use_cache=False,  # its cache has as many layers as the encoder
        )[0, 1:].tolist()
        ended = bool(want) and want[-1] == 1
        assert reply.ids.tolist() == (want[:-1] if ended else want)
        assert reply.reason == ("stop" if ended else "length")
        assert reply.tokens_in == len(prompt)
    alone = [model(name).generate([Prompt((p,))], max_new_tokens=70)[0] for p in prompts]
    assert [r.ids.tolist() for r in alone] == [r.ids.tolist() for r in got]


def test_single_equals_batch_and_sums_equal_means(model: Model) -> None:
    rng, ours = np.random.default_rng(5), model("flan")
    sources = [Prompt((ids(rng, n),)) for n in (7, 3, 7)]
    groups = [[Prompt((ids(rng, n),)) for n in sizes] for sizes in ((2, 5), (), (4,))]
    groups[0].append(Prompt((np.zeros(0, np.int64),)))
    whole = ours.score(sources, groups)
    assert [len(w) for w in whole] == [3, 0, 1]
    assert np.isnan(whole[0][2])
    for source, group, scores in zip(sources, groups, whole, strict=True):
        for text, score in zip(group, scores, strict=True):
            np.testing.assert_allclose(ours.score([source], [[text]])[0], [score], atol=1e-5)
    sums = ours.score(sources, groups, mean=False)
    np.testing.assert_allclose(sums[0][:2] / [2, 5], whole[0][:2], atol=1e-5)
    assert ours.score([], []) == []
    assert ours.generate([], max_new_tokens=3) == []


def test_vectors_are_read_like_tokens(model: Model) -> None:
    rng, ours = np.random.default_rng(6), model("flan")
    source, text = ids(rng, 9), ids(rng, 4)
    rows = np.asarray(ours._embeddings[source], np.float32)
    tokens, vectors = ours.score(
        [Prompt((source,)), Prompt((source[:3], rows[3:]))], [[Prompt((text,))], [Prompt((text,))]]
    )
    np.testing.assert_allclose(tokens, vectors, atol=1e-5)


def test_text_in_constraint_and_stop(model: Model) -> None:
    ours = model("flan")
    assert ours.tokens is not None
    choices = ["a kettle", "a desk", "headphones"]
    rule = Trie([ours.tokens.encode(c) for c in choices])
    prompts = [ours.prompt(t) for t in ("tea", "work", "music at home")]
    for reply in ours.generate(prompts, max_new_tokens=30, constraint=rule):
        assert reply.text in choices
        assert reply.reason in ("constraint", "stop")
    free = ours.generate(prompts[:1], max_new_tokens=12)[0]
    if len(free.text) > 4:
        assert free.text[3] not in ours.generate(prompts[:1], max_new_tokens=12, stop=[free.text[3]])[0].text


def test_two_threads_agree(model: Model) -> None:
    rng, ours = np.random.default_rng(7), model("t5")
    source, group = Prompt((ids(rng, 20),)), [Prompt((ids(rng, n),)) for n in (3, 8)]
    want = ours.score([source], [group])[0]
    with ThreadPoolExecutor(2) as pool:
        for got in pool.map(lambda _: ours.score([source], [group])[0], range(6)):
            assert np.array_equal(got, want)


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
def test_lower_precisions_do_not_depend_on_the_batch(
    folder: Callable[[str], Path], model: Model, tmp_path: Path, precision: str
) -> None:
    rng, ours = np.random.default_rng(8), opened(folder("flan"), tmp_path, precision=precision)
    sources = [Prompt((ids(rng, n),)) for n in (30, 4)]
    groups = [[Prompt((ids(rng, n),)) for n in (3, 9, 20)], [Prompt((ids(rng, 5),))]]
    got, whole = ours.score(sources, groups), model("flan").score(sources, groups)
    near = {"fp16": 0.02, "int8": 0.4, "int4": 2.5}[precision]
    assert max(float(np.abs(a - b).max()) for a, b in zip(got, whole, strict=True)) < near
    # What the module on quantised weights promises of a whole model.
    bound = {"fp16": 1e-5, "int8": 1e-3, "int4": 5e-3}[precision]
    many = [Prompt((ids(rng, n),)) for n in rng.integers(2, 60, 4)]
    texts = [[Prompt((ids(rng, n),)) for n in rng.integers(1, 25, 6)] for _ in many]
    for source, group, scores in zip(many, texts, ours.score(many, texts), strict=True):
        alone = [ours.score([source], [[text]])[0][0] for text in group]
        np.testing.assert_allclose(scores, alone, rtol=bound)


def test_what_does_not_fit(folder: Callable[[str], Path], model: Model, tmp_path: Path) -> None:
    ours, some = model("t5"), Prompt((np.arange(3, 8),))
    for prompt, words in (
        (Prompt(()), "at least one row"), (Prompt((np.full(101, 3),)), "takes 100"),
        (Prompt((np.array([999]),)), "below"), (Prompt((np.array([-1]),)), "below"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=words):
            ours.score([prompt], [[some]])
    with pytest.raises(ShapeMismatch, match="48"):
        ours.generate([Prompt((np.zeros((2, 5), np.float32),))], max_new_tokens=1)
    with pytest.raises(ModelError, match="as many"):
        ours.score([some], [])
    with pytest.raises(BudgetExceeded):
        ours.score([some], [[some]], deadline=time.monotonic() - 1)
    config = json.loads((folder("t5") / "config.json").read_text())
    for change, named in (
        ({"model_type": "bart"}, "known: t5"), ({"feed_forward_proj": "gated-silu"}, "gated-silu"),
        ({"relative_attention_num_buckets": 6}, "multiple of 4"), ({"d_kv": 0}, "d_kv"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=named):
            T5Architecture.from_config(config | change)
    seal(tmp_path, seq2seq_files(folder("t5"), tmp_path) | {"architecture": {}})
    with pytest.raises(ArtifactDamaged, match="damaged"):
        seq2seq_from(Artifact.open(tmp_path))


class Noting:
    """A session that notes what it is given of some inputs."""

    def __init__(self, inner: Session, *names: str) -> None:
        self.inner, self.names = inner, names
        self.shapes: list[list[tuple[int, ...]]] = []

    @property
    def spec(self) -> SessionSpec:
        return self.inner.spec

    def run(self, inputs: Mapping[str, Any], outputs: Sequence[str] | None = None) -> dict[str, Any]:
        self.shapes.append([inputs[n].shape for n in self.names])
        return self.inner.run(inputs, outputs)


def test_sources_that_nobody_has_time_for_are_not_read(model: Model) -> None:
    ours = copy.copy(model("t5"))
    ours._encoder = encoder = Noting(ours._encoder)
    rule = Trie([np.array([5])])
    late = ours.generate([Prompt((np.arange(3, 9),))] * 2, max_new_tokens=3, constraint=rule, deadline=time.monotonic())
    assert [(r.reason, r.tokens_in, r.complete) for r in late] == [("deadline", 0, False)] * 2
    assert not encoder.shapes
    with pytest.raises(ModelError, match="text of 101 tokens"):
        ours.generate([Prompt((np.arange(3, 9),))], max_new_tokens=101)
    assert len(ours.generate([Prompt((np.arange(3, 9),))], max_new_tokens=100)) == 1


def test_a_long_source_does_not_make_the_short_ones_long(model: Model) -> None:
    ours, rng = copy.copy(model("t5")), np.random.default_rng(9)
    prompts = [Prompt((ids(rng, n),)) for n in [3] * 20 + [90] + [4] * 20]
    groups = [[Prompt((ids(rng, 2),))] for _ in prompts]

    def asked() -> list[Any]:
        replies = ours.generate(prompts, max_new_tokens=10, temperature=2.0)
        return [
            ours.next_token_logits(prompts),
            np.array(ours.score(prompts, groups)),
            [r.ids.tolist() for r in replies],
        ]

    want = asked()
    ours._batch_rows = 100
    ours._decoder = decoder = Noting(ours._decoder, "cross_key_0", "past_key_0")
    got = asked()
    for one, other in zip(got[:2], want[:2], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert got[2] == want[2]
    # Sources side by side, with what is written behind each, padded: (b, heads, places, head_dim).
    assert max(cross[0] * cross[2] for cross, _ in decoder.shapes) <= 100
    assert max(past[0] * past[2] for _, past in decoder.shapes) <= 100
