from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from recsys.eval.search_typos import edited, with_typos

WORDS = st.text("abcdeé", min_size=4, max_size=9)


@given(st.lists(st.one_of(WORDS, st.sampled_from(["of", "wh1000", "o'neill", "2004"])), max_size=4), st.integers(0, 99))
def test_one_edit_in_one_long_word(words: list[str], seed: int) -> None:
    query = " ".join(words)
    (found,) = with_typos([query], seed)
    editable = any(len(w) >= 4 and w.isalpha() for w in words)
    assert OSA.distance(query, found) == (1 if editable else 0)
    for given_word in ("of", "wh1000", "o'neill", "2004"):
        assert found.split().count(given_word) >= query.split().count(given_word)


def test_every_edit_occurs_and_the_seed_decides() -> None:
    rng = np.random.default_rng(3)
    found = {edited("lamp", rng) for _ in range(400)}
    assert {len(f) for f in found} == {3, 4, 5}
    assert "lmap" in found
    assert "lamp" not in found
    queries = ["table lamp"] * 50
    assert with_typos(queries, 1) == with_typos(queries, 1) != with_typos(queries, 2)


def test_letters_that_are_all_alike_are_never_swapped() -> None:
    rng = np.random.default_rng(0)
    assert all(edited("aaaa", rng) != "aaaa" for _ in range(200))
