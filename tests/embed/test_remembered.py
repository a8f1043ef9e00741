from __future__ import annotations

from collections.abc import Sequence
from threading import Thread

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.embed.remember import MAX_CHARS, Remembered


class Letters:
    """Counts five letters; notes what it was asked."""

    dim = 5
    model_id = "letters"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def embed(self, texts: Sequence[str], role: str) -> np.ndarray:
        self.asked += [(role, text) for text in texts]
        return np.array([[t.count(c) for c in "abcde"] for t in texts], dtype=np.float32).reshape(len(texts), 5)


@given(st.lists(st.lists(st.text("abcde", max_size=4), max_size=6), max_size=8), st.integers(0, 4))
def test_vectors_are_those_of_the_embedder(batches: list[list[str]], size: int) -> None:
    inner, plain = Letters(), Letters()
    kept = Remembered(inner, size)
    for texts in batches:
        for role in ("query", "item"):
            assert np.array_equal(kept.embed(texts, role), plain.embed(texts, role))
    assert len(inner.asked) <= len(plain.asked)


def test_a_query_is_read_once_and_an_item_each_time() -> None:
    inner = Letters()
    kept = Remembered(inner)
    for _ in range(3):
        kept.embed(["ab", "ab", "c"], "query")
        kept.embed(["ab"], "item")
    assert inner.asked == [("query", "ab"), ("query", "c"), ("item", "ab"), ("item", "ab"), ("item", "ab")]
    assert (kept.dim, kept.model_id) == (5, "letters")


def test_the_oldest_are_forgotten_and_long_ones_never_kept() -> None:
    inner = Letters()
    kept = Remembered(inner, 2)
    for text in ("a", "b", "a", "c", "a", "b"):
        kept.embed([text], "query")
    assert [text for _, text in inner.asked] == ["a", "b", "c", "b"]
    inner.asked.clear()
    for _ in range(2):
        kept.embed(["e" * (MAX_CHARS + 1)], "query")
    assert len(inner.asked) == 2


def test_threads_get_their_own_vectors() -> None:
    kept, wrong = Remembered(Letters(), 3), []

    def ask(letter: str) -> None:
        for n in range(200):
            text = letter * (n % 7)
            if not np.array_equal(kept.embed([text], "query"), Letters().embed([text], "query")):
                wrong.append(text)

    threads = [Thread(target=ask, args=(c,)) for c in "abcde"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
