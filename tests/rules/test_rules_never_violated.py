"""Filters, exclusions and rules hold in every list, also when only three items pass, or none."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.filters import Exclusions, compile_where, parse
from recsys.requests import without
from recsys.rules import Boost, Bury, Cap, Explore, Hide, Page, Pin, Rules, apply
from recsys.testing.strategies import slates as any_slates
from recsys.testing.worlds import DAY, START, requests_of, small_shop
from recsys.types import Notes, Slates

WORLD = small_shop()
SHOP = WORLD.items
REQUESTS = requests_of(WORLD)
NOW = REQUESTS[0].now
N = len(SHOP)
EVERYTHING = Slates.of([range(N)])
ids = st.sampled_from([*SHOP.ids, "no-such-item"])
aims = st.one_of(
    st.fixed_dictionaries({"item_ids": st.lists(ids, min_size=1, max_size=4)}),
    st.fixed_dictionaries(
        {"if": st.sampled_from(['category = "Garden"', "price < 20", 'attributes.material = "steel"', "NOT TRUE"])}
    ),
)
windows = st.sampled_from([{}, {"from": "2001-01-01T00:00:00Z"}, {"until": "2001-01-01T00:00:00Z"}])


def some(*parts, size=3):
    def joined(values):
        return {name: value for part in values for name, value in part.items()}

    return st.lists(st.tuples(*parts, windows).map(joined), max_size=size)


def by(low, high):
    return st.fixed_dictionaries({"by": st.floats(low, high)})


values = st.sampled_from([None, "Garden", "Home"])
caps = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["category", "brand", "parent_id", "attributes.material"]),
        "at_most": st.integers(0, 3),
    },
    optional={"value": values},
)
pins = st.fixed_dictionaries({"item_id": ids, "position": st.integers(1, 12)})
explore = st.none() | st.one_of(
    st.fixed_dictionaries(
        {"days": st.sampled_from([1, 200, 400]), "positions": st.lists(st.integers(1, 12), min_size=1)}
    ),
    st.fixed_dictionaries({"days": st.sampled_from([200, 400]), "share": st.floats(0.05, 1)}),
)  # fmt: skip
plain_rules = st.fixed_dictionaries(
    {"boost": some(aims, by(1.01, 100)), "bury": some(aims, by(0, 0.99)), "hide": some(aims, size=1),
     "pin": some(pins, size=4), "caps": some(caps, size=2), "explore": explore, "seed": st.integers(0, 3)},
    optional={"diversity": st.floats(0, 1)},
)  # fmt: skip


@st.composite
def masks(draw):
    """None, none at all, three items, or many."""
    few = draw(st.sampled_from([None, 0, 1, 3, 20]))
    if few is None:
        return None
    out = np.zeros(N, dtype=np.bool_)
    out[draw(st.lists(st.integers(0, N - 1), min_size=few, max_size=few, unique=True))] = True
    return out


@st.composite
def calls(draw):
    given_slates = draw(any_slates(N, odd=True))
    requests = [replace(REQUESTS[draw(st.integers(0, len(REQUESTS) - 1))], allowed=draw(masks())) for _ in given_slates]
    return given_slates, requests


@settings(max_examples=400, deadline=None)
@given(calls(), plain_rules, st.integers(1, 12), st.sets(ids, max_size=4))
def test_no_list_breaks_a_rule(call, plain, k, shown):
    given_slates, requests = call
    rules = Rules.of({name: value for name, value in plain.items() if value is not None})
    items = SHOP.without(np.array([7], dtype=np.int32))
    out = apply(rules, given_slates, requests, items, k, page=shown)
    assert len(out) == len(requests)
    assert not np.isnan(out.scores).any()
    for i, (one, request, before) in enumerate(zip(out, requests, given_slates, strict=True)):
        rows = one.items.tolist()
        names = SHOP.vocabulary.ids(one.items)
        assert len(rows) == len(set(rows)) <= k
        assert (one.scores[1:] <= one.scores[:-1]).all()
        assert one.columns["row_twice"].tolist() == [2 * r if r in before.items else 0 for r in rows]
        # The mask, the shop, the page and the hide rules are above all others.
        permitted = items.available.copy() if request.allowed is None else items.available & request.allowed
        permitted[SHOP.vocabulary.rows([s for s in shown if s in SHOP.vocabulary])] = False
        visible = rules.visible(items, request.now)
        permitted &= True if visible is None else visible
        assert permitted[rows].all()
        pinned = pins_hold(rules, request, permitted, names, k)
        caps_hold(rules, request, rows, names, pinned)
        # The list is as long as it can be: what was left out is forbidden or capped.
        candidates = {r for r in before.items.tolist() if permitted[r]}
        if not rules.caps:
            assert len(rows) >= min(k, len(candidates))
            assert (len(rows) == k) or candidates <= set(rows)
        note = out.notes[i] if out.notes else Notes()
        assert all(isinstance(text, str) for text in note.applied)
        assert note.warnings[:1] == ((f"request {i}",))


def pins_hold(rules, request, permitted, names, k):
    """Every pin that may be shown stands where it is wanted, else at the first place below that is left, else last."""
    pinned = {}
    for pin in rules.pin:
        row = SHOP.vocabulary.row(pin.item_id)
        if row >= 0 and permitted[row] and pin.position <= k and pin.applies([request])[0]:
            pinned.setdefault(pin.item_id, pin.position)
    free = Counter(pinned.values())
    for name, position in pinned.items():
        if all(n == 1 for n in free.values()):
            assert name in names
            place = names.index(name) + 1
            assert place == position or (place < position and set(names[place - 1 :]) <= set(pinned))
    return set(pinned)


def caps_hold(rules, request, rows, names, pinned):
    for cap in rules.caps:
        if not cap.applies([request])[0]:
            continue
        counts, fixed = Counter(), Counter()
        for row, name in zip(rows, names, strict=True):
            for value in values_of(row, cap.field):
                if cap.value in (None, value):
                    counts[value] += 1
                    fixed[value] += name in pinned
        for value, n in counts.items():
            assert n <= max(cap.at_most, fixed[value])


def values_of(row, field):
    item = SHOP.item(row)
    match field:
        case "category":
            return set(item.categories)
        case "brand":
            return {item.brand} - {None}
        case "parent_id":
            return {item.parent_id} - {None}
    return {item.attributes[field.removeprefix("attributes.")]}


THREE = 'item_id IN ("SKU-001", "SKU-020", "SKU-033")'
WHERES = ["TRUE", "price < 12", 'brand = "Quillon" AND stock > 1', THREE, "FALSE"]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(WHERES), st.integers(0, len(REQUESTS) - 1), st.sampled_from([None, 0, 30, 1000]),
    plain_rules, st.booleans(),
)  # fmt: skip
def test_filters_and_exclusions_hold_whatever_the_rules(where, who, days, plain, variants):
    rules = Rules.of({name: value for name, value in plain.items() if value is not None})
    exclusions = Exclusions(
        item_ids=("SKU-001",), repurchase_days={} if days is None else {"Garden": days}, hide_variants=variants
    )
    mask = compile_where(SHOP, parse(where))
    request = REQUESTS[who]
    hidden = exclusions.hidden(SHOP, request.history, request.now)
    request = replace(request, allowed=without(mask, hidden))
    out = apply(rules, EVERYTHING, [request], SHOP, 10)
    assert mask[out.items].all()
    assert not np.isin(out.items, hidden).any()
    if not (rules.caps or rules.hide):
        assert len(out.items) == min(10, int(request.allowed.sum()))


def test_three_items_and_every_rule_at_once():
    rules = Rules(
        boost=[Boost(condition="TRUE", by=3)], bury=[Bury(condition="price < 50", by=0.1)],
        pin=[Pin(item_id="SKU-020", position=2), Pin(item_id="SKU-005", position=1)],
        hide=[Hide(item_ids=("SKU-033",))], caps=[Cap(field="brand", at_most=1)], diversity=0.5,
        explore=Explore(days=400, share=0.5),
    )  # fmt: skip
    mask = compile_where(SHOP, parse(THREE))
    request = replace(REQUESTS[0], allowed=mask, now=START + DAY)
    out = apply(rules, EVERYTHING, [request], SHOP, 10, page=Page())
    assert SHOP.vocabulary.ids(out.items) == ["SKU-001", "SKU-020"]
    nothing = apply(rules, EVERYTHING, [replace(request, allowed=np.zeros(N, dtype=np.bool_))], SHOP, 10)
    assert nothing.items.tolist() == []
    assert set(nothing.notes[0].warnings) == {
        "pin SKU-020@2: the item may not be shown here", "pin SKU-005@1: the item may not be shown here",
    }  # fmt: skip
