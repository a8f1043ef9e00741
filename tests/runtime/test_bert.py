"""BERT-like encoders from disk: the same numbers as transformers, ragged or single, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from recsys.config import ModelSettings
from recsys.errors import ArtifactDamaged, ArtifactMissing, ConfigError, ShapeMismatch
from recsys.runtime.artifact import Artifact, open_model, seal
from recsys.runtime.bert import BertArchitecture, bert_graph
from recsys.runtime.encoder import Encoder, encoder_files, encoder_from
from recsys.runtime.onnx import OnnxSession
from recsys.runtime.sentences import SentenceLayout
from recsys.runtime.tokens import Tokens
from recsys.runtime.weights import Weights
from recsys.testing.tiny import tiny_encoder

TEXTS = [
    "A kettle for two", "walnut desk, 120 cm", "k", "quiet headphones with a long cable and a soft case " * 9,
    "ünïcode ☕ Füller", "A kettle for two, in red", "",
]  # fmt: skip
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": {}, "roberta": {"family": "roberta"}, "bert-tanh": {"hidden_act": "gelu_new", "layer_norm_eps": 1e-6},
}  # fmt: skip


@pytest.fixture(scope="module", params=list(FAMILIES))
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shop_texts: list[str]) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("hub") / "m", shop_texts, **FAMILIES[request.param])


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory, shop_texts: list[str]) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("hub") / "bert", shop_texts)


def opened(source: Path, folder: Path, **options: Any) -> Encoder:
    folder.mkdir()
    seal(folder, encoder_files(source, folder, **options))
    return encoder_from(Artifact.open(folder), threads=1)


def reference(source: Path, texts: list[str]) -> list[np.ndarray]:
    """The last hidden rows of each text by itself, special tokens included."""
    model = transformers.AutoModel.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    out = []
    for text in texts:
        with torch.inference_mode():
            read = tokenizer(text, truncation=True, max_length=64, return_tensors="pt")
            out.append(model(**read).last_hidden_state[0].numpy())
    return out


def test_graph_equals_torch_on_a_ragged_batch(source: Path) -> None:
    a = BertArchitecture.from_folder(source)
    session = OnnxSession(bert_graph(a, Weights(source)), threads=1)
    model = transformers.AutoModel.from_pretrained(source).eval()
    rng = np.random.default_rng(1)
    for batch, tokens in ((1, 1), (5, 17), (3, a.max_tokens)):
        lengths = rng.integers(1, tokens + 1, batch)
        mask = (np.arange(tokens) < lengths[:, None]).astype(np.int32)
        ids = np.where(mask, rng.integers(5, a.vocabulary, (batch, tokens)), a.pad).astype(np.int32)
        got = session.run({"input_ids": ids, "attention_mask": mask})["hidden"]
        with torch.inference_mode():
            want = model(torch.from_numpy(ids).long(), torch.from_numpy(mask).long()).last_hidden_state.numpy()
        assert np.abs(got - want)[mask == 1].max() < 1e-4


def test_vectors_equal_the_reference(source: Path, tmp_path: Path) -> None:
    encoder = opened(source, tmp_path / "onnx", max_tokens=64)
    want = np.array([rows.mean(axis=0) for rows in reference(source, TEXTS[:-1])])
    want /= np.linalg.norm(want, axis=1, keepdims=True)
    got = encoder.encode(TEXTS)
    assert np.abs(got[:-1] - want).max() < 1e-4
    assert not got[-1].any()
    alone = np.concatenate([encoder.encode([t]) for t in TEXTS])
    np.testing.assert_allclose(got, alone, atol=1e-5)


def test_token_states_are_the_rows_of_the_text(bert: Path, tmp_path: Path) -> None:
    encoder = opened(bert, tmp_path / "onnx", max_tokens=64)
    states = encoder.token_states(TEXTS)
    known = [k for k, t in enumerate(TEXTS) if t.isascii()]
    for k, rows in zip(known, reference(bert, [TEXTS[k] for k in known]), strict=True):
        assert states[k].dtype == np.float32
        assert states[k].shape == (len(rows) - 2, 48)
        if len(states[k]):
            assert np.abs(states[k] - rows[1:-1]).max() < 1e-4
    assert encoder.token_states([]) == []


def test_words_of_the_shop_are_no_control_tokens(bert: Path, tmp_path: Path) -> None:
    encoder = opened(bert, tmp_path / "onnx")
    plain, spelt = encoder.encode(["A kettle for two", "A kettle [SEP] for [CLS][PAD] two"])
    np.testing.assert_allclose(plain, spelt, atol=1e-5)
    assert encoder.encode(["x" * 1_000_000, "\ud800 kettle"]).shape == (2, 48)


def test_pooling_as_the_model_says(bert: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(bert, tmp_path / "source"))
    (source / "1_Pooling").mkdir()
    config = source / "1_Pooling" / "config.json"
    config.write_text(json.dumps({"word_embedding_dimension": 48, "pooling_mode_cls_token": True}))
    first = np.array([rows[0] for rows in reference(bert, TEXTS[:3])])
    got = opened(source, tmp_path / "onnx").encode(TEXTS[:3])
    assert np.abs(got - first / np.linalg.norm(first, axis=1, keepdims=True)).max() < 1e-4
    config.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(ConfigError, match="max_tokens"):
        encoder_files(source, tmp_path / "onnx")


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
def test_lower_precisions_are_near_and_do_not_depend_on_the_batch(bert: Path, tmp_path: Path, precision: str) -> None:
    whole = opened(bert, tmp_path / "fp32").encode(TEXTS)
    encoder = opened(bert, tmp_path / precision, precision=precision)
    got = encoder.encode(TEXTS)
    near = {"fp16": 0.9999, "int8": 0.999, "int4": 0.9}[precision]
    assert (got * whole).sum(axis=1)[:-1].min() > near
    alone = np.concatenate([encoder.encode([t]) for t in TEXTS])
    np.testing.assert_allclose(got, alone, atol=2e-4 if precision == "int4" else 2e-5)


def test_a_missing_weight_is_named(bert: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(bert, tmp_path / "source"))
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ShapeMismatch, match=r"encoder\.layer\.2"):
        bert_graph(BertArchitecture.from_folder(source), Weights(source))
    with pytest.raises(ShapeMismatch, match="no classifier"):
        bert_graph(BertArchitecture.from_folder(bert), Weights(bert), head=True)
    (source / "tokenizer.json").unlink()
    with pytest.raises(ArtifactMissing, match=r"tokenizer\.json"):
        encoder_files(source, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "electra"}, "known: bert, roberta"), ({"hidden_act": "relu"}, "known: gelu"),
        ({"position_embedding_type": "relative_key"}, "relative_key"), ({"num_attention_heads": 5}, "multiple"),
        ({"hidden_size": None}, "hidden_size"),
    ],
)  # fmt: skip
def test_what_the_graph_cannot_do(bert: Path, change: dict[str, Any], words: str) -> None:
    config = json.loads((bert / "config.json").read_text())
    with pytest.raises(ConfigError, match=words):
        BertArchitecture.from_config(config | change)


def modules(*kinds: tuple[str, str]) -> list[dict[str, str]]:
    return [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in kinds]


def test_layouts_of_sentence_transformers(bert: Path, tmp_path: Path) -> None:
    tokens = Tokens.from_file(bert / "tokenizer.json")
    assert SentenceLayout.from_folder(tmp_path, tokens) == SentenceLayout("mean", None)
    whole = modules(("Transformer", ""), ("Pooling", "2_Pool"), ("Normalize", "3_Normalize"))
    (tmp_path / "modules.json").write_text(json.dumps(whole))
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 12, "do_lower_case": True}))
    (tmp_path / "2_Pool").mkdir()
    config: dict[str, Any]
    for config, pooling in (
        ({"pooling_mode": "cls"}, "cls"), ({"pooling_mode": ["mean"]}, "mean"), ({}, "mean"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "include_prompt": True}, "cls"),
    ):  # fmt: skip
        (tmp_path / "2_Pool" / "config.json").write_text(json.dumps(config))
        assert SentenceLayout.from_folder(tmp_path, tokens) == SentenceLayout(pooling, 12)  # type: ignore[arg-type]
    for config in (
        {"pooling_mode": "lasttoken"}, {"pooling_mode": 3}, {"pooling_mode": ["mean", "cls"]},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, {"pooling_mode_weightedmean_tokens": True},
    ):  # fmt: skip
        (tmp_path / "2_Pool" / "config.json").write_text(json.dumps(config))
        with pytest.raises(ConfigError, match=r"known: mean, cls"):
            SentenceLayout.from_folder(tmp_path, tokens)
    for listed, error, words in (
        (modules(("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")), ConfigError, "Dense"),
        (modules(("Transformer", "0_Transformer")), ConfigError, "in the folder itself"),
        (modules(("Transformer", ""), ("Pooling", "../secret")), ConfigError, "secret"),
        ([{"path": ""}], ArtifactDamaged, "modules"), ("Transformer", ArtifactDamaged, "modules"),
        (7, ArtifactDamaged, "modules"),
    ):  # fmt: skip
        (tmp_path / "modules.json").write_text(json.dumps(listed))
        with pytest.raises(error, match=words):
            SentenceLayout.from_folder(tmp_path, tokens)


def test_cases_that_a_setting_would_fold(shop_texts: list[str], tmp_path: Path) -> None:
    cased = tiny_encoder(tmp_path / "cased", shop_texts, "roberta")
    (cased / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": True}))
    with pytest.raises(ConfigError, match="do_lower_case"):
        opened(cased, tmp_path / "onnx")
    (cased / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": "long"}))
    with pytest.raises(ConfigError, match=r"sentence_bert_config\.json: max_seq_length"):
        opened(cased, tmp_path / "other")


def test_both_runtimes_pool_and_cut_alike(bert: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(bert, tmp_path / "source"))
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    (source / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 9}))
    ours = opened(source, tmp_path / "onnx")
    theirs = open_model(ModelSettings(ref=f"file://{source}", runtime="torch", threads=1))
    assert isinstance(theirs, Encoder)
    texts = [t for t in TEXTS if t]
    np.testing.assert_allclose(theirs.encode(texts), ours.encode(texts), atol=1e-5)
    long = "quiet headphones " * 9
    np.testing.assert_allclose(ours.encode([long]), ours.encode([long + "kettle"]), atol=1e-5)
    assert all(len(ids) <= 9 for ids in (*ours.tokenise([long]), *theirs.tokenise([long])))
    plain = opened(bert, tmp_path / "plain").encode(texts)
    assert np.abs(plain - ours.encode(texts)).max() > 0.01
