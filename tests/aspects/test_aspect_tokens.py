import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.aspects.tokens import MAX_CHARS, MAX_QUOTE, read, stems


@given(st.text(max_size=300))
def test_every_place_is_a_place_of_the_text(raw):
    text = read(raw)
    for word, start, end in zip(text.words, text.starts, text.ends, strict=True):
        assert word == raw[start:end].casefold().replace("’", "'")[:40]
    covered = [i for c in text.clauses for i in range(c.first, c.last)]
    assert covered == list(range(len(text.words)))
    assert all(0 <= low < high <= len(raw) for low, high in text.sentences)


@given(st.lists(st.sampled_from(["the grip", "is good,", "but", "loud.", "Why?", "x" * 90]), max_size=20))
def test_a_quote_is_short_and_whole_and_around_its_word(parts):
    raw = " ".join(parts)
    text = read(raw)
    for start, end in zip(text.starts, text.ends, strict=True):
        place = text.quote(start, end)
        if place is not None:
            low, high = place
            assert low <= start < end <= high
            assert high - low <= MAX_QUOTE
            assert raw[low:high] == raw[low:high].strip()
            assert low in text.starts


def test_sentences_clauses_and_breaks():
    text = read("Light, yet strong. I like it but not the price; costs $5.50!")
    assert text.words == ("light", "yet", "strong", "i", "like", "it", "but", "not", "the", "price", "costs", "5", "50")
    assert [text.raw[a:b] for a, b in text.sentences] == [
        "Light, yet strong.", "I like it but not the price; costs $5.50!",
    ]  # fmt: skip
    assert [(c.first, c.last) for c in text.clauses] == [(0, 1), (1, 3), (3, 6), (6, 13)]
    assert text.breaks[1] == 1
    assert text.breaks[3] == 2
    assert text.breaks[10] == 1


def test_a_long_sentence_is_quoted_in_part():
    raw = f"{'Well ' * 20}indeed, the grip is secure even with wet hands, {'and so on ' * 13}at last."
    at = raw.index("grip")
    low, high = read(raw).quote(at, at + 4) or (0, 0)
    assert raw[low:high] == "the grip is secure even with wet hands"


def test_what_is_cut_off_is_not_quoted():
    raw = "Fine. " + "word " * 900 + "the grip is good."
    text = read(raw)
    assert text.ends[-1] <= MAX_CHARS
    assert [text.raw[a:b] for a, b in text.sentences] == ["Fine."]


@pytest.mark.parametrize("raw", ["", " ", "...", "\u0000", "ﷺ" * 50])
def test_nothing_to_read(raw):
    assert all(c.last > c.first for c in read(raw).clauses)


def test_stems_join_forms_and_drop_a_negating_prefix():
    comfort, comfortable, un, inside, unit = stems(["comfort", "comfortable", "uncomfortable", "inside", "unit"])
    assert comfort == comfortable == un
    assert inside != "side"
    assert unit == "unit"
