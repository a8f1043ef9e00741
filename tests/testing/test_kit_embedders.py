from __future__ import annotations

import time
import zlib

import numpy as np
import pytest
from kit_toys import after, before, broken, checks, run_check

from recsys.testing.fakes import HashEmbedder
from recsys.testing.kits import EmbedderTests

FAILED = (AssertionError, pytest.fail.Exception)


class TestHashEmbedder(EmbedderTests):
    @pytest.fixture
    def component(self):
        return HashEmbedder


class TestMeaninglessEmbedder(EmbedderTests):
    """Vectors that mean nothing pass once that is declared."""

    retrieval_floor = None

    @pytest.fixture
    def component(self):
        return broken(HashEmbedder, embed=noise)


def noise(self, texts, role):
    out = np.zeros((len(texts), self.dim), dtype=np.float32)
    for i, text in enumerate(texts):
        seed = zlib.crc32(f"{role}{text}".encode("utf-8", "replace"))
        vector = np.random.default_rng(seed).normal(size=self.dim)
        out[i] = vector / np.linalg.norm(vector)
    return out


def embed(change):
    return after(HashEmbedder, "embed", change)


def refuses(test):
    def check(self, texts, role):
        assert test(texts)
        return texts, role

    return before(HashEmbedder, "embed", check)


def spoil(self, texts, role):
    if isinstance(texts, list) and texts:
        texts[0] = texts[0].upper()
    return texts, role


def counts_calls(self, out, *_):
    self.calls = getattr(self, "calls", 0) + 1
    return np.roll(out, self.calls, axis=1)


def centred(self, out, *_):
    moved = out - out.mean(axis=0, keepdims=True) if len(out) else out
    norms = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
    return (moved / norms).astype(np.float32)


def remembers(self, texts, role):
    self.texts = texts
    time.sleep(0.02)
    return HashEmbedder.embed(self, self.texts, role)


EMBED = [
    ("embed_has_its_protocol", broken(HashEmbedder, embed=None)),
    ("embed_shape_and_dtype", embed(lambda s, a, *_: a.astype(np.float64))),
    ("embed_shape_and_dtype", embed(lambda s, a, *_: a[:, :-1].copy())),
    ("embed_shape_and_dtype", embed(lambda s, a, *_: np.asfortranarray(a))),
    ("embed_unit_length", embed(lambda s, a, *_: a * 2)),
    ("embed_unit_length", embed(lambda s, a, *_: a * 0)),
    ("embed_empty_batch", refuses(lambda texts: len(texts) > 0)),
    ("embed_hostile_texts", refuses(lambda texts: all(t.strip() for t in texts))),
    ("embed_hostile_texts", embed(lambda s, a, *_: a / np.linalg.norm(a, axis=1, keepdims=True))),
    ("embed_single_equals_batch", embed(centred)),
    ("embed_same_call_twice", embed(counts_calls)),
    ("embed_leaves_inputs_alone", before(HashEmbedder, "embed", spoil)),
    ("embed_in_two_threads", broken(HashEmbedder, embed=remembers)),
    ("embed_finds_by_title", broken(HashEmbedder, embed=noise)),
]


@pytest.mark.parametrize(
    ("check", "component"), [(f"test_{c}", k) for c, k in EMBED], ids=[f"{i}-{c}" for i, (c, _) in enumerate(EMBED)]
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_broken_embedder_fails_its_check(check, component, tmp_path):
    with pytest.raises(FAILED):
        run_check(EmbedderTests, check, component, tmp_path)


def test_every_check_has_an_embedder_that_fails_it():
    assert {f"test_{c}" for c, _ in EMBED} == set(checks(EmbedderTests))
