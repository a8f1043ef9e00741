import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.search.index import TextIndex
from recsys.search.parse import Parser
from recsys.search.spelling import Speller
from recsys.types import Item

LETTERS = st.text(alphabet="abcdeé", min_size=3, max_size=12)


def edits(a: str, b: str) -> int:
    """Optimal string alignment, by the book."""
    d = np.zeros((len(a) + 1, len(b) + 1), int)
    d[:, 0], d[0, :] = range(len(a) + 1), range(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return int(d[-1, -1])


@settings(deadline=None)
@given(st.lists(LETTERS, max_size=30, unique=True), LETTERS.map(lambda w: w.replace("é", "e")), st.integers(1, 2))
def test_near_words_are_those_within_the_distance(words, typed, distance):
    speller = Speller.of(words, [1] * len(words))
    bare = {w.replace("é", "e") for w in words}
    expected = {w: edits(typed, w) for w in bare if edits(typed, w) <= distance}
    assert {g.word: g.distance for g in speller.near(typed, distance)} == expected


def test_counts_of_pieces_and_of_the_same_word_without_accents_add_up():
    speller = Speller.of(["pokémon", "pokemon", "spider-man", "dv7-1211ea", "unsaid"], [2, 3, 4, 5, 0])
    said = dict(zip(speller.words, speller.said.tolist(), strict=True))
    assert said == {"pokemon": 5, "spider": 4, "man": 4, "spiderman": 4}


def test_completions_are_the_words_said_most():
    speller = Speller.of(["head", "headphone", "headphones", "headset", "heat"], [9, 5, 7, 1, 8])
    assert [g.word for g in speller.completions("head", 2)] == ["headphones", "headphone"]
    assert speller.completions("zz", 5) == []


@pytest.fixture(scope="module")
def parser() -> Parser:
    titles = ["Wireless Headphones"] * 6 + ["Batman Begins", "Batman Returns", "Bateman", "Spider-Man", "Canon X100"]
    titles += ["Kettle"] * 5
    return Parser(TextIndex.of(ItemTable.of(Item(item_id=str(i), title=t) for i, t in enumerate(titles))))


@pytest.mark.parametrize(
    ("typed", "used"),
    [("wirless", "wireless"), ("haedphones", "headphones"), ("headphonse", "headphones"), ("spidrman", "spiderman"),
     ("kettel", "kettle"), ("hedphnes", "headphones"), ("wirelessheadphones", "wireless headphones")],
)  # fmt: skip
def test_unknown_words_are_corrected(parser, typed, used):
    assert parser.parse(typed).corrections == {typed: used}


@pytest.mark.parametrize("typed", ["x1000", "ket", "12345", "zzzzzz", "kettle", "the", "batman"])
def test_codes_short_words_and_known_words_are_not(parser, typed):
    assert parser.parse(typed).corrections == {}


def test_a_rare_word_keeps_its_meaning_and_lends_weight(parser):
    table = ItemTable.of(
        Item(item_id=str(i), title=t) for i, t in enumerate(["Batman"] * 40 + ["Bateman"] + ["Kettle"] * 40)
    )
    slot = Parser(TextIndex.of(table)).parse("bateman").slots[0]
    assert [a.terms for a in slot.alternatives] == [("bateman",), ("batman",)]
    assert 0.05 < slot.alternatives[1].weight < slot.alternatives[0].weight == 1


def test_the_last_word_may_be_a_beginning(parser):
    assert "wireless" in {a.word for a in parser.parse("wirel").slots[0].alternatives}
    assert {a.word for a in parser.parse("bat", prefix=True).slots[0].alternatives} >= {"batman", "bateman"}
    assert [a.word for a in parser.parse("kettle spid", prefix=True).slots[0].alternatives] == ["kettle"]
