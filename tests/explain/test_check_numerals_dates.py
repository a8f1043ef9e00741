"""Numbers and times as texts say them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.explain.dates import recently, when
from recsys.explain.lexicon import lexicon
from recsys.explain.numerals import Numeral, numeral
from recsys.explain.tokens import stems_of, tokens

EN, DE = lexicon("en"), lexicon("de")


def at(year, month, day):
    return int(datetime(year, month, day, 12, tzinfo=UTC).timestamp())


NOW = at(2026, 11, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("284", 284), ("1,234", 1234), ("five", 5), ("twenty-five", 25), ("forty eight", 48), ("a hundred", 100),
        ("a hundred and fifty", 150), ("three hundred and four", 304), ("two thousand three hundred", 2300),
        ("dozens", 24),        ("two hundred thousand", 200_000),
    ],
)  # fmt: skip
def test_numbers_in_words_and_digits(text, value):
    found = tokens(text, EN)
    assert numeral(found, 0, EN) == (value, len(found))


@pytest.mark.parametrize(("text", "value"), [("zwölf", 12), ("1.234", 1234), ("hundert", 100)])
def test_german_numbers(text, value):
    assert numeral(tokens(text, DE), 0, DE) == (value, 1)


@pytest.mark.parametrize("text", ["tent", "one", "“five”", "and"])
def test_no_number(text):
    assert numeral(tokens(text.replace("“", '"').replace("”", '"'), EN), 0, EN) is None


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_what_an_operator_allows(said, true):
    assert Numeral(said).holds(true) == (said == true)
    assert Numeral(said, ">").holds(true) == (true > said)
    assert Numeral(said, ">=").holds(true) == (true >= said)
    assert Numeral(said, "<").holds(true) == (true < said)
    assert not (Numeral(said, "-").holds(true) and true >= said)
    assert not (Numeral(said, "~").holds(true) and abs(said - true) > true / 10)


def dated(text, language=EN):
    found = tokens(text, language)
    return next(made[0] for i in range(len(found)) if (made := when(found, i, language)))


@pytest.mark.parametrize(
    ("text", "time", "holds"),
    [
        ("in February", at(2026, 2, 14), True),
        ("in February", at(2026, 3, 14), False),
        ("in February", at(2024, 2, 14), False),  # nobody says "in February" of the one before last
        ("in February 2024", at(2024, 2, 14), True),
        ("on 14 February", at(2026, 2, 14), True),
        ("on 14 February", at(2026, 2, 15), False),
        ("on February 14th, 2026", at(2026, 2, 14), True),
        ("on the 14th of February", at(2026, 2, 14), True),
        ("on 2026-02-14", at(2026, 2, 14), True),
        ("on 2026-02-14", at(2026, 2, 13), False),
        ("in early February", at(2026, 2, 3), True),
        ("in early February", at(2026, 2, 25), False),
        ("in mid-February", at(2026, 2, 14), True),
        ("at the end of February", at(2026, 2, 27), True),
        ("last December", at(2025, 12, 29), True),
        ("this year", at(2026, 1, 2), True),
        ("last year", at(2026, 1, 2), False),
        ("last year", at(2025, 1, 2), True),
        ("in spring", at(2026, 4, 1), True),
        ("in spring", at(2026, 7, 1), False),
        ("two weeks ago", at(2026, 10, 18), True),
        ("two weeks ago", at(2026, 9, 18), False),
        ("yesterday", at(2026, 10, 31), True),
        ("yesterday", at(2026, 10, 20), False),
        ("last week", at(2026, 10, 25), True),
    ],
)  # fmt: skip
def test_times(text, time, holds):
    assert dated(text).holds(time, NOW) is holds


@pytest.mark.parametrize("text", ["yesterday", "two weeks ago", "last week", "this year"])
def test_what_is_told_from_now_fails_without_it(text):
    assert not dated(text).holds(NOW, None)


@pytest.mark.parametrize(
    ("text", "time", "holds"),
    [
        ("im Februar", at(2026, 2, 14), True), ("am 14. Februar", at(2026, 2, 14), True),
        ("am 3. März", at(2026, 3, 4), False),
        ("vor 3 Tagen", at(2026, 10, 29), True), ("vor 3 Tagen", at(2026, 9, 29), False),
        ("gestern", at(2026, 10, 31), True),
        ("im Mai 2025", at(2025, 5, 9), True), ("vor einer Woche", at(2026, 10, 25), True),
    ],
)  # fmt: skip
def test_german_times(text, time, holds):
    assert dated(text, DE).holds(time, NOW) is holds


def test_a_modal_verb_is_no_month():
    found = tokens("This may suit you, and it may march on.", EN)
    assert [when(found, i, EN) for i in range(len(found))] == [None] * len(found)


def test_recent_is_within_two_months():
    assert recently(at(2026, 10, 1), NOW)
    assert not recently(at(2026, 8, 1), NOW)
    assert not recently(at(2026, 12, 1), NOW)
    assert not recently(at(2026, 10, 1), None)


def test_contractions_and_quotes_are_taken_apart():
    found = tokens("You didn't say \"it's great\", you've said 'fine'.", EN)
    assert [t.low for t in found if t.word][:4] == ["you", "did", "not", "say"]
    assert [t.low for t in found if t.quote] == ["it's great", "fine"]
    assert "have" in [t.low for t in found]


@given(st.text(max_size=60))
def test_tokens_lie_where_they_say(text):
    for token in tokens(text, EN):
        assert 0 <= token.start < token.end <= len(text)
    stems_of(text, "de")
