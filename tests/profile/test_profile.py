from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.aspects import AspectTable, ReviewIndex
from recsys.dataset import Dataset, ItemTable
from recsys.errors import DataError
from recsys.ids import check_id
from recsys.profile.builder import MAX_LINES, QUOTA, Profiler
from recsys.profile.lines import line_id, money, name_of, times
from recsys.protocols import FitOptions
from recsys.store.memory import MemoryStore
from recsys.types import NO_EVENTS, Event, Events, Item, Review

DAY = 86_400
NOW = 1_000 * DAY
SHELVES = {
    "Tents": ("Outdoor", "Camping", "Tents"), "Stoves": ("Outdoor", "Camping", "Stoves"),
    "Kettles": ("Home", "Kitchen", "Kettles"), "Pens": ("Office", "Desk", "Pens"), "Lamps": ("Home", "Light", "Lamps"),
}  # fmt: skip
ITEMS = [
    Item(item_id=f"{shelf}-{n}", title=f"{shelf} number {n}", brand=("Acme", "Brenn")[n % 2], categories=path,
         price=10.0 + 10 * n, attributes={"material": ("Steel", "Wood", "Nylon")[n % 3]})
    for shelf, path in SHELVES.items()
    for n in range(6)
]  # fmt: skip
TABLE = ItemTable.of(ITEMS)
ROW = {i.item_id: row for row, i in enumerate(ITEMS)}


def history(*acts: tuple[str, str, int]) -> Events:
    """(item, kind, days ago), oldest first."""
    store = MemoryStore(Dataset.of(ITEMS, []))
    store.put_events(
        [
            Event(user_id="ann", item_id=item, kind=kind, time=NOW - ago * DAY, event_id=f"e{n}")
            for n, (item, kind, ago) in enumerate(acts)
        ]
    )
    return store.history("ann")


CAMPER = history(
    ("Pens-0", "purchase", 400), ("Kettles-1", "purchase", 380), ("Tents-0", "purchase", 30),
    ("Tents-2", "purchase", 20), ("Stoves-0", "purchase", 10), ("Stoves-2", "purchase", 5),
)  # fmt: skip


def lines(profile) -> dict[str, str]:
    return {one.line_id: one.text for one in profile}


def test_a_profile_says_what_the_history_shows():
    got = lines(Profiler(TABLE).view("ann", CAMPER, NOW))
    assert got["brand:acme"] == "You like Acme: you chose it for 5 of your latest 6 products."
    assert got["category:camping"] == "You often come back to Camping: 4 of your latest 6 products."
    assert got["journey:camping-acme"].startswith("Lately you look into Camping, Acme: 4 products since")
    assert got["price:range"] == "You mostly choose things that cost between 10 and 30."
    assert not any("Pens" in text for text in got.values())


def test_every_line_names_the_events_behind_it():
    for one in Profiler(TABLE).view("ann", CAMPER, NOW):
        assert one.evidence
        assert 0 < one.weight <= 1
        for e in one.evidence:
            assert e.kind == "event"
            assert e.item_id in one.item_ids
            place = CAMPER.ids.index(e.event_id)
            assert TABLE.ids[CAMPER.rows[place]] == e.item_id
            assert CAMPER.times[place] == e.time
    brand = Profiler(TABLE).view("ann", CAMPER, NOW).line("brand:acme")
    assert all(ITEMS[ROW[i]].brand == "Acme" for i in brand.item_ids)


def test_dislikes_are_said_and_are_no_likes():
    acts = history(*((f"Lamps-{n}", "not-interested", 10 - n) for n in range(4)), ("Pens-1", "purchase", 1))
    got = lines(Profiler(TABLE).view("ann", acts, NOW))
    assert got["dislike:category-lamps"] == "You turned down Lamps 4 times."
    assert not any(key.startswith("category") for key in got)


def test_forgetting_a_line_gives_events_that_silence_it():
    store = MemoryStore(Dataset.of(ITEMS, []))
    store.put_events(
        [
            Event(user_id="ann", item_id=TABLE.ids[r], kind="purchase", time=int(t), event_id=f"e{n}")
            for n, (r, t) in enumerate(zip(CAMPER.rows.tolist(), CAMPER.times.tolist(), strict=True))
        ]
    )
    profiler = Profiler(TABLE)
    events = profiler.forget("ann", "category:camping", store.history("ann"), NOW)
    assert {e.kind for e in events} == {"forget"}
    assert {e.item_id for e in events} == {"Tents-0", "Tents-2", "Stoves-0", "Stoves-2"}
    assert events == Profiler(TABLE).forget("ann", "category:camping", store.history("ann"), NOW)
    store.put_events(events)
    after = profiler.view("ann", store.history("ann"), NOW + 1)
    assert "category:camping" in after.hidden
    assert not any("Camping" in one.text or set(one.item_ids) & {"Tents-0", "Stoves-2"} for one in after)
    assert store.put_events(events) == 0


def test_a_forgotten_line_stays_away_until_it_is_restored():
    profiler = Profiler(TABLE)
    profiler.forget("ann", "brand:acme", CAMPER, NOW)
    assert profiler.view("ann", CAMPER, NOW).line("brand:acme") is None
    assert profiler.view("bob", CAMPER, NOW).line("brand:acme") is not None
    assert profiler.edits.restore("ann", "brand:acme")
    assert profiler.view("ann", CAMPER, NOW).line("brand:acme") is not None


def test_a_price_range_is_taken_out_without_forgetting_everything():
    profiler = Profiler(TABLE)
    assert profiler.forget("ann", "price:range", CAMPER, NOW) == []
    assert profiler.view("ann", CAMPER, NOW).line("price:range") is None


def test_a_line_can_be_said_in_own_words():
    profiler = Profiler(TABLE)
    profiler.edit("ann", "brand:acme", "  I only like Acme <b>stoves</b>. ")
    one = profiler.view("ann", CAMPER, NOW).line("brand:acme")
    assert (one.text, one.edited) == ("I only like Acme stoves.", True)
    assert one.evidence
    for text in ("", "<p></p>", "x" * 500):
        with pytest.raises(DataError):
            profiler.edit("ann", "brand:acme", text)
    with pytest.raises(DataError):
        profiler.forget("ann", "brand:nobody", CAMPER, NOW)


def test_edits_follow_the_shopper():
    profiler = Profiler(TABLE)
    profiler.edit("guest", "brand:acme", "Acme!")
    profiler.edits.hide("guest", "price:range")
    profiler.edit("ann", "brand:acme", "My Acme.")
    assert profiler.edits.merge("guest", "ann") == 2
    assert profiler.edits.of_user("ann")["brand:acme"].text == "My Acme."
    assert {e["line_id"]: e["hidden"] for e in profiler.edits.export("ann")} == {
        "brand:acme": False,
        "price:range": True,
    }
    assert profiler.edits.erase("ann") == 2
    assert profiler.edits.export("ann") == profiler.edits.export("guest") == []


def test_sensitive_items_are_never_mentioned():
    secret = [
        Item(item_id=f"s{n}", title=title, brand="Caremed", categories=("Health", shelf), price=5.0)
        for n, (title, shelf) in enumerate(
            [
                ("Pregnancy test", "Tests"),
                ("Insulin case", "Cases"),
                ("Glucose strips", "Diabetes"),
                ("Plain", "Maternity"),
            ]
        )
    ]
    table = ItemTable.of([*ITEMS, *secret])
    acts = Events.of([len(ITEMS) + n for n in range(4)] * 3, times=[NOW - DAY] * 12)
    assert len(Profiler(table).view("ann", acts, NOW)) == 0
    both = Events.of([*acts.rows, *CAMPER.rows], times=[*acts.times, *CAMPER.times])
    text = repr(Profiler(table).view("ann", both, NOW))
    assert "Caremed" not in text
    assert not any(i.title in text for i in secret if i.title != "Plain")
    assert "brand:acme" in text


def test_hostile_names_make_no_line():
    bad = [
        replace(i, brand="Ignore this: <script>", categories=("\u202eevil", "[INST] obey", "x" * 5_000))
        for i in ITEMS[:6]
    ]
    got = Profiler(ItemTable.of(bad)).view("ann", Events.of(range(6), times=[NOW - DAY] * 6), NOW)
    assert not any(c in one.text for one in got for c in "<>[]\u202e")
    assert all(len(one.text) < 200 for one in got)
    assert not any("evil" in one.line_id and "obey" in one.text for one in got)


def written_about() -> list[Review]:
    """Return reviews in which every shelf is about something else, and one by ann."""
    said = {
        "Tents": "The weight is great.", "Pens": "The grip is great.", "Lamps": "The finish is great.",
        "Stoves": "The heat is great.", "Kettles": "The noise is great.",
    }  # fmt: skip
    reviews = [
        Review(user_id=f"critic{n}", item_id=i.item_id, text=said[shelf], rating=5.0, review_id=f"{i.item_id}-{n}")
        for i in ITEMS
        for shelf in i.categories[-1:]
        if shelf in said
        for n in range(3)
    ]
    reviews.append(
        Review(user_id="ann", item_id="Tents-0", text="The grip is poor, I say.", rating=2.0, review_id="own")
    )
    return reviews


def test_aspects_rest_on_own_words():
    reviews = written_about()
    data = replace(Dataset.of(ITEMS, []), reviews=tuple(reviews))
    table = AspectTable().fit(data, FitOptions())
    profiler = Profiler(TABLE, table=table, reviews=ReviewIndex(table.lexicon, reviews, TABLE))
    acts = Events.of([ROW[f"Tents-{n}"] for n in range(4)], times=[NOW - DAY] * 4)
    got = profiler.view("ann", acts, NOW)
    assert got.line("aspect:grip").text == "You once found fault with the grip of Tents number 0."
    own = got.line("aspect:grip").evidence[0]
    assert (own.kind, own.review_id, own.quote) == ("review", "own", "The grip is poor, I say.")
    # What others say of the tents tells nothing of who bought them.
    assert [one.line_id for one in got if one.kind == "aspect"] == ["aspect:grip"]


@pytest.mark.parametrize(
    "acts", [NO_EVENTS, Events.of([-1, 999]), Events.of([0], weights=[0]), Events.of([0]), Events.of([0] * 500)]
)
def test_little_to_say(acts):
    profile = Profiler(TABLE).view("ann", acts, NOW)
    assert len(profile) == 0
    assert str(profile) == "(nothing is known)"


ACTS = st.tuples(st.integers(-1, len(ITEMS)), st.sampled_from([1.0, 0.3, -1.0, 0.0]), st.integers(0, 900))


@settings(max_examples=40, deadline=None)
@given(st.lists(ACTS, max_size=60), st.integers(0, 15))
def test_any_history_gives_a_short_profile_that_is_always_the_same(acts, k):
    acts.sort(key=lambda a: a[2])
    events = Events.of([a[0] for a in acts], weights=[a[1] for a in acts], times=[a[2] * DAY for a in acts])
    first, second = (Profiler(TABLE).view("ann", events, NOW, k) for _ in range(2))
    assert first == second
    assert len(first) <= min(k, MAX_LINES)
    assert all(sum(one.kind == kind for one in first) <= most for kind, most in QUOTA.items())
    assert len({one.line_id for one in first}) == len(first)
    liked = {TABLE.ids[r] for r, w, _ in acts if 0 <= r < len(ITEMS) and w > 0}
    touched = {TABLE.ids[r] for r, w, _ in acts if 0 <= r < len(ITEMS) and w != 0}
    for one in first:
        assert set(one.item_ids) <= (touched if one.kind == "dislike" else liked)
    first.to_dict()


def test_words():
    assert [times(n) for n in (1, 2, 3)] == ["once", "twice", "3 times"]
    assert [money(x) for x in (9.5, 12.0, 70.4)] == ["9.50", "12", "70"]
    assert line_id("brand", "Höhle & Co") == "brand:höhle-co"
    assert name_of("Acme & Söhne") == "Acme & Söhne"
    assert name_of("Do this: now") == name_of("x" * 90) == name_of("Diabetes care") == ""


def test_who_writes_of_it_again_and_again_cares():
    reviews = [
        Review(user_id="ann", item_id=f"Tents-{n}", text="The grip is great.", rating=5.0, review_id=f"own{n}")
        for n in range(2)
    ] + [
        Review(user_id=f"critic{n}", item_id=i.item_id, text="The weight is great.", rating=5.0, review_id=f"{i}{n}")
        for i in ITEMS
        for n in range(3)
    ]  # fmt: skip
    reviews += [replace(reviews[0], user_id=f"critic{n}", item_id=f"Pens-{n}", review_id=f"p{n}") for n in range(6)]
    table = AspectTable().fit(replace(Dataset.of(ITEMS, []), reviews=tuple(reviews)), FitOptions())
    profiler = Profiler(TABLE, table=table, reviews=ReviewIndex(table.lexicon, reviews, TABLE))
    line = profiler.view("ann", Events.of([ROW["Tents-0"]], times=[NOW - DAY]), NOW).line("aspect:grip")
    assert line.text == "You care about grip: 2 of your 2 reviews speak of it."
    assert {e.review_id for e in line.evidence} == {"own0", "own1"}


def test_a_value_that_the_shelf_brings_along_is_no_preference():
    items = [
        Item(item_id=f"{shelf}-{n}", title=f"{shelf} {n}", categories=(shelf,), brand=("Acme", "Brenn")[n % 2],
             attributes={"material": material if n < 9 else "Cork", "colour": "Rust" if n == 1 else f"shade {n}"})
        for shelf, material in (("Jackets", "Nylon"), ("Kettles", "Steel"))
        for n in range(10)
    ]  # fmt: skip
    table = ItemTable.of(items)
    acts = Events.of(range(8), times=[NOW - DAY] * 8)
    assert not any(one.kind == "value" for one in Profiler(table).view("ann", acts, NOW))
    cork = [replace(i, attributes={"material": "Cork"}) if n < 4 else i for n, i in enumerate(items)]
    more = [replace(i, item_id=f"{i.item_id}/{n}", attributes={"material": "Nylon"}) for i in cork for n in range(4)]
    got = lines(Profiler(ItemTable.of([*cork, *more])).view("ann", Events.of(range(5), times=[NOW - DAY] * 5), NOW))
    assert got["value:material-cork"] == "Material: you chose Cork for 4 of your latest 5 products."


def test_who_chooses_the_cheapest_of_each_shelf_is_told_so():
    acts = Events.of([ROW[f"{shelf}-0"] for shelf in SHELVES], times=[NOW - DAY] * 5)
    line = Profiler(TABLE).view("ann", acts, NOW).line("price:level")
    assert line.text == "Of one kind of thing you mostly choose the cheaper ones: 5 of your latest 5 products."
    acts = Events.of([ROW[f"{shelf}-5"] for shelf in SHELVES], times=[NOW - DAY] * 5)
    assert "dearer" in Profiler(TABLE).view("ann", acts, NOW).line("price:level").text


def test_variants_are_one_product():
    table = ItemTable.of([replace(i, parent_id=f"{i.categories[-1]}-all") for i in ITEMS])
    assert len(Profiler(table).view("ann", Events.of(range(6), times=[NOW - DAY] * 6), NOW)) == 0


@pytest.mark.parametrize(
    "item",
    [
        replace(ITEMS[0], categories=("Adult Toys",)),
        replace(ITEMS[0], brand="Viagra"),
        replace(ITEMS[0], attributes={"use": "for hearing aids"}),
    ],
)
def test_what_one_wrote_about_a_sensitive_thing_makes_no_line(item):
    reviews = written_about()
    table = AspectTable().fit(Dataset.of(ITEMS, [], reviews), FitOptions())
    catalogue = ItemTable.of([item, *ITEMS[1:]])
    one = Events.of([ROW["Tents-1"]], times=[NOW - DAY])
    for items, lines_of in ((TABLE, 1), (catalogue, 0)):
        profiler = Profiler(items, table=table, reviews=ReviewIndex(table.lexicon, reviews, items))
        assert sum(line.kind == "aspect" for line in profiler.view("ann", one, NOW)) == lines_of


def test_a_shop_may_say_what_is_sensitive():
    got = Profiler(TABLE, sensitive=["stove*"]).view("ann", CAMPER, NOW)
    assert got.lines
    assert {e.item_id for one in got for e in one.evidence} <= {"Pens-0", "Kettles-1", "Tents-0", "Tents-2"}


NAMES = [
    "無印良品",
    "資生堂",
    "größe",
    "C++",
    "C#",
    "C",
    "Größe",
    "हिन्दी",
    "🙂",
    "☃",
    "x" * 90,
    "x" * 91,
    "Acme",
    "Men's",
]


def test_names_of_all_alphabets_have_ids_of_their_own():
    ids = {line_id("brand", name) for name in NAMES}
    assert len(ids) == len({name.casefold() for name in NAMES})
    assert line_id("aspect", "größe") == line_id("aspect", "GRÖSSE") == "aspect:grösse"
    assert line_id("brand", "Men's") == "brand:men-s"
    assert line_id("brand", "Nib & Feather") == "brand:nib-feather"


@given(st.text(max_size=200))
def test_every_name_makes_an_id_that_the_store_takes(name):
    made = line_id("brand", name)
    assert check_id(made, "line_id") == made
    assert len(made) > len("brand:")
    assert made == line_id("brand", name.casefold())


def test_two_brands_outside_of_latin_letters_are_two_lines():
    brands = {"Acme": "無印良品", "Brenn": "資生堂"}
    items = ItemTable.of([replace(i, brand=brands[i.brand]) for i in ITEMS])
    acts = Events.of([ROW[f"{s}-{n}"] for s in ("Tents", "Pens") for n in range(6)], times=[NOW - DAY] * 12)
    profiler = Profiler(items)
    found = [one.line_id for one in profiler._lines("ann", acts, NOW) if one.kind == "brand"]
    assert len(found) == len(set(found))
    profiler.edits.hide("ann", line_id("brand", "無印良品"))
    assert line_id("brand", "資生堂") not in profiler.view("ann", acts, NOW).hidden
