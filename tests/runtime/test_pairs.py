"""Cross-encoders from disk: the same logits as transformers, ragged, single or from many threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import ArtifactDamaged, BudgetExceeded, ConfigError, ModelError
from recsys.runtime.artifact import Artifact, seal
from recsys.runtime.pairs import CrossEncoder, cross_encoder_files, cross_encoder_from
from recsys.runtime.segments import Segments
from recsys.testing.tiny import tiny_encoder

LONG = "quiet headphones with a long cable and a soft case " * 9
PAIRS = [
    ("a kettle for tea", "A kettle for two"), ("desk", LONG), (LONG, "desk"), (LONG, LONG + "more"),
    ("x", "y"), ("☕ ünïcode", "walnut desk, 120 cm"), ("", "walnut"), ("\u202e", "a" * 300),
]  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "bert": {"labels": 1}, "bert-yes-no": {"labels": 2}, "roberta": {"family": "roberta", "labels": 1},
}  # fmt: skip


@pytest.fixture(scope="module", params=list(KINDS))
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shop_texts: list[str]) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("hub") / "m", shop_texts, **KINDS[request.param])


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory, shop_texts: list[str]) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("hub") / "bert", shop_texts, labels=1)


def opened(source: Path, folder: Path, **options: Any) -> CrossEncoder:
    folder.mkdir()
    seal(folder, cross_encoder_files(source, folder, max_tokens=64, **options))
    return cross_encoder_from(Artifact.open(folder), threads=1)


def reference(source: Path, pairs: list[tuple[str, str]]) -> np.ndarray:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    out = []
    for a, b in pairs:
        read = tokenizer(a, b, truncation=True, max_length=64, return_tensors="pt")
        read = {k: v for k, v in read.items() if k != "token_type_ids" or model.config.type_vocab_size > 1}
        with torch.inference_mode():
            logits = model(**read).logits[0].numpy()
        out.append(logits[0] if len(logits) == 1 else logits[1] - logits[0])
    return np.array(out)


def test_logits_equal_torch(source: Path, tmp_path: Path) -> None:
    model = opened(source, tmp_path / "onnx")
    got = model.score(PAIRS)
    assert got.dtype == np.float32
    assert np.abs(got - reference(source, PAIRS)).max() < 1e-4
    np.testing.assert_allclose(got, [model.score([p])[0] for p in PAIRS], atol=1e-5)
    assert model.score([]).shape == (0,)
    assert np.isfinite(model.score([("", ""), ("x" * 1_000_000, "\ud800")])).all()


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4"])
def test_lower_precisions_do_not_depend_on_the_batch(bert: Path, tmp_path: Path, precision: str) -> None:
    model = opened(bert, tmp_path / "onnx", precision=precision)
    got = model.score(PAIRS)
    near = {"fp16": 0.01, "int8": 0.1, "int4": 1.5}[precision]
    assert np.abs(got - reference(bert, PAIRS)).max() < near
    alone = [model.score([p])[0] for p in PAIRS]
    np.testing.assert_allclose(got, alone, atol=5e-4 if precision == "int4" else 2e-5)


def test_two_threads_agree(bert: Path, tmp_path: Path) -> None:
    model = opened(bert, tmp_path / "onnx")
    want = model.score(PAIRS)
    with ThreadPoolExecutor(2) as pool:
        for got in pool.map(model.score, [PAIRS] * 6):
            assert np.array_equal(got, want)


def test_time_is_kept(bert: Path, tmp_path: Path) -> None:
    model = opened(bert, tmp_path / "onnx")
    assert len(model.score(PAIRS, deadline=time.monotonic() + 60)) == len(PAIRS)
    with pytest.raises(BudgetExceeded, match="deadline"):
        model.score(PAIRS, deadline=time.monotonic() - 1)


def test_what_is_no_cross_encoder(tmp_path: Path, shop_texts: list[str], bert: Path) -> None:
    many = tiny_encoder(tmp_path / "many", shop_texts, labels=3)
    with pytest.raises(ConfigError, match="3 labels"):
        cross_encoder_files(many, tmp_path)
    made = tmp_path / "onnx"
    made.mkdir()
    seal(made, cross_encoder_files(bert, made) | {"graph": 1})
    with pytest.raises(ArtifactDamaged, match="another version"):
        cross_encoder_from(Artifact.open(made))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 90), st.integers(0, 90), st.integers(4, 80))
def test_cut_as_the_library_cuts(first: int, second: int, limit: int) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    library = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "b": 2, "[C]": 3, "[S]": 4}, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.post_processor = processors.TemplateProcessing(
        single="[C] $A [S]", pair="[C] $A [S] $B:1 [S]:1", special_tokens=[("[C]", 3), ("[S]", 4)]
    )
    library.enable_truncation(limit)
    want = library.encode("a " * first, "b " * second)
    segments = Segments([3], [4], [[3], [4], [4]], [0, 0, 0, 1, 1])
    ids, types = segments.double(np.full(first, 1), np.full(second, 2), limit)
    assert (ids.tolist(), types.tolist()) == (want.ids, want.type_ids)


def test_no_room_for_text() -> None:
    with pytest.raises(ModelError, match="3 are special"):
        Segments([3], [4], [[3], [4], [4]], [0] * 5).double(np.ones(2, np.int64), np.ones(2, np.int64), 3)
