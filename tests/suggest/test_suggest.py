import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.store.searches import SearchLog
from recsys.suggest import Suggester, entities_of
from recsys.suggest.phrases import catalogue_phrases, edits, is_typo, log_stats, short, words
from recsys.suggest.prefixes import Prefixes
from recsys.types import Events, Item, Search

KETTLES = ("Home", "Kettles")
ITEMS = [
    Item(item_id="k1", title="Copper Kettle, 2 l", brand="Acme", categories=KETTLES, attributes={"m": "Copper"}),
    Item(item_id="k2", title="Steel Kettle, 1 l", brand="Acme", categories=KETTLES, attributes={"m": "Steel"}),
    Item(item_id="k3", title="Whistling Kettle", brand="Brenn", categories=KETTLES, attributes={"m": "Steel"}),
    Item(item_id="p1", title="Frying Pan, 20 cm", brand="Brenn", categories=("Home", "Pans"), parent_id="p"),
    Item(item_id="p2", title="Frying Pan, 24 cm", brand="Brenn", categories=("Home", "Pans"), parent_id="p"),
    Item(item_id="p3", title="Ignore All Rules Frying Pan", brand="Acme", categories=("Home", "Pans")),
    Item(item_id="c1", title="Chef's Knife", brand="Acme", categories=("Home", "Knives")),
    Item(item_id="c2", title="Chef’s Knife, long", brand="Brenn", categories=("Home", "Knives")),
]  # fmt: skip
TABLE = ItemTable.of(ITEMS)


def hits(texts):
    """How many items have every word somewhere."""
    held = [
        set(words(f"{i.title} {i.brand} {' '.join(i.categories)} {' '.join(map(str, i.attributes.values()))}"))
        for i in ITEMS
    ]
    held = [one | {w.removesuffix("s") for w in one} | {f"{w}s" for w in one} for one in held]
    return [sum(set(words(t)) <= one for one in held) for t in texts]


def log_of(*typed: tuple[str, str, int]) -> SearchLog:
    return SearchLog([Search(user_id=user, text=text, time=time) for user, text, time in typed])


def everybody(text: str, n: int = 3, time: int = 0) -> list[tuple[str, str, int]]:
    return [(f"user{i}", text, time) for i in range(n)]


def made(*typed: tuple[str, str, int], **settings) -> Suggester:
    return Suggester(TABLE, log_of(*typed), hits, **settings)


def texts(found) -> list[str]:
    return [s.text for s in found]


def test_completions_come_from_the_catalogue():
    assert texts(made().complete("ket"))[0] == "kettles"
    assert "acme kettles" in texts(made().complete("ket"))
    assert "chef's knife" in texts(made().complete("CHEF’S kn"))
    assert texts(made().complete("copper k")) == ["copper kettles"]


def test_a_finished_word_finds_phrases_that_end_with_it():
    found = texts(made().complete("kettles "))
    assert "acme kettles" in found
    assert "kettles" not in found


def test_typos_are_seen_through():
    assert "kettles" in texts(made().complete("ketl"))
    assert "frying pan" in texts(made().complete("fryign pa"))
    assert made().complete("k3tt") == []


def test_one_title_alone_or_its_variants_put_nothing_into_the_box():
    phrases = catalogue_phrases(TABLE)
    assert "ignore all rules" not in phrases
    assert phrases["frying pan"].items == 2
    assert not any("ignore" in t for t in texts(made().complete("ign", k=50)))


def test_what_others_typed_needs_enough_of_them():
    assert "steel pan" not in texts(made(*everybody("steel pan", 2)).complete("steel"))
    # Nobody typed anything that leads nowhere.
    assert "steel pan" not in texts(made(*everybody("steel pan", 3)).complete("steel"))
    assert "home kettle" not in texts(made(*everybody("home kettle", 2)).complete("home"))
    assert "home kettle" in texts(made(*everybody("home kettle", 3)).complete("home"))
    assert "home kettle" in texts(made(*everybody("home kettle", 2), k_anonymity=2).complete("home"))
    often = [("a", "home kettle", n) for n in range(3)]
    assert "home kettle" not in texts(made(*often).complete("home"))


def test_their_own_queries_are_theirs_alone():
    one = made(("ann", "whistling brenn", 1), ("ann", "whistling kettle", 2))
    assert texts(one.complete("whi", user="ann"))[:2] == ["whistling kettle", "whistling brenn"]
    assert one.complete("whi", user="ann")[0].source == "own"
    assert "whistling brenn" not in texts(one.complete("whi", user="bob"))
    assert "whistling brenn" not in texts(one.complete("whi"))
    assert texts(one.complete("", user="ann"))[:2] == ["whistling kettle", "whistling brenn"]


def test_erased_queries_are_gone_at_once():
    log = log_of(("ann", "whistling brenn", 1))
    one = Suggester(TABLE, log, hits)
    assert texts(one.complete("whi", user="ann"))[:1] == ["whistling brenn"]
    log.erase("ann")
    assert "whistling brenn" not in texts(one.complete("whi", user="ann"))


def test_history_decides_between_equals():
    plain, mine = made().complete("kettles "), made().complete("kettles ", history=Events.of([2, 2, 2]))
    assert texts(mine).index("brenn kettles") < texts(mine).index("acme kettles")
    assert texts(plain).index("brenn kettles") > texts(plain).index("acme kettles")


def test_next_queries_follow_the_log():
    typed = [*everybody("kettles", time=0), *everybody("frying pan", time=60), *everybody("chef's knife", time=9_000)]
    found = made(*typed).next("kettle")
    assert (found[0].text, found[0].source) == ("frying pan", "next")
    assert made(*typed[:2], *typed[3:5]).next("kettle")[0].source == "entity"


def test_next_queries_cross_the_question_with_the_shopper():
    found = made().next("kettles", history=Events.of([2]))
    assert set(texts(found)[:2]) == {"brenn kettles", "steel kettles"}
    assert all(s.source == "entity" for s in found)


def test_nothing_sensitive_is_led_to():
    typed = [*everybody("kettles", time=0), *everybody("acme insulin", time=60)]
    stats = log_stats(log_of(*typed).by_user(), 3)
    assert "acme insulin" not in stats.counts
    assert stats.follows == {}


def test_typos_of_the_crowd_are_not_suggested():
    stats = log_stats(log_of(*everybody("ketle"), *everybody("skillet")).by_user(), 3, {"kettle"})
    assert set(stats.counts) == {"skillet"}


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.integers(0, 9))
def test_nothing_leads_to_an_empty_page(typed, k):
    one = made(*everybody("home kettle"))
    for found in (one.complete(typed, k), one.next(typed, k)):
        assert len(found) <= k
        assert len(set(texts(found))) == len(found)
        assert all(n > 0 for n in hits(texts(found)))


def test_a_catalogue_where_nothing_is_found_suggests_nothing():
    one = Suggester(TABLE, log_of(*everybody("home kettle")), lambda asked: [0] * len(asked))
    assert one.complete("ke") == one.next("kettle") == []


@pytest.mark.parametrize("typed", ["", " ", "x" * 1_000_000, "<script>", "\u202e\u0000", "ﷺ", "a " * 500])
def test_hostile_input_is_survived(typed):
    one = made()
    assert one.complete(typed) == []
    assert len(one.next(typed)) <= 6


def test_an_empty_shop_suggests_nothing():
    one = Suggester(ItemTable.of([]), None, lambda asked: [0] * len(asked))
    assert one.complete("a") == one.next("a") == []
    assert len(one) == 0


def test_withdrawn_items_give_no_phrases():
    assert "kettles" not in catalogue_phrases(TABLE.without(np.array([0, 1, 2], np.int32)))


def test_entities_are_decayed_counts():
    got = entities_of(Events.of([0, 0, 0, 2], weights=[1, 1, -1, 1]), TABLE, [Search(user_id="a", text="red pot")])
    assert list(got.brands) == ["acme", "brenn"]
    assert set(got.categories) == {"kettles"}
    assert set(got.words) == {"red", "pot"}
    assert got.weight("acme kettles") > got.weight("brenn kettles") > got.weight("pan") == 0


@given(st.lists(st.sampled_from(["red kettle", "kettle", "reed pot", "pot kettle lid"]), unique=True, min_size=1))
def test_prefixes_equal_a_plain_search(listed):
    scores = np.arange(1, len(listed) + 1, dtype=np.float32)
    index = Prefixes(listed, scores)
    for prefix in ("", "r", "re", "red k", "ket", "kettle", "kettle ", "x"):
        plain = set()
        for n, text in enumerate(listed):
            starts = [text, *(text[i + 1 :] for i, c in enumerate(text) if c == " ")]
            if any(s.startswith(prefix) or (prefix.endswith(" ") and s == prefix[:-1]) for s in starts):
                plain.add(n)
        assert {n for n, _ in index.find(prefix, 10)} == plain


def test_edits_and_typos():
    assert {"kettel", "ketle", "kettla", "kettlle"} <= set(edits("kettle"))
    assert all(e[0] == "k" for e in edits("kettle"))
    assert is_typo("ketle", {"kettle"})
    assert not is_typo("kettle", {"kettle"})
    assert not is_typo("pan", {"pen"})
    assert not is_typo("x2500", {"x3500"})


def test_long_texts_are_no_queries():
    assert short("A b c d e f") == ""
    assert short("x" * 60) == ""
    assert short("  Chef’s   KNIFE! ") == "chef's knife"
