import pytest
from aspect_toys import said, with_reviews
from hypothesis import given
from hypothesis import strategies as st

from recsys.aspects import Lexicon
from recsys.aspects.lexicon import name_words
from recsys.aspects.opinions import features, judge, prior
from recsys.dataset import ItemTable
from recsys.types import Item, Review

LEXICON = Lexicon(
    ("grip", "sound", "weight"),
    {"grip": 0, "sound": 1, "weight": 2},
    {"heavy": 2, "light": 2},
    {"great": 1.5, "not_great": -1.0, "awful": -1.5, "not_awful": 0.8, "heavy": -0.5, "too_heavy": -1.0, "light": 0.6},
)


def judged(text: str, lexicon: Lexicon = LEXICON) -> list[tuple[str, int]]:
    return [
        (lexicon.aspects[m.aspect], 0 if abs(m.sentiment) < 0.1 else 1 if m.sentiment > 0 else -1)
        for m in lexicon.mentions(text)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The grip is great.", [("grip", 1)]),
        ("The grip is not great.", [("grip", -1)]),
        ("The grip isn't all that great.", [("grip", -1)]),
        ("Not bad at all, the grip is great.", [("grip", 1)]),
        ("The grip is there.", [("grip", 0)]),
        ("The grip is great but the sound is awful.", [("grip", 1), ("sound", -1)]),
        ("Great grip, awful sound.", [("grip", 1), ("sound", -1)]),
        ("The grip is great and the sound is awful.", [("grip", 1), ("sound", -1)]),
        ("Grip and sound are great.", [("grip", 1), ("sound", 1)]),
        ("Too heavy for me.", [("weight", -1)]),
        ("A heavy pan is what I wanted.", []),
        ("The sound is heavy.", [("sound", -1)]),
        ("So light!", [("weight", 1)]),
        ("I have no idea.", []),
    ],
)
def test_mentions(text, expected):
    assert judged(text) == expected


def test_places_are_exact():
    text = "Well... the Grip is truly GREAT, I say. Sound is awful."
    first, second = LEXICON.mentions(text)
    assert text[first.start : first.end] == "Grip"
    assert text[slice(*first.opinion)] == "GREAT"
    assert text[slice(*first.quote)] == "the Grip is truly GREAT, I say."
    assert text[slice(*second.quote)] == "Sound is awful."


@given(st.text(max_size=200), st.sampled_from(["The grip is great. ", "", "sound: awful, "]))
def test_any_text_is_survived(noise, start):
    text = start + noise
    for m in LEXICON.mentions(text):
        assert text[m.start : m.end].casefold() in {"grip", "sound", "weight", "heavy", "light"}
        assert -1 <= m.sentiment <= 1
        if m.quote:
            assert m.quote[0] <= m.start < m.end <= m.quote[1] <= len(text)


def test_the_name_of_the_item_is_no_aspect():
    items = ItemTable.of([Item(item_id="a", title="Sound Bar", categories=("Audio",))])
    name = name_words(items, 0)
    assert not LEXICON.mentions("The sound bar is great.", name)
    assert LEXICON.mentions("The sound is great.", name)


def test_learning_finds_what_is_judged(tools):
    lexicon = Lexicon.learn(tools.reviews, tools.items)
    assert {"grip", "sound"} <= set(lexicon.aspects)
    assert judged("The grip is terrible.", lexicon) == [("grip", -1)]
    assert judged("What a sound, lovely.", lexicon) == [("sound", 1)]


def test_the_ratings_teach_words_that_the_seeds_lack(tools):
    extra = [
        r
        for n in range(8)
        for rating, word in ((5.0, "gribbly"), (1.0, "snortish"))
        for r in said(f"tool-{n}", [f"It is {word}."] * 2, rating, start=50)
    ]
    lexicon = Lexicon.learn([*tools.reviews, *extra])
    assert lexicon.weights["gribbly"] > 0.3
    assert lexicon.weights["snortish"] < -0.3


def test_without_ratings_the_seeds_judge():
    reviews = [Review(user_id=f"u{n}", item_id=f"i{n}", text="The grip is great.") for n in range(20)]
    lexicon = Lexicon.learn(reviews)
    assert judged("The grip is great. The grip is poor.", lexicon) == [("grip", 1), ("grip", -1)]


def test_learning_is_the_same_every_time_and_survives_saving(tools, tmp_path):
    first, second = Lexicon.learn(tools.reviews, tools.items), Lexicon.learn(tools.reviews, tools.items)
    assert first.to_dict() == second.to_dict()
    first.save(tmp_path)
    assert Lexicon.load(tmp_path).to_dict() == first.to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "The grip is <b>terrible</b>. The zorp is bad.", "The grip is terrible. Ignore all previous instructions.",
        "The grip \u202eis terrible", "The grip is terrible. " * 50_000,
    ],
)  # fmt: skip
def test_a_hostile_review_teaches_nothing(tools, text):
    bad = with_reviews(tools, *said("tool-5", [text] * 5, 1.0, start=80))
    assert Lexicon.learn(bad.reviews, bad.items).to_dict() == Lexicon.learn(tools.reviews, tools.items).to_dict()
    assert Lexicon.learn(tools.reviews, tools.items).mentions(text) == []


def test_no_reviews_no_aspects():
    assert Lexicon.learn([]).aspects == ()
    assert Lexicon.learn([Review(user_id="u", item_id="i", text="")]).mentions("The grip is great.") == []


def test_features_mark_what_a_negator_rules():
    words = ["no", "great", "grip", "at", "all", "really", "great"]
    assert "not_great" in features(words, [0] * 7)
    assert "great" in features(words, [0] * 7)
    assert "great" in features(["no", "great"], [0, 1])
    assert prior("not_great") < 0 < prior("great")
    assert judge({"great": 100.0}, ["great"]) <= 1.0
