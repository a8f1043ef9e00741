from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data import fields
from recsys.data.literal import python_literal
from recsys.data.text import MAX_RAW_CHARS, clean_text
from recsys.errors import DataError

NAN = float("nan")


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("  two\n\twords ", "two words"),
        ("Salt &amp; Pepper", "Salt & Pepper"),
        ("6&amp;quot; pan", '6" pan'),
        ("<b>bold</b>ness<br>next<p>par</p>", "boldness next par"),
        ("<style>p {x: y}</style>seen<script>if (a<b) go()</script>", "seen"),
        ("a < b and b > c & d", "a < b and b > c & d"),
        ("x<!-- <b>hidden</b> -->y", "x y"),
        ("<![CDATA[x]]>", "CDATA[x]]>"),
        ("&lt;script&gt;", "<script>"),
        ("bell\x07 nul\x00 rtl\u202e zero\u200bwidth", "bell nul rtl zerowidth"),
        ("lone \ud83d end", "lone \ufffd end"),
        ("<td>1</td><td>2</td>", "1 2"),
        (None, ""),
        (17, ""),
        (["x"], ""),
        ("", ""),
    ],
)
def test_clean_text(raw: object, plain: str) -> None:
    assert clean_text(raw, 100) == plain


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert clean_text("abc def", 5) == "abc…"
    assert clean_text("x" * 50, 50) == "x" * 50
    assert len(clean_text("y " * 10**6, 5000)) <= 5000


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("<>!-/?&;#[]='\"ab x\x00\u202e\ud800")) | st.characters(), max_size=80))
def test_clean_text_never_raises_and_is_clean(raw: str) -> None:
    text = clean_text(raw, 60)
    assert len(text) <= 60
    assert text == " ".join(text.split())
    text.encode("utf-8")
    assert not any(ord(c) < 32 or c == "\u202e" for c in text)


@pytest.mark.parametrize("unit", ["<", "<a ", "<!--", "--><!--", "</", "<a='", "&#x", "<!doctype ", "<script>", "<?"])
def test_hostile_markup_takes_no_time(unit: str) -> None:
    began = time.perf_counter()
    clean_text(unit * MAX_RAW_CHARS, 100)
    assert time.perf_counter() - began < 2  # a fraction of that; the square would be minutes


@pytest.mark.parametrize(("raw", "clean"), [("A1", "A1"), (" A1 ", "A1"), (7, "7"), (7.0, "7"), ("07", "07")])
def test_identifier(raw: object, clean: str) -> None:
    assert fields.identifier(raw, "item id") == clean


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (None, "missing"), ("", "missing"), ("  ", "missing"), (NAN, "missing"), ("nan", "missing"),
        ("NULL", "missing"),
        (True, "neither"), (7.5, "neither"), (["A"], "neither"), ({}, "neither"), (10**40, "neither"),
        (float("inf"), "neither"), ("x" * 257, "longer than 256"), ("a\x01b", "control"), ("\ud800", "control"),
    ],
)  # fmt: skip
def test_identifier_refuses(raw: object, cause: str) -> None:
    with pytest.raises(DataError, match=f"item id .*{cause}"):
        fields.identifier(raw, "item id")


@pytest.mark.parametrize("raw", [4, 4.0, "4", " 4.0 "])
def test_rating(raw: object) -> None:
    assert fields.rating(raw, 0, 5) == 4.0


@pytest.mark.parametrize(
    ("raw", "cause"),
    [(None, "missing"), (NAN, "missing"), ("x", "not a number"), (True, "not a number"), ([4], "not a number"),
     (float("inf"), "not finite"), ("1e999", "not finite"), (10**400, "not a number"), (5.1, "outside"),
     (-1, "outside")],
)  # fmt: skip
def test_rating_refuses(raw: object, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        fields.rating(raw, 0, 5)


@pytest.mark.parametrize(
    "raw",
    [
        1514862245, 1514862245.9, "1514862245", 1514862245123, "1514862245123", 1514862245123456, 1514862245123456789,
        "2018-01-02T03:04:05Z", "2018-01-02 03:04:05", "2018-01-02T04:04:05+01:00", "01/02/2018 3:04:05 AM",
        datetime(2018, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2018, 1, 2, 3, 4, 5),
        datetime(2018, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    ],
)  # fmt: skip
def test_seconds(raw: object) -> None:
    assert fields.seconds(raw) == 1514862245


@pytest.mark.parametrize("raw", ["2018-01-02", "20180102", "01 2, 2018", "Jan 2, 2018", "January 2, 2018"])
def test_seconds_of_days(raw: str) -> None:
    assert fields.seconds(raw) == 1514851200


@pytest.mark.parametrize(
    ("raw", "cause"),
    [(None, "missing"), (NAN, "missing"), ("NaT", "missing"), ("", "missing"), (-5, "outside"), ("-5", "outside"),
     (float("inf"), "not finite"), (1e300, "outside"), ("9" * 400, "not finite"), ("soon", "neither"),
     ([], "not a num"),
     ("1969-12-31", "outside"), ("2200-01-01", "outside"), ("99999999", "neither")],
)  # fmt: skip
def test_seconds_refuses(raw: object, cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        fields.seconds(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [("$12.99", 12.99), ("$1 - $3", 1.0), ("$1,250.00", 1250.0), (7, 7.0), ("", None), (None, None), (NAN, None),
     (-1, None), (True, None), ("from", None), (1e12, None),
     ("a{width:1px} .b{color:#123456;height:10000000px}", None)],
)  # fmt: skip
def test_price(raw: object, value: float | None) -> None:
    assert fields.price(raw) == value


@pytest.mark.parametrize(
    ("raw", "entries"),
    [(["a", "b"], ["a", "b"]), ([["a", "b"], ["c"]], ["a", "b", "c"]), ("['a', 'b']", ["a", "b"]), ("a", ["a"]),
     (None, []), ({"a": 1}, []), (3, []), ("[broken", ["[broken"])],
)  # fmt: skip
def test_listed(raw: object, entries: list[Any]) -> None:
    assert fields.listed(raw) == entries


def test_mapping() -> None:
    assert fields.mapping({"a": 1}) == {"a": 1}
    assert fields.mapping("{'a': 1}") == {"a": 1}
    assert fields.mapping("nothing") == {}
    assert fields.mapping(None) == {}


@pytest.mark.parametrize(
    "text",
    ["[" + "1+" * 50_000 + "1]", "{'a': " + "-" * 90_000 + "1}", "[" + "not " * 40_000 + "1]", "[f'{1}']", "(", "x"],
)
def test_hostile_literals_are_none(text: str) -> None:
    assert python_literal(text) is None
