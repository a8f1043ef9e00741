"""Rules over lists that show one variant of each product."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import ItemTable
from recsys.rules import Boost, Bury, Cap, Explore, Page, Pin, Rules, apply
from recsys.search.fold import Parents, below, first_products, fold
from recsys.types import Item, Request, Slates

# Two variants of A, three of B, and four products of their own.
NAMES = ["A1", "A2", "B1", "B2", "B3", "c", "d", "e", "f"]
SHOP = ItemTable.of(
    Item(
        item_id=name, parent_id=name[0] if name[0].isupper() else None, brand="Acme" if name < "c" else "Bolt",
        attributes={"colour": "red" if name in ("A2", "B3") else "blue"},
    )
    for name in NAMES
)  # fmt: skip
PARENTS = Parents.of(SHOP)
ASKED = Request(text="shirt")


def slates(*names: str) -> Slates:
    return Slates.of([SHOP.vocabulary.rows(names).tolist()], [[-float(i) for i in range(len(names))]])


def listed(rules: Rules, *names: str, k: int = 10, **more) -> list[str]:
    out = apply(rules, slates(*names), [ASKED], SHOP, k, parents=PARENTS, **more)
    return SHOP.vocabulary.ids(out.items)


def test_a_pinned_variant_stands_for_its_product():
    rules = Rules(pin=[Pin(item_id="A2", position=1, query="shirt")])
    assert listed(rules, "c", "A1", "d", "A2") == ["A2", "c", "d"]
    assert listed(rules, "c", "A1", "d") == ["A2", "c", "d"]  # also when only its sibling was found
    assert listed(rules, "c", "d", k=2) == ["A2", "c"]


def test_of_two_pinned_variants_the_higher_one_is_shown():
    pins = [Pin(item_id="B3", position=2, query="shirt"), Pin(item_id="B1", position=1, query="shirt")]
    out = apply(Rules(pin=pins), slates("c", "B2"), [ASKED], SHOP, 5, parents=PARENTS)
    assert SHOP.vocabulary.ids(out.items) == ["B1", "c"]
    assert out.notes[0].warnings == ("pin B3@2: the item may not be shown here",)


def test_a_boost_chooses_the_variant():
    red = Rules(boost=[Boost(condition='attributes.colour = "red"', by=100)])
    assert listed(red, "c", "A1", "d", "A2") == ["A2", "c", "d"]
    blue = Rules(bury=[Bury(condition='attributes.colour = "blue"', by=0)])
    assert listed(blue, "c", "A1", "d", "A2")[0] == "A2"
    assert listed(Rules(boost=[Boost(item_ids=("d",), by=1.1)]), "c", "A1", "d", "A2") == ["c", "A1", "d"]


def test_what_a_page_shows_is_not_repeated_as_another_variant():
    page = Page(["A2", "e"])
    assert listed(Rules(), "c", "A1", "e", "d", page=page) == ["c", "d"]
    assert listed(Rules(exclude_shown=False), "c", "A1", "d", page=page) == ["c", "A1", "d"]


def test_caps_count_products():
    capped = Rules(caps=[Cap(field="brand", at_most=2, value="Acme")])
    assert listed(capped, "A1", "A2", "B1", "c") == ["A1", "B1", "c"]


def test_an_order_that_was_asked_for_stays():
    page = Page(["e"])
    assert listed(Rules(boost=[Boost(item_ids=("A2",), by=9)]), "c", "A1", "e", "A2", in_order=True, page=page) == [
        "c",
        "A1",
    ]


pins = st.lists(st.builds(Pin, item_id=st.sampled_from(NAMES), position=st.integers(1, 6), query=st.just("shirt")))
boosts = st.lists(
    st.builds(Boost, item_ids=st.lists(st.sampled_from(NAMES), min_size=1).map(tuple), by=st.floats(1.5, 9))
)
explore = st.none() | st.just(Explore(days=9, positions=(2, 4), query="shirt"))
lists = st.lists(st.sampled_from(NAMES), unique=True)


@settings(deadline=None)
@given(lists, pins, boosts, explore, lists, st.integers(1, 8))
def test_no_product_comes_twice(found, pinned, boosted, new, shown, k):
    rules = Rules(pin=pinned, boost=boosted, explore=new)
    out = listed(rules, *found, k=k, page=Page(shown))
    products = [name[0] for name in out]
    assert len(set(products)) == len(products) <= k
    assert not {name[0] for name in shown} & set(products)
    # As long as it can be: a product that was found and may be shown is left out only where the list is full.
    assert len(out) == k or {name[0] for name in found} - {name[0] for name in shown} <= set(products)
    for pin in pinned:
        due = pin.position <= k and pin.item_id[0] not in {name[0] for name in shown}
        assert not due or pin.item_id[0] in products or len(out) == k


@settings(deadline=None)
@given(lists)
def test_without_rules_it_is_the_fold(found):
    given_slates = slates(*found)
    out = apply(Rules(), given_slates, [ASKED], SHOP, 20, parents=PARENTS)
    folded, rest = fold(given_slates, PARENTS)
    assert out.items.tolist() == folded.items.tolist()
    under = below(out.items, given_slates.items, PARENTS)
    assert [under.get(row, np.empty(0)).tolist() for row in out.items.tolist()] == [
        rest[i].tolist() for i in range(len(folded.items))
    ]


@settings(deadline=None)
@given(st.lists(lists, min_size=1, max_size=3), st.integers(0, 6))
def test_the_first_products_keep_all_their_variants(many, n):
    given_slates = Slates.of([SHOP.vocabulary.rows(names).tolist() if names else [] for names in many])
    got = first_products(given_slates, PARENTS, n)
    for names, one in zip(many, got, strict=True):
        wanted = list(dict.fromkeys(name[0] for name in names))[:n]
        assert SHOP.vocabulary.ids(one.items) == [name for name in names if name[0] in wanted]
