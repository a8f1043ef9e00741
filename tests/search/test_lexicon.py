"""Texts as numbers of words: what comes back is cut once, and is the same as if it were cut again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.search import lexicon
from recsys.search.analysis import Analyzer
from recsys.search.lexicon import Lexicon

TEXTS = st.lists(
    st.sampled_from(["", "Steel Kettle", "steel kettle, 2 l", "wi-fi kettle", "x" * 400, "Ä b"]), max_size=12
)


@given(TEXTS, st.integers(0, 3))
def test_repeated_texts_have_the_words_that_they_have_alone(texts, kept):
    analyzer = Analyzer()
    with_memory = Lexicon(analyzer)
    before = lexicon.REPEATED
    lexicon.REPEATED = kept
    try:
        found = with_memory.encode(texts, 50)
    finally:
        lexicon.REPEATED = before
    assert len(found.offsets) == len(texts) + 1
    for i, text in enumerate(texts):
        assert [with_memory.names[c] for c in found[i].tolist()] == analyzer.raw(text, 50)


def test_a_limit_is_one_of_a_call():
    words = Lexicon(Analyzer())
    text = "one two three"
    short, whole = words.encode([text, text], 3), words.encode([text], 100)
    assert np.diff(short.offsets).tolist() == [1, 1]
    assert np.diff(whole.offsets).tolist() == [3]
