"""Review summaries: what the extractive writer may say, what it learns, and what the benchmark writes down."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import headlines, summary, summary_tables
from benchmarks.headlines import Habits, Headlines, ceiling, shared, spans
from benchmarks.runner import write_lines
from recsys.aspects.tokens import read
from recsys.types import Review

THINGS = [f"{a}{b}" for a in ("strap", "tuner", "cable", "pedal", "stand", "reed") for b in ("", "er", "ette", "ling")]
LEADS = ("I bought this last year.", "My son plays a lot.", "We tour the whole winter.", "It came on a Monday.")


def review(i: int, thing: str) -> Review:
    text = f"{LEADS[i % 4]} It is a lovely {thing}, I say. The box was brown."
    return Review(user_id=f"u{i}", item_id="i", text=text, summary=f"A lovely {thing}!")


@pytest.fixture(scope="module")
def reviews():
    return [review(i, thing) for i, thing in enumerate(THINGS * 3)]


def test_candidates_are_short_and_within_a_sentence():
    text = read("Works well. Then it broke, after one two three four five six seven days.")
    first, end = spans(text)
    assert len({*zip(first.tolist(), end.tolist(), strict=True)}) == len(first)
    assert (end - first).max() == headlines.MAX_WORDS
    assert not any(a < 2 < b for a, b in zip(first, end, strict=True))
    assert spans(read(""))[0].shape == (0,)


def test_shared_words_are_counted_as_often_as_they_stand():
    text = read("good good strings")
    first, end = spans(text)
    found = dict(
        zip(zip(first.tolist(), end.tolist(), strict=True), shared(text, first, end, ("good", "strings")), strict=True)
    )
    assert found == pytest.approx({(0, 1): 2 / 3, (0, 2): 0.5, (0, 3): 0.8, (1, 2): 2 / 3, (1, 3): 1, (2, 3): 2 / 3})


def test_words_of_headlines_are_told_from_words_of_texts():
    habits = Habits.of([(read("the lovely box is the one"), ("lovely",))] * 9)
    likely, begins, ends, _ = habits.columns(("lovely", "the"))
    assert likely[0] > likely[1]
    assert begins[0] > begins[1]
    assert ends[0] > ends[1]


def test_the_writer_learns_what_headlines_are_and_changes_no_letter(reviews):
    writer = Headlines(reviews)
    fresh = "Our cat ran off. It is a lovely Trombone, I say. The box was brown."
    [said] = writer.write([fresh])
    assert said in fresh
    assert "lovely Trombone" in said
    assert writer.write(["", "?!"]) == ["", ""]
    assert writer.write(["Good"]) == ["Good"]
    assert Headlines(reviews).write([fresh]) == [said]
    with pytest.raises(ValueError, match="headline"):
        Headlines([Review(user_id="u", item_id="i", text="Nothing above it.")])


def test_the_ceiling_is_the_best_there_is():
    assert ceiling(["I say: a lovely tuner. Bye.", ""], ["Lovely Tuner!", "x"]) == ["lovely tuner", ""]


def test_the_same_text_of_one_shopper_counts_once(reviews):
    class Data:
        pass

    data = Data()
    data.reviews = [*reviews, *reviews, Review(user_id="u", item_id="i", text="No headline.")]
    assert summary.headed(data) == reviews


def test_most_alike_is_by_rare_words(reviews):
    assert summary.nearest(reviews[:24], ["the pedalling box of a Monday"]) == ["A lovely pedalling!"]


def test_rows_are_measured_on_texts_that_nothing_was_learned_from(reviews, tmp_path):
    lines = summary.measured("musical-instruments", reviews)
    by = {line["name"]: line["figures"] for line in lines}
    assert list(by) == [summary.LEAD, summary.COMMON, summary.NEAREST, summary.EXTRACT, summary.CEILING]
    rouge = {name: figures["metrics"]["rouge-l"] for name, figures in by.items()}
    assert rouge[summary.CEILING] >= rouge[summary.EXTRACT] > rouge[summary.LEAD]
    assert by[summary.EXTRACT]["own_words"] == by[summary.CEILING]["own_words"] == 1
    assert by[summary.EXTRACT]["effect"][summary.LEAD]["difference"] > 0
    assert by[summary.LEAD]["p_vs"] == by[summary.CEILING]["p_vs"] == {}
    assert sum(lines[0]["parameters"][part] for part in ("train", "test")) == pytest.approx(0.9 * len(reviews), abs=1)
    said = json.dumps(lines)
    assert "lovely" not in said
    assert summary.measured("musical-instruments", reviews)[0] == lines[0]

    facts = {"hardware": {"cpu": "A CPU", "cores": 2, "memory_gib": 15.6, "system": "Linux"},
             "versions": {"python": "3.11.2"}, "commit": "abc", "date": "2026-01-02"}  # fmt: skip
    write_lines(tmp_path / "summary.jsonl", [{**line, **facts} for line in lines])
    made = summary_tables.summaries(tmp_path)
    assert f"lead words, the first {lines[0]['parameters']['lead']} |" in made
    assert "| extract | " in made
    assert f"{rouge[summary.EXTRACT]:.1f} (" in made
    assert np.isfinite(by[summary.EXTRACT]["ms"])
