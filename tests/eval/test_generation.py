from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError, DataError
from recsys.eval.generation import CORPUS, PER_TEXT, Generation, comparisons, taken, variety
from recsys.eval.generation_words import ASPECT_TEXTS, Words, checked, runs
from recsys.testing.fakes import HashEmbedder

NAMES = ("tacos", "salsa", "patio", "burrito", "margarita", "brunch", "waffles", "ramen", "broth", "sushi")
REFERENCES = [f"The user would enjoy the business because of its {a} and {b}." for a in NAMES for b in NAMES if a != b]
INPUTS = [("Taco Riendo", "Likes salsa.", "Known for tacos and a patio.")] * len(REFERENCES)
WORDS = Words.of(REFERENCES)


@pytest.fixture
def generation():
    return Generation(REFERENCES, INPUTS, WORDS, HashEmbedder(16))


def test_words_of_the_frame_and_empty_words_claim_nothing():
    assert "busi" in WORDS.frame
    assert WORDS.content("The user would enjoy the business because of its great tacos and 24 beers!") == [
        "taco", "24", "beer",
    ]  # fmt: skip
    assert WORDS.aspects == {WORDS.content(name)[0] for name in NAMES}
    assert len(REFERENCES) // len(NAMES) >= ASPECT_TEXTS
    with pytest.raises(DataError):
        Words.of([])


def test_support_is_the_share_of_content_words_that_the_inputs_say():
    assert WORDS.support("The user would enjoy the tacos.", INPUTS[0]) == 1.0
    assert WORDS.support("Tacos, salsa, ramen and beer.", INPUTS[0]) == 0.5
    assert WORDS.support("Ramen", INPUTS[0]) == 0.0
    assert WORDS.support("The user would enjoy it.", INPUTS[0]) == 0.0
    assert WORDS.support("", INPUTS[0]) == 0.0


def test_support_knows_synonyms():
    assert WORDS.support("a cozy and silent patio", ["a quiet patio, comfortable"]) == 1.0


def test_agreement_is_f1_of_aspects():
    assert WORDS.agreement("tacos, salsa", "tacos, salsa") == 1.0
    assert WORDS.agreement("tacos", "tacos, salsa") == pytest.approx(2 / 3)
    assert WORDS.agreement("tacos and beer", "tacos") == 1.0  # beer is no aspect of these references
    assert WORDS.agreement("ramen", "tacos") == 0.0
    assert WORDS.agreement("", "tacos") == 0.0


@given(st.lists(st.sampled_from(NAMES), max_size=6), st.lists(st.sampled_from(NAMES), max_size=6))
def test_agreement_is_symmetric_and_bounded(a, b):
    one, other = ", ".join(a), ", ".join(b)
    assert WORDS.agreement(one, other) == pytest.approx(WORDS.agreement(other, one))
    assert 0 <= WORDS.agreement(one, other) <= 1
    assert 0 <= WORDS.support(one, [other]) <= 1


@given(st.text(max_size=200))
def test_any_text_is_measured(text):
    assert WORDS.support(text, [text]) in (0.0, 1.0)
    assert 0 <= checked(text, "A title", [text]) <= 1
    assert all(part in " ".join(text.split()) or not part.isascii() for part, _ in runs(text, WORDS) if text.isascii())


def test_checked_is_the_share_of_statements_that_the_checker_passes():
    assert checked("Known for tacos.", "Taco Riendo", INPUTS[0][1:]) == 1.0
    assert checked("Known for tacos. It has a helicopter.", "Taco Riendo", INPUTS[0][1:]) == 0.5
    assert checked("", "Taco Riendo", INPUTS[0][1:]) == 0.0


def test_runs_are_what_claims_something_in_a_row():
    found = dict(runs("The user would enjoy fried chicken, waffles and a quiet patio", WORDS))
    assert list(found) == ["fried chicken", "waffles", "quiet patio"]
    assert found["waffles"] == tuple(WORDS.content("waffles"))


def test_a_reference_agrees_with_itself(generation):
    found = generation.measure(REFERENCES)
    assert set(found.per_text) == set(PER_TEXT)
    assert set(found.corpus) == set(CORPUS)
    for name in ("bleu", "rouge-1", "rouge-2", "rouge-l"):
        assert found.per_text[name] == pytest.approx(100.0)
    assert found.per_text["similarity"] == pytest.approx(1.0, abs=1e-5)
    assert found.per_text["aspects"] == pytest.approx(1.0)
    assert found.corpus["bleu-4"] == pytest.approx(100.0)
    assert found.corpus["usr"] == 1.0


def test_nothing_said_scores_nothing(generation):
    found = generation.measure([""] * len(REFERENCES))
    assert all(not values.any() for values in found.per_text.values())
    assert found.corpus["usr"] == 1 / len(REFERENCES)
    assert found.corpus["words"] == 0


def test_figures_have_intervals_around_their_means(generation):
    figures = generation.measure(REFERENCES[1:] + REFERENCES[:1]).figures()
    for name in PER_TEXT:
        low, high = figures[name]["ci95"]
        assert low <= figures[name]["value"] <= high
    assert set(figures["usr"]) == {"value"}


def test_systems_are_compared_on_the_same_texts(generation):
    systems = {"good": generation.measure(REFERENCES), "bad": generation.measure([REFERENCES[0]] * len(REFERENCES))}
    found = comparisons(systems, "bad", ["rouge-l", "aspects"])
    assert set(found) == {"rouge-l", "aspects"}
    assert found["rouge-l"]["good"].effect.difference > 0
    assert found["rouge-l"]["good"].p < 0.01
    with pytest.raises(ConfigError, match="worse"):
        comparisons(systems, "worse")
    with pytest.raises(ConfigError, match="usr"):
        comparisons(systems, "bad", ["usr"])


def test_some_rows_are_measured_as_if_alone(generation):
    texts = REFERENCES[1:] + REFERENCES[:1]
    rows = np.array([0, 3, 7])
    part = taken(generation.measure(texts), texts, REFERENCES, rows)
    alone = Generation([REFERENCES[i] for i in rows], [INPUTS[i] for i in rows], WORDS, HashEmbedder(16))
    wanted = alone.measure([texts[i] for i in rows])
    assert part.corpus == wanted.corpus
    for name in PER_TEXT:
        assert part.per_text[name] == pytest.approx(wanted.per_text[name])


def test_distinct_n_by_hand():
    found = variety(["a b a", "A b"])
    assert found == {"usr": 1.0, "distinct-1": 2 / 5, "distinct-2": 2 / 3, "words": 2.5}


def test_numbers_must_fit(generation):
    with pytest.raises(DataError, match="1 texts"):
        generation.measure(["one"])
    with pytest.raises(DataError):
        Generation([], [], WORDS, HashEmbedder(16))
