from __future__ import annotations

from importlib.resources import files

import pytest
from explain_cases import case, event, fact
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import ConfigError
from recsys.explain.template import Template
from recsys.explain.wording import PLURALS, REGISTERS, Pattern
from recsys.explain.wording_parts import ended, joined, short
from recsys.explain.wording_read import phrases
from recsys.explanation import LOCALES

PLAIN = phrases("en")["plain"]
ENGLISH = (files("recsys.explain") / "phrases.en.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_every_register(locale):
    assert tuple(phrases(locale)) == REGISTERS


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('main = "you bought {item}{ when}"', 'main = "you bought it"', r"acts\.purchase\.main: the slot 'item'"),
        ('main = "you bought {item}{ when}"', 'main = "you bought {item} {price}"', "no slot 'price'"),
        ('main = "you bought {item}{ when}"', 'main = "you bought {item"', "brace"),
        ('main = "you bought {item}{ when}"', 'main = "you  bought {item}"', "two in a row"),
        ('"Because {main}.", "{main}, so we', '"Because {main}", "{main}, so we', "no mark at the end"),
        ('"Because {main}.", "{main}, so we', '"because {main}.", "{main}, so we', "small letter"),
        ('query = ["It also matches your search for {query}."]', 'query = ["{query}."]', "words of others"),
        ('"November", "December"]', '"November"]', "12 months"),
        ('plural = "one-other"', 'plural = "dual"', "'dual' is none of"),
        ("sentences = 2", "sentences = 0", "sentences: a whole number"),
        ("\n[friendly]\n", "\n[shouting]\n", "registers are wanted"),
        ("[base.found]", "[base.lost]", "found: a table"),
        ("\n[base]\n", "\n[base\n", "phrases"),
    ],
)
def test_wrong_phrases_are_named_when_they_are_read(tmp_path, old, new, message):
    assert old in ENGLISH
    file = tmp_path / "own.toml"
    file.write_text(ENGLISH.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        Template(Template.Config(files={"en": str(file)}))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="gone"):
        Template(Template.Config(files={"fr": str(tmp_path / "gone.toml")}))


def test_a_further_language_is_a_file(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(ENGLISH.replace("you bought", "thou boughtest"), encoding="utf-8")
    template = Template(Template.Config(files={"enm": str(file)}))
    one = template.explain([case(fact("event", 0.8, event("purchase")), locale="enm")])[0]
    assert "thou boughtest the Trailhead Storm Rain Jacket" in one.text.replace("Thou", "thou")


def test_empty_slots_take_their_spaces_with_them():
    pattern = Pattern.of("a{ x} b {y }c")
    assert pattern.fill({"x": "1", "y": "2"}) == "a 1 b 2 c"
    assert pattern.fill({"x": "", "y": ""}) == "a b c"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Mixing Bowls, set of 5, Slate", "Mixing Bowls"),
        ("Bergfex Wool Socks (3 pairs)", "Bergfex Wool Socks"),
        ("Salt, Fat, Acid, Heat", "Salt, Fat, Acid"),
        ("Ridgeway Recycled Synthetic Very Long And Light Sleeping Bag", "Ridgeway Recycled Synthetic Sleeping Bag"),
        ("Spare Blades for the Heron & Vale Folding Pocket Saw and Others", "Spare Blades"),
        ("x" * 300, ""),
        ("!!!", ""),
    ],
)
def test_titles_are_cut_where_people_would(title, name):
    assert short(title, 40, PLAIN.dangling, PLAIN.cuts, inner=True) == name


@given(st.text(max_size=300), st.integers(20, 80), st.booleans())
def test_any_title_is_bounded_and_made_of_its_own_words(title, limit, inner):
    name = short(title, limit, inner=inner)
    assert len(name) <= limit
    assert name == " ".join(name.split())


def test_lists_and_marks():
    assert [joined(PLAIN, p) for p in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert ended("He wrote: “Light!”.") == "He wrote: “Light!”"
    assert ended("It is by Good Co..") == "It is by Good Co."


def test_plurals():
    few = PLURALS["one-few-other"]
    assert [few(n) for n in (1, 2, 5, 12, 22)] == ["one", "few", "other", "other", "few"]
    assert PLAIN.counted(PLAIN.days, 1) == "1 day ago"
