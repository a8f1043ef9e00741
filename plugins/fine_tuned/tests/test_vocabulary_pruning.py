"""Pruning a vocabulary: kept texts read the same, logits are equal, new words are still spelt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recsys_fine_tuned.prune import kept_pieces, prune

import recsys
from recsys.errors import ArtifactMissing, ConfigError
from recsys.runtime.artifact import Artifact, seal
from recsys.runtime.pairs import CrossEncoder, cross_encoder_files, cross_encoder_from
from recsys.runtime.tokens import Tokens
from recsys.testing.tiny import tiny_encoder

SHOP = Path(recsys.__file__).parent / "data" / "shop"
TEXTS = ["Steel kettle for tea", "walnut desk, 120 cm", "quiet headphones — soft case", "☃ kettle ☃☃", "kett☃le"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [(SHOP / f"{part}.toml").read_text(encoding="utf-8") for part in ("audio", "books", "reviews")]
    return tiny_encoder(tmp_path_factory.mktemp("hub") / "bert", texts, labels=1, seed=2)


@pytest.fixture(scope="module")
def pruned(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pruned") / "model"
    said = prune(source, TEXTS, folder)
    assert said.after < said.before - 100
    assert said.parameters == (said.before - said.after) * 48
    return folder


def opened(source: Path, folder: Path) -> CrossEncoder:
    folder.mkdir()
    seal(folder, cross_encoder_files(source, folder, max_tokens=48))
    return cross_encoder_from(Artifact.open(folder), threads=1)


def test_logits_of_kept_texts_stay(source: Path, pruned: Path, tmp_path: Path) -> None:
    pairs = [(a, b) for a in TEXTS for b in TEXTS]
    whole, small = opened(source, tmp_path / "whole"), opened(pruned, tmp_path / "small")
    np.testing.assert_allclose(small.score(pairs), whole.score(pairs), atol=1e-6, rtol=0)
    assert np.isfinite(small.score([("a word never seen: zyxwv", "ünïcode 漢字")])).all()


def test_transformers_reads_it_alike(source: Path, pruned: Path) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    got = []
    for folder in (source, pruned):
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        read = AutoTokenizer.from_pretrained(folder)(TEXTS, TEXTS[::-1], padding=True, return_tensors="pt")
        with torch.inference_mode():
            got.append(model(**read).logits.numpy())
    np.testing.assert_allclose(got[0], got[1], atol=1e-6, rtol=0)


def test_a_new_word_is_spelt(source: Path, pruned: Path) -> None:
    whole, small = (Tokens.from_file(f / "tokenizer.json") for f in (source, pruned))
    for word in ("zyxwv", "overflow", "3210"):
        assert whole.unknown not in whole.encode(word)
        assert small.unknown not in small.encode(word)
        assert "".join(small.decode(small.encode(word)).replace("##", "").split()) == word


words = st.text(alphabet="abcdefghijklmnopqrstuvwxyz ☃é-0漢", max_size=30)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(words, max_size=4))
def test_kept_texts_are_cut_up_alike(source: Path, texts: list[str]) -> None:
    from tokenizers import Tokenizer

    content = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    # A vocabulary without most letters by themselves: words that cannot be spelt do occur.
    known = {p: k for p, k in content["model"]["vocab"].items() if len(p) != 3 or p in ("##e", "##t", "##s")}
    content["model"]["vocab"] = {p: k for k, p in enumerate(sorted(known, key=known.__getitem__))}
    kept = kept_pieces(content, texts)
    small = json.loads(json.dumps(content))
    small["model"]["vocab"] = {p: k for p, k in content["model"]["vocab"].items() if p in kept}
    a, b = (Tokenizer.from_str(json.dumps(c)) for c in (content, small))
    for text in texts:
        assert a.encode(text).ids == b.encode(text).ids


def test_what_cannot_be_pruned(source: Path, pruned: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exists already"):
        prune(source, TEXTS, pruned)
    with pytest.raises(ArtifactMissing):
        prune(tmp_path / "nowhere", TEXTS, tmp_path / "out")
    roberta = tiny_encoder(tmp_path / "roberta", TEXTS * 9, family="roberta", labels=1)
    with pytest.raises(ConfigError, match="only a WordPiece vocabulary"):
        prune(roberta, TEXTS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
