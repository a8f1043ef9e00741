from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.embed.encoder import Encoder
from recsys.runtime import encoder as module
from recsys.runtime.session import SessionSpec, TensorSpec

SPEC = SessionSpec(
    tuple(TensorSpec(n, "int32", ("batch", "tokens")) for n in ("input_ids", "attention_mask")),
    (TensorSpec("states", "float32", ("batch", "tokens", 4)),),
)


class Table:
    """A session whose hidden state of a token is a fixed random vector: pooled answers can be worked out by hand."""

    def __init__(self) -> None:
        self.states = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
        self.shapes: list[tuple[int, ...]] = []

    @property
    def spec(self) -> SessionSpec:
        return SPEC

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        checked = SPEC.check(inputs)
        self.shapes.append(checked["input_ids"].shape)
        return {"states": self.states[checked["input_ids"]]}


def tokenise(texts: Sequence[str]) -> list[list[int]]:
    return [[1, *t.encode()[:50], 2] for t in texts]


def unit(vector: NDArray[Any]) -> NDArray[Any]:
    return vector / np.linalg.norm(vector)


def test_mean_pooling_leaves_padding_out() -> None:
    table = Table()
    got = Encoder(table, tokenise, 4, pad=7).encode(["abc", "a"])
    assert table.shapes == [(2, 5)]
    for text, vector in zip(("abc", "a"), got, strict=True):
        assert np.allclose(vector, unit(table.states[tokenise([text])[0]].mean(axis=0)), atol=1e-6)


def test_cls_pooling_takes_the_first_token() -> None:
    table = Table()
    got = Encoder(table, lambda texts: [[*t.encode()] for t in texts], 4, pooling="cls").encode(["xyz", "b"])
    assert np.allclose(got, [unit(table.states[ord("x")]), unit(table.states[ord("b")])], atol=1e-6)


def test_texts_of_mute_tokens_are_zeros_and_never_run() -> None:
    table = Table()
    got = Encoder(table, tokenise, 4, mute=[1, 2, ord("?")]).encode(["", "??", "a?"])
    assert got.any(axis=1).tolist() == [False, False, True]
    assert table.shapes == [(1, 4)]


def test_batches_share_a_length_and_order_is_kept(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "BATCH_TOKENS", 24)
    table = Table()
    texts = ["a" * n for n in (9, 1, 40, 2, 9, 1)]
    got = Encoder(table, tokenise, 4).encode(texts)
    assert table.shapes == [(3, 4), (2, 11), (1, 42)]
    for text, vector in zip(texts, got, strict=True):
        assert np.allclose(vector, unit(table.states[tokenise([text])[0]].mean(axis=0)), atol=1e-6)


def test_nothing_to_encode() -> None:
    assert Encoder(Table(), tokenise, 4).encode([]).shape == (0, 4)


def test_half_a_surrogate_reaches_the_tokeniser_as_text() -> None:
    assert Encoder(Table(), tokenise, 4).encode(["a\ud83d"]).any()
