from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recsys.candidates.fuse import FOUND
from recsys.dataset import ItemTable
from recsys.rules import Boost, Bury, Cap, Explore, Hide, Page, Pin, Rules, apply, extra, widened
from recsys.types import Events, Item, Notes, Request, Slates

DAY = 86_400
NOW = 1_800_000_000
KINDS = ["Shoes"] * 4 + ["Hats"] * 3 + ["Bags"] * 3
SHOP = ItemTable.of(
    Item(
        item_id=name, categories=(kind,), brand="Acme" if row % 2 else "Bolt", price=10.0 * row,
        created=datetime.fromtimestamp(NOW - (5 if name in "hij" else 500) * DAY, UTC),
        attributes={"colour": "red" if row < 5 else "blue"},
    )
    for row, (name, kind) in enumerate(zip("abcdefghij", KINDS, strict=True))
)  # fmt: skip


def mask(names: str) -> np.ndarray:
    out = np.zeros(len(SHOP), dtype=np.bool_)
    out[["abcdefghij".index(n) for n in names]] = True
    return out


def asked(names: str | None = None, **more) -> Request:
    return Request(allowed=None if names is None else mask(names), now=NOW, **more)


def slates(*lists: str, scores=None) -> Slates:
    return Slates.of([["abcdefghij".index(n) for n in names] for names in lists], scores)


def listed(rules: Rules, names: str, k: int = 10, request: Request | None = None, **more) -> str:
    out = apply(rules, slates(names), [request or asked()], SHOP, k, **more)
    return "".join(SHOP.vocabulary.ids(out.items))


def told(rules: Rules, names: str, k: int = 10, request: Request | None = None, **more) -> tuple[str, ...]:
    out = apply(rules, slates(names), [request or asked()], SHOP, k, **more)
    return out.notes[0].applied if out.notes else ()


def test_without_rules_the_best_k_are_left_as_they_are():
    given = slates("fab", "", "j", scores=[[3.0, 2.0, -1.0], [], [np.nan]])
    given = replace(given, columns={"x": given.items * 2}, notes=tuple(Notes(warnings=(str(i),)) for i in range(3)))
    out = apply(Rules(), given, [asked()] * 3, SHOP, 2)
    assert out.items.tolist() == [5, 0, 9]
    assert out.scores[:2].tolist() == [3, 2]
    assert out.columns["x"].tolist() == [10, 0, 18]
    assert [n.warnings for n in out.notes] == [("0",), ("1",), ("2",)]
    assert FOUND not in out.columns
    assert "_added" not in out.columns


def test_a_boost_halves_the_place():
    rules = Rules(boost=[Boost(item_ids=("f",), by=2)])
    assert listed(rules, "abcdefg") == "abfcdeg"  # from place 6 to 3, where it goes first among equals
    assert listed(Rules(boost=[Boost(item_ids=("g",), by=100)]), "abcdefg") == "gabcdef"
    assert listed(Rules(boost=[Boost(item_ids=("b",), by=1.1)]), "abcd") == "abcd"
    assert told(rules, "abcdefg") == ("boost:f (1 item)",)
    assert told(rules, "abcdefg", k=2) == ()  # it is not in the list


def test_boosts_multiply_and_conditions_aim():
    rules = Rules.of({"boost": [{"if": {"eq": ["category", "Bags"]}, "by": 2, "name": "bags"},
                                {"if": 'attributes.colour = "blue" AND brand = "Acme"', "by": 2}]})  # fmt: skip
    assert listed(rules, "abcdefghij") == "ahbjfcdieg"  # h: 8 / 4 = 2; j: 10 / 4; f: 6 / 2; i: 9 / 2


def test_a_bury_moves_down_and_nothing_is_lost():
    assert listed(Rules(bury=[Bury(item_ids=("a",), by=0.5)]), "abcd") == "bacd"
    assert listed(Rules(bury=[Bury(item_ids=("a", "b"), by=0)]), "abcd") == "cdab"
    assert told(Rules(bury=[Bury(item_ids=("a", "b"), by=0)]), "abcd", k=2) == ("bury:a, b (2 items)",)


@pytest.mark.parametrize("scores", [[9, 8, 1, 0], [-1, -2, -300, -1e9], [0.4, 0.3, 0.2, 0.1], [5, 5, 5, 5]])
def test_the_scale_of_the_scores_does_not_matter(scores):
    out = apply(Rules(boost=[Boost(item_ids=("d",), by=2)]), slates("abcd", scores=[scores]), [asked()], SHOP, 4)
    assert SHOP.vocabulary.ids(out.items) == list("adbc")
    assert out.scores.tolist() == np.float32(scores).tolist()
    assert out.columns["ranked_score"].tolist() == np.float32(scores)[[0, 3, 1, 2]].tolist()


def test_pins_stand_where_they_are_wanted():
    rules = Rules(pin=[Pin(item_id="j", position=1), Pin(item_id="b", position=3)])
    assert listed(rules, "abcdef") == "jabcdef"
    assert listed(rules, "abcdefj", k=3) == "jab"
    assert told(rules, "abcdef") == ("pin:j@1", "pin:b@3")
    assert listed(rules, "abcdef", k=2) == "ja"  # the third place is not there


def test_a_short_list_ends_with_its_pin():
    rules = Rules(pin=[Pin(item_id="j", position=8), Pin(item_id="i", position=9)])
    assert listed(rules, "abc") == "abcji"
    assert told(rules, "abc") == ("pin:j@8 (shown at 4)", "pin:i@9 (shown at 5)")


def test_two_pins_of_one_place_follow_one_another():
    rules = Rules(pin=[Pin(item_id="j", position=2), Pin(item_id="a", position=2), Pin(item_id="j", position=5)])
    assert listed(rules, "abcdef") == "bjacdef"


def test_a_pin_never_breaks_the_mask():
    rules = Rules(pin=[Pin(item_id="j", position=1), Pin(item_id="zz", position=2), Pin(item_id="c", position=3)])
    out = apply(rules, slates("abc"), [asked("abc")], SHOP, 3)
    assert SHOP.vocabulary.ids(out.items) == ["a", "b", "c"]
    assert out.notes[0].warnings == ("pin j@1: the item may not be shown here", "pin zz@2: no item has this id")
    assert out.notes[0].applied == ("pin:c@3",)
    gone = SHOP.without(np.array([9], dtype=np.int32))
    assert apply(rules, slates("abc"), [asked()], gone, 1).items.tolist() == [0]


def test_an_item_that_was_not_scored_is_told_from_those_that_were():
    out = apply(Rules(pin=[Pin(item_id="j", position=1)]), slates("ab", scores=[[-1, -2]]), [asked()], SHOP, 3)
    assert out.items.tolist() == [9, 0, 1]
    assert out.scores.tolist() == [-1, -2, -2]
    assert np.isnan(out.columns["ranked_score"][0])
    nothing = apply(Rules(pin=[Pin(item_id="j", position=1)]), slates(""), [asked()], SHOP, 3)
    assert nothing.items.tolist() == [9]
    assert nothing.scores.tolist() == [0]


def test_the_engine_scores_what_rules_bring_in():
    rules = Rules(pin=[Pin(item_id="j", position=1), Pin(item_id="a", position=2)])
    given = slates("ab", "j")
    given = replace(given, columns={"x": given.scores.copy()})
    more = extra(rules, given, [asked(), asked("bcj")], SHOP, 5)
    assert [one.items.tolist() for one in more] == [[9], []]
    assert more.columns[FOUND].tolist() == [0]
    wide = widened(given, replace(more, scores=np.array([0.7], dtype=np.float32)))
    assert [one.items.tolist() for one in wide] == [[0, 1, 9], [9]]
    assert wide.scores.tolist() == pytest.approx([1, 0.5, 0.7, 1])
    assert np.isnan(wide.columns["x"][2])
    out = apply(rules, wide, [asked(), asked("bcj")], SHOP, 5)
    assert out.columns["ranked_score"].tolist() == pytest.approx([0.7, 1, 0.5, 1])


def test_caps_leave_out_and_the_list_goes_on():
    assert listed(Rules(caps=[Cap(field="category", at_most=2)]), "abcdefghij", k=5) == "abefh"
    assert told(Rules(caps=[Cap(field="category", at_most=2)]), "abcdefghij", k=5) == (
        "cap:category=Shoes", "cap:category=Hats",
    )  # fmt: skip
    assert listed(Rules(caps=[Cap(field="category", at_most=1)]), "abcd") == "a"
    assert told(Rules(caps=[Cap(field="category", at_most=1)]), "abcd") == ("cap:category=Shoes",)
    assert listed(Rules(caps=[Cap(field="category", at_most=0, value="Shoes")]), "abcdef") == "ef"
    assert listed(Rules(caps=[Cap(field="attributes.colour", at_most=1)]), "abcdefg") == "af"
    both = Rules(caps=[Cap(field="category", at_most=2), Cap(field="brand", at_most=2)])
    assert listed(both, "acebdfj") == "acfj"
    assert listed(Rules(caps=[Cap(field="parent_id", at_most=1)]), "abc") == "abc"  # no item has a parent
    assert told(Rules(caps=[Cap(field="category", at_most=2)]), "aeh") == ()


def test_a_cap_out_of_its_window_binds_nobody():
    rules = Rules.of({"caps": [{"field": "category", "at_most": 1, "until": "2001-01-01T00:00:00Z"}]})
    assert listed(rules, "abcd") == "abcd"
    assert told(rules, "abcd") == ()


def test_an_item_that_comes_twice_is_listed_once():
    given = Slates.of([[0, 1, 0, 2, 1]], [[5, 4, 3, 2, 1]])
    out = apply(Rules(), given, [asked()], SHOP, 10)
    assert out.items.tolist() == [0, 1, 2]
    assert out.scores.tolist() == [5, 4, 2]


def test_rows_that_no_catalogue_has_are_left_out():
    given = Slates.of([[-1, 0, 99, 1]], [[5, 4, 3, 2]])
    assert apply(Rules(diversity=0.5), given, [asked()], SHOP, 10).items.tolist() == [0, 1]
    short = Request(allowed=np.ones(1, dtype=np.bool_), now=NOW)
    assert apply(Rules(pin=[Pin(item_id="b", position=1)]), given, [short], SHOP, 10).items.tolist() == [0]


def test_pins_count_for_caps_but_are_not_bound_by_them():
    rules = Rules(
        pin=[Pin(item_id="a", position=3), Pin(item_id="b", position=4)], caps=[Cap(field="category", at_most=1)]
    )
    assert listed(rules, "cdefh") == "ehab"  # the pins use up the cap on shoes


def test_hidden_items_are_gone():
    rules = Rules(hide=[Hide(condition='category = "Shoes"', name="no shoes")], pin=[Pin(item_id="a", position=1)])
    assert listed(rules, "abcdefg") == "efg"
    assert told(rules, "abcdefg") == ("hide:no shoes",)
    assert rules.visible(SHOP, NOW).tolist() == [False] * 4 + [True] * 6
    assert Rules().visible(SHOP, NOW) is None


def test_no_repeats_on_one_page():
    page = Page(["a", "zz"])
    page.add(["c"])
    assert listed(Rules(), "abcd", page=page) == "bd"
    assert listed(Rules(), "abcd", page={"a", "c"}) == "bd"
    assert told(Rules(), "abcd", page=page) == ("shown already (2 items)",)
    assert listed(Rules(exclude_shown=False), "abcd", page=page) == "abcd"
    assert listed(Rules(pin=[Pin(item_id="a", position=1)]), "abcd", page=page) == "bd"
    assert page.item_ids == ("a", "zz", "c")
    assert page.rows(SHOP).tolist() == [0, 2]
    assert len(page) == 3


def test_places_for_new_items():
    rules = Rules(explore=Explore(days=30, positions=(2, 4)))
    got = listed(rules, "abcdefg", k=6)
    assert got[0] + got[2] + got[4:] == "abcd"
    assert set(got[1] + got[3]) < set("hij")
    assert told(rules, "abcdefg", k=6) == ("explore:2",)
    # Candidates come first, and are drawn by lot: none of them is always the one.
    found = {listed(rules, "abcdhi", k=4, request=asked(user=f"u{n}"))[1] for n in range(30)}
    assert found == {"h", "i"}
    assert listed(rules, "abcdefg", request=asked("abcdefg")) == "abcdefg"  # no new item may be shown
    assert listed(rules, "abc", request=asked("abc")) == "abc"


def test_the_draw_is_the_same_all_day_and_new_tomorrow():
    rules = Rules(explore=Explore(days=100, positions=(2,)))
    asked_at = [replace(asked(user="u"), now=NOW // DAY * DAY + second) for second in (0, 40_000, DAY - 1)]
    assert len({listed(rules, "abc", request=r) for r in asked_at}) == 1
    days = {listed(rules, "abc", request=replace(asked(user="u"), now=NOW + d * DAY))[1] for d in range(40)}
    assert days == set("hij")
    seeds = {listed(replace_rules(rules, seed=s), "abc", request=asked(user="u"))[1] for s in range(40)}
    assert seeds == set("hij")
    guests = {listed(rules, "abc", request=asked(history=Events.of([row])))[1] for row in range(10)}
    assert guests == set("hij")


def replace_rules(rules: Rules, **more) -> Rules:
    return Rules.of({**rules.plain(), **more})


def test_a_list_that_would_end_takes_new_items_before_its_pins():
    rules = Rules(explore=Explore(days=30, positions=(4,)), pin=[Pin(item_id="d", position=3)])
    got = listed(rules, "a", k=8)
    assert got[0] + got[2] == "ad"
    assert got[1] in "hij"
    assert told(rules, "a", k=8) == ("pin:d@3", "explore:1")


def test_a_new_item_of_the_catalogue_fills_no_other_place():
    rules = Rules(explore=Explore(days=30, positions=(2,)))
    got = listed(rules, "ab", k=8)
    assert len(got) == 3
    assert got[0] + got[2] == "ab"


@pytest.mark.parametrize(
    ("rule", "k", "slots"),
    [
        (Explore(share=0.1), 20, [9, 19]), (Explore(share=0.1), 9, []), (Explore(share=0.25), 8, [3, 7]),
        (Explore(share=1), 4, [1, 2, 3]), (Explore(positions=(4, 2, 9)), 5, [1, 3]),
        (Explore(share=0.3), 10, [3, 6, 9]),
    ],
)  # fmt: skip
def test_which_places_explore(rule, k, slots):
    assert rule.slots(k).tolist() == slots


def test_caps_bind_exploration():
    rules = Rules(explore=Explore(positions=(2, 3)), caps=[Cap(field="category", at_most=1)])
    got = listed(rules, "aehij", k=3)
    assert sorted(got[:1] + got[2:]) == ["a", "e"]
    assert got[1] in "hij"


def test_diversity_and_calibration():
    assert listed(Rules(diversity=1), "abcdefghij", k=3) == "afh"
    assert told(Rules(diversity=0.3), "abcdefghij") == ("diversity:0.3",)
    history = Events.of([4, 7])
    assert sorted(listed(Rules(calibration=0.95), "abcdfi", k=2, request=asked(history=history))) == ["f", "i"]
    assert told(Rules(calibration=0.95), "abc") == ("calibration:0.95",)
    vectors = np.eye(len(SHOP), dtype=np.float32)
    assert listed(Rules(diversity=0.5), "abcd", vectors=vectors) == "abcd"  # nothing is like anything
    rules = Rules(diversity=1, caps=[Cap(field="category", at_most=1)], pin=[Pin(item_id="d", position=1)])
    assert listed(rules, "abcdefghij", k=3) == "dfh"


def test_rules_hold_within_their_window():
    start, end = datetime.fromtimestamp(NOW, UTC), datetime.fromtimestamp(NOW + DAY, UTC)
    rules = Rules.of({"pin": [{"item_id": "c", "position": 1, "from": start, "until": end}],
                      "boost": [{"item_ids": ["d"], "by": 2, "until": start.isoformat()}],
                      "hide": [{"item_ids": ["a"], "from": (end - timedelta(hours=1)).isoformat()}]})  # fmt: skip

    def at(seconds):
        return listed(rules, "abcd", request=replace(asked(), now=NOW + seconds))

    assert at(-1) == "adbc"
    assert at(0) == "cabd"
    assert at(DAY - 1) == "cbd"
    assert at(DAY) == "bcd"
    # Requests of one batch may be of different moments.
    requests = [replace(asked(), now=NOW + s) for s in (-1, 0, DAY)]
    out = apply(rules, slates("abcd", "abcd", "abcd"), requests, SHOP, 4)
    assert ["".join(SHOP.vocabulary.ids(one.items)) for one in out] == ["adbc", "cabd", "bcd"]
    assert rules.visible(SHOP, NOW) is None
    assert rules.visible(SHOP, NOW + DAY).sum() == 9


def test_rules_of_a_search():
    rules = Rules(
        pin=[Pin(item_id="j", position=1), Pin(item_id="i", position=2, query="trail shoes")],
        boost=[Boost(item_ids=("d",), by=4, query="Shoes")], explore=Explore(positions=(1, 2, 3)),
    )  # fmt: skip
    assert listed(rules, "abcd", k=4, request=asked(text="SHOES for the trail!")) == "diab"
    assert listed(rules, "abcd", k=4, request=asked(text="red shoes")) == "dabc"
    assert listed(rules, "abcd", k=4, request=asked(text="hats")) == "abcd"
    assert listed(rules, "abcd", k=4)[0] == "j"


def test_a_batch_is_what_its_requests_are_alone():
    rules = Rules(
        boost=[Boost(condition='category = "Bags"', by=3)], pin=[Pin(item_id="d", position=2)], diversity=0.4,
        caps=[Cap(field="category", at_most=2)], explore=Explore(positions=(4,)),
    )  # fmt: skip
    names = ["abcdefghij", "", "jihg", "cba", "ghijab"]
    requests = [asked(user=f"u{i}", history=Events.of([i])) for i in range(5)]
    requests[3] = replace(requests[3], allowed=mask("abcj"))
    given = slates(*names)
    together = apply(rules, given, requests, SHOP, 5)
    for i, request in enumerate(requests):
        alone = apply(rules, given[i], [request], SHOP, 5)
        assert alone.items.tolist() == together[i].items.tolist()
        assert alone.scores.tolist() == together[i].scores.tolist()
        assert (alone.notes or (Notes(),))[0] == together.notes[i]
    assert len(apply(rules, slates(), [], SHOP, 5)) == 0
