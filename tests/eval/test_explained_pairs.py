from __future__ import annotations

import dataclasses

import pytest

from recsys.data.xrec import Pair, part_of
from recsys.errors import DataError
from recsys.eval.explained_pairs import (
    COMPARED,
    EXTRACTIVE,
    PUBLISHED,
    REFERENCE,
    TEMPLATE,
    borrowed,
    extracts,
    measure_pairs,
    opening,
    rule_texts,
    templates,
)
from recsys.eval.generation_words import Words
from recsys.testing.fakes import HashEmbedder

FOODS = ("tacos", "salsa", "ramen", "sushi", "waffles", "noodles")


def pair(number: int, published: bool = True) -> Pair:
    food, other = FOODS[number % 6], FOODS[(number + 1) % 6]
    return Pair(
        str(number), str(1000 + number), f"Place {number}", f"Likes {food}. Hates queues.",
        f"Known for {other} and fresh {food}. It has a patio.", f"The user would enjoy Place {number} for its {food}.",
        f"The user would enjoy the {other}." if published else None, part_of(str(number)),
    )  # fmt: skip


TRAIN = [pair(n) for n in range(100, 160)]
WORDS = Words.of([p.explanation for p in TRAIN])
PAIRS = [pair(n) for n in range(12)]


def test_the_opening_is_the_most_frequent_one():
    assert opening(["You would enjoy this.", "The user would enjoy it.", "The user would enjoy that."]) == (
        "The user would enjoy"
    )
    assert opening(["b b b b", "a a a a"]) == "a a a a"
    with pytest.raises(DataError):
        opening([])


def test_a_template_names_what_both_sides_share_first():
    assert templates(PAIRS[:1], TRAIN, WORDS) == [
        "The user would enjoy Place 0 because of fresh tacos, salsa and patio."
    ]
    silent = dataclasses.replace(PAIRS[0], item_summary="It is great.")
    assert templates([silent], TRAIN, WORDS) == ["The user would enjoy Place 0."]


def test_an_extract_is_a_sentence_of_the_inputs_word_for_word():
    for text, one in zip(extracts(PAIRS, HashEmbedder(16)), PAIRS, strict=True):
        assert text in one.user_summary or text in one.item_summary
    assert extracts(PAIRS[3:4], HashEmbedder(16)) == extracts(PAIRS, HashEmbedder(16))[3:4]


def test_borrowed_references_are_training_references():
    assert set(borrowed(PAIRS, TRAIN)) <= {p.explanation for p in TRAIN}
    assert borrowed(PAIRS, TRAIN, seed=1) == borrowed(PAIRS, TRAIN, seed=1)


def test_published_texts_are_compared_on_their_own_rows_alone():
    pairs = [pair(n, published=n % 3 == 0) for n in range(12)]
    texts = rule_texts(pairs, TRAIN, WORDS, HashEmbedder(16))
    lines = list(measure_pairs(pairs, texts, WORDS, HashEmbedder(16)))
    by_group = {g: {line["system"]: line for line in lines if line["rows"] == g} for g in ("all", "published")}
    assert {line["n"] for line in by_group["all"].values()} == {12}
    assert {line["n"] for line in by_group["published"].values()} == {4}
    assert PUBLISHED not in by_group["all"]
    assert set(by_group["published"]) == {*texts, PUBLISHED}
    row = by_group["published"][TEMPLATE]
    assert set(row["versus"]) == {EXTRACTIVE, PUBLISHED}
    assert set(row["versus"][PUBLISHED]) == set(COMPARED)
    assert set(by_group["all"][TEMPLATE]["versus"]) == {EXTRACTIVE}
    assert by_group["published"][REFERENCE]["versus"] == {}
    assert by_group["all"][REFERENCE]["figures"]["rouge-l"]["value"] == pytest.approx(100)
    assert by_group["all"][TEMPLATE]["figures"]["support"]["value"] == 1.0


def test_where_every_pair_has_a_published_text_there_is_one_group():
    texts = rule_texts(PAIRS, TRAIN, WORDS, HashEmbedder(16))
    lines = list(measure_pairs(PAIRS, texts, WORDS, HashEmbedder(16)))
    assert {line["rows"] for line in lines} == {"published"}
    assert len(lines) == len(texts) + 1
