from __future__ import annotations

import json
import threading
import tomllib

import pytest

from recsys.errors import ConfigError
from recsys.filters import Compare, Not
from recsys.filters.expr import MAX_DEPTH
from recsys.rules import Boost, Cap, Explore, Hide, Page, Pin, Rules

PLAIN = {
    "boost": [{"name": "summer", "if": {"eq": ["brand", "Acme"]}, "by": 1.2, "until": "2026-09-01T00:00:00Z"}],
    "bury": [{"if": {"lt": ["stock", 3]}, "by": 0.5}],
    "hide": [{"item_ids": ["B01", "B02"]}],
    "pin": [{"item_id": "B09", "position": 3, "query": "trail shoes"}],
    "caps": [{"field": "category", "at_most": 3}],
    "diversity": 0.3,
    "explore": {"days": 14.0, "share": 0.1},
}


def test_plain_values_and_back():
    rules = Rules.of(PLAIN)
    assert rules.boost[0].condition == Compare("eq", "brand", "Acme")
    assert rules.plain() == PLAIN
    assert Rules.of(json.loads(json.dumps(rules.plain()))) == rules
    assert Rules().plain() == {}


def test_rules_in_toml():
    text = """
        diversity = 0.3
        explore = {days = 14, positions = [4, 8]}
        [[boost]]
        if = 'brand = "Acme" AND created >= "2026-01-01"'
        by = 1.5
        from = 2026-06-01T00:00:00Z
        until = 2026-09-01T00:00:00+02:00
        [[boost]]
        by = 2
        [boost.if]
        gte = ["created", 2026-01-01]
        [[pin]]
        item_id = "B09"
        position = 1
    """
    rules = Rules.of(tomllib.loads(text))
    assert rules.boost[1].condition == Compare("gte", "created", "2026-01-01")
    assert rules.boost[0].label == 'brand = "Acme" AND created >= "2026-01-01"'
    assert rules.explore == Explore(days=14, positions=(4, 8))


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"boots": []}, r"rules\.boots: Extra inputs"),
        ({"boost": [{"by": 2}]}, r"rules\.boost\.0: .*needs a condition \(if\) or item_ids"),
        ({"boost": [{"if": {"eq": ["brnd", "x"]}, "by": 2}]}, r"rules\.boost\.0\.if: .*at eq\[0\]: no field 'brnd'"),
        ({"boost": [{"if": "price <", "by": 2}]}, r"at character 8: expected a value after <"),
        ({"boost": [{"item_ids": ["a"], "by": 0.5}]}, r"rules\.boost\.0\.by: .*greater than 1"),
        ({"bury": [{"item_ids": ["a"], "by": 2}]}, r"rules\.bury\.0\.by: .*less than 1"),
        ({"pin": [{"item_id": "a", "position": 0}]}, r"rules\.pin\.0\.position"),
        ({"pin": [{"item_id": "a", "position": 1, "from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}]},
         r"rules\.pin\.0: .*is not before until"),
        ({"pin": [{"item_id": "a", "position": 1, "from": "2026-01-02T00:00:00"}]}, r"rules\.pin\.0\.from: .*timezone"),
        ({"pin": [{"item_id": "a", "position": 1, "query": "!"}]}, r"no word in '!'"),
        ({"caps": [{"field": "price", "at_most": 1}]}, r"a cap counts category"),
        ({"caps": [{"field": "colour", "at_most": 1}]}, r"no field 'colour'"),
        ({"explore": {"days": 3}}, r"rules\.explore: .*either positions or a share"),
        ({"explore": {"days": 3, "positions": [2], "share": 0.1}}, r"either positions or a share"),
        ({"diversity": 0.1, "calibration": 0.1}, r"rules: .*give one of them"),
        ({"diversity": 1.5}, r"rules\.diversity"),
        ({"pin": [{"item_id": "a", "position": 1}] * 201}, r"rules\.pin: .*at most 200"),
        ({"hide": [{"item_ids": ["x" * 257]}]}, r"rules\.hide\.0\.item_ids"),
    ],
)  # fmt: skip
def test_wrong_rules_are_refused_with_their_path(plain, message):
    with pytest.raises(ConfigError, match=message):
        Rules.of(plain)


def test_rules_of_the_shop_and_of_the_call():
    shop = Rules.of(PLAIN)
    call = Rules(pin=[Pin(item_id="B01", position=1)], calibration=0.2, seed=3)
    both = shop.plus(call)
    assert [pin.item_id for pin in both.pin] == ["B09", "B01"]
    assert (both.diversity, both.calibration, both.seed) == (0, 0.2, 3)
    assert both.explore == shop.explore
    assert shop.plus(Rules()) == shop
    assert Rules().plus(shop) == shop


def test_a_call_sets_a_setting_back_to_what_is_usual():
    shop = Rules(diversity=0.5, exclude_shown=False, seed=7, explore=Explore(days=3, share=0.1))
    back = shop.plus(Rules(diversity=0, exclude_shown=True, seed=0, explore=None))
    assert (back.diversity, back.exclude_shown, back.seed, back.explore) == (0, True, 0, None)
    assert shop.plus(Rules(calibration=0)) == shop
    other = shop.plus(Rules(calibration=0.3))
    assert (other.diversity, other.calibration) == (0, 0.3)
    assert Rules(calibration=0.3).plus(Rules(diversity=0.2, calibration=0)).diversity == 0.2
    assert other.plus(Rules(diversity=0)) == other


def test_rules_stay_the_same_objects_and_together_are_bounded():
    deep = Compare("eq", "brand", "Acme")
    for _ in range(MAX_DEPTH - 2):
        deep = Not(deep)
    call = Rules(hide=[Hide(condition=deep)])
    assert Rules.of(PLAIN).plus(call).hide[-1] is call.hide[0]
    many = Rules(hide=[Hide(item_ids=("a",))] * 150)
    with pytest.raises(ConfigError, match=r"rules\.hide: .*at most 200"):
        many.plus(many)


def test_when_there_is_nothing_to_do():
    assert Rules().idle
    assert Rules(exclude_shown=False, seed=4).idle
    assert Rules().pool(7) == 7
    for rules in (Rules(diversity=0.1), Rules(caps=[Cap(field="brand", at_most=1)]), Rules.of(PLAIN)):
        assert not rules.idle
        assert rules.pool(7) == 200
        assert rules.pool(50) == 500


def test_how_the_trace_calls_a_rule():
    assert Hide(item_ids=("a", "b")).label == "a, b"
    assert Boost(condition="price > 3", item_ids=("a",), by=2).label == "price > 3, a"
    assert Boost(condition="price > 3", by=2, name="dear").label == "dear"
    assert len(Boost(condition=f"brand = '{'x' * 200}'", by=2).label) == 60


def test_a_page_takes_lists_from_several_threads():
    page = Page()
    threads = [threading.Thread(target=lambda n=n: [page.add([f"{n}-{i}"]) for i in range(500)]) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(page) == len(set(page.item_ids)) == 2000
