from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import DataError
from recsys.eval.explanations_text import agreement, feature_matching, features_in, variety

FEATURES = ["battery", "handle", "easy to clean", "noise"]
TEXTS = st.lists(
    st.lists(st.sampled_from([*FEATURES, "a", "Battery!", "handles"]), max_size=4).map(" ".join), min_size=1, max_size=6
)


def test_features_are_whole_words_in_order():
    assert features_in("Easy to CLEAN, and the handle stays cool.", FEATURES) == {"easy to clean", "handle"}
    assert features_in("handles; easy, to be clean", FEATURES) == set()
    assert features_in("anything", ["", "…"]) == set()


@given(TEXTS)
def test_variety_is_petes_formula(texts):
    out = variety(texts, list(range(len(texts))), FEATURES)
    found = [features_in(t, FEATURES) for t in texts]
    pairs = list(itertools.combinations(found, 2))
    assert out.usr == out.usr_facts == len(set(texts)) / len(texts)
    assert out.fcr == pytest.approx(len(set().union(*found)) / len(FEATURES))
    assert out.div == pytest.approx(sum(len(a & b) for a, b in pairs) / len(pairs) if pairs else 0)


def test_the_same_facts_may_be_said_in_the_same_words():
    out = variety(["x", "x", "y", "x"], ["f", "f", "g", "h"], [])
    assert out.usr == 0.5
    assert out.usr_facts == pytest.approx(2 / 3)
    assert out.fcr == 0


def test_feature_matching():
    assert feature_matching(["long battery life", "no noise"], ["battery", "handle"]) == 0.5


@pytest.mark.parametrize("call", [lambda: variety([], [], []), lambda: variety(["a"], [], []),
                                  lambda: feature_matching(["a"], []), lambda: agreement([], []),
                                  lambda: agreement(["a"], ["a", "b"])])  # fmt: skip
def test_as_many_texts_as_what_they_are_held_against(call):
    with pytest.raises(DataError):
        call()


def test_agreement_of_equal_and_of_foreign_texts():
    text = ["the kettle boils the water quickly", "its handle stays cool all the time"]
    assert set(agreement(text, text).values()) == {100.0}
    other = agreement(text, ["nothing", "whatever"])
    assert other["rouge-1"] == other["rouge-l"] == 0
    assert other["bleu-1"] < 1
    assert list(other) == ["bleu-1", "bleu-4", "rouge-1", "rouge-2", "rouge-l"]


def test_rouge_by_hand():
    out = agreement(["the cat sat"], ["the cat ran away"])
    assert out["rouge-1"] == pytest.approx(100 * 2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4), abs=1e-3)
