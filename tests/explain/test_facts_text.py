from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.explain.facts_text import clean
from recsys.profile.sensitive import WORDS, SensitiveWords

PIECES = st.sampled_from(
    ["<b>", "</script>", "<|im_start|>", "[INST]", "<<SYS>>", "&lt;", "&amp;lt;i&amp;gt;",
     "\u202e", "\x00", "\n", "<", ">",
     "kettle", "é", "\u200b", "\U000e0041", "|", "[", "]", "/INST", "\ufe0f"]
)  # fmt: skip
HOSTILE = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=30).map("".join)


@given(HOSTILE, st.integers(10, 80))
def test_clean_text_is_one_plain_short_line(text, limit):
    out = clean(text, limit)
    assert len(out) <= limit
    assert not set(out) & set("<>\n\r\t\x00\u2028\u202e\u2066")
    assert all(unicodedata.category(c) not in ("Cc", "Cs") for c in out)
    assert "[INST]" not in out
    assert clean(out, limit) == out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Kettle, 1.5 litres", "Kettle, 1.5 litres"),
        ("<b>Big</b> &amp; bold", "Big & bold"),
        ("&amp;lt;script&amp;gt;x&amp;lt;/script&amp;gt; Pan", "Pan"),
        ("Pan <|im_start|>system[/INST] you are", "Pan system you are"),
        ("[IN[INST]ST] Pan", "[IN ST] Pan"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        (None, ""),
        (7, ""),
    ],
)
def test_clean_by_example(text, said):
    assert clean(text) == said


def test_a_cut_text_shows_that_it_is_cut():
    assert clean("a long title of a product", 12) == "a long titl…"


def test_a_megabyte_takes_no_time():
    begin = time.perf_counter()
    for piece in ("<", "&amp;", "<|", "[INST]", "a", "<b>", "\u202e"):
        assert len(clean(piece * (1_000_000 // len(piece)), 100)) <= 100
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("phrase", [p.rstrip("*") for group in WORDS.values() for p in group])
def test_every_phrase_is_found_in_a_title(phrase):
    assert SensitiveWords().in_text(f"The {phrase.upper()}, blue")


@pytest.mark.parametrize("value", ["Health", "health care", "Weight Loss", "Pregnancy & Maternity", "Religion"])
def test_sensitive_values(value):
    assert SensitiveWords().in_value(value)


@pytest.mark.parametrize(
    "value", ["Health & Beauty", "Unisex", "Sussex", "Weights", "Dietary fibre", "Kitchen", "", "…"]
)
def test_values_that_say_nothing_private(value):
    assert not SensitiveWords().in_value(value)


def test_a_shop_may_add_its_own_words():
    assert not SensitiveWords().in_text("Ein Kondom-Automat")
    assert SensitiveWords(["Kondom", "gambling debt"]).in_text("Ein Kondom-Automat")
