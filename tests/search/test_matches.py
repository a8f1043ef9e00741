import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.dataset import Dataset, ItemTable
from recsys.errors import ConfigError, NotFittedError
from recsys.protocols import Delta, Deps, FitOptions
from recsys.search.generator import TextSearch
from recsys.types import NO_EVENTS, Item, Request

ITEMS = [
    Item(item_id="k1", title="Red steel kettle", brand="Hearthly", categories=("Home", "Kitchen"), price=30),
    Item(item_id="k2", title="Blue steel kettle", brand="Oldcastle", categories=("Home", "Kitchen"), price=20,
         parent_id="kettle"),
    Item(item_id="k3", title="Blue steel kettle 2 l", brand="Oldcastle", categories=("Home", "Kitchen"),
         parent_id="kettle"),
    Item(item_id="l1", title="Red desk lamp", brand="Quillon", categories=("Office",), price=50,
         attributes={"material": "Brass", "dimmable": True, "ean": "4001"}),
    Item(item_id="t1", title="Television 40 inch", brand="Tarn", price=400, text="Comes with a red remote."),
    Item(item_id="w1", title="Wi-Fi router", brand="Tarn", price=60, attributes={"material": "Plastic"}),
]  # fmt: skip


def ids(search: TextSearch, rows: np.ndarray) -> list[str]:
    return search.items.vocabulary.ids(rows)


@pytest.fixture(scope="module")
def search() -> TextSearch:
    config = TextSearch.Config(synonyms=("tv, television", "cooker => kettle, desk lamp"))
    return TextSearch(config).fit(Dataset.of(ITEMS, []), FitOptions())


def test_every_word_matches_and_the_rest_follows(search):
    got = search.match(["red kettle"])
    assert ids(search, got.slates.items)[0] == "k1"
    assert got.totals.tolist() == [1]
    assert got.slates.columns["matches"].tolist() == [True, *[False] * (len(got.slates.items) - 1)]
    assert len(got.slates.items) == 5
    assert got.relaxed == ((),)
    assert got.corrections == ({},)


def test_lists_are_those_of_generate(search):
    texts = ["red kettle", "steel", "kettel blue"]
    found = search.generate([Request(text=t) for t in texts], 10)
    got = search.match(texts, n=10).slates
    assert got.items.tolist() == found.items.tolist()
    assert np.allclose(got.scores, found.scores)


def test_the_least_telling_word_is_left_out(search):
    got = search.match(["steel kettle purple"])
    assert got.dropped == (("purple",),)
    assert got.relaxed == (("no product has every word: left out 'purple'",),)
    assert got.totals.tolist() == [3]


def test_any_word_when_nothing_has_most(search):
    got = search.match(["router lamp television"])
    assert got.totals.tolist() == [3]
    assert got.relaxed[0] == ("no product has most of the words: any product with 'router', 'lamp' or 'television'",)
    assert got.dropped[0] == ()
    unknown = search.match(["router lamp television zzzzz the"])
    assert unknown.dropped[0] == ("zzzzz",)


def test_two_edits_when_nothing_else_helps(search):
    assert search.parse("ketl")[0].corrections == {}
    got = search.match(["lampp", "rotre"])
    assert got.corrections[0] == {"lampp": "lamp"}
    assert got.relaxed[0] == ()
    assert got.corrections[1] == {"rotre": "router"}
    assert got.relaxed[1] == ("read 'rotre' as 'router'",)


def test_a_word_that_no_product_has_is_corrected_boldly_before_it_is_left_out(search):
    got = search.match(["rotre fi"])
    assert got.relaxed[0] == ("read 'rotre' as 'router'",)
    assert got.totals.tolist() == [1]


def test_function_words_alone_are_no_answer(search):
    got = search.match(["with zzzzz"])
    assert got.totals.tolist() == [0]
    assert got.relaxed == ((),)
    assert not got.slates.columns["matches"].any()
    assert search.match(["with"]).totals.tolist() == [1]


def test_nothing_is_nothing(search):
    got = search.match(["zzzzqqq", "", "?!", "kettle"], allowed=np.zeros(len(ITEMS), np.bool_))
    assert len(got) == 4
    assert got.totals.tolist() == [0] * 4
    assert len(got.slates.items) == 0
    assert got.relaxed == ((),) * 4
    assert len(search.match([])) == 0


def test_relaxation_knows_the_mask(search):
    """The red kettle is not allowed: what is left has one of the words."""
    allowed = np.ones(len(ITEMS), np.bool_)
    allowed[0] = False
    got = search.match(["red kettle"], allowed)
    assert got.dropped[0]
    assert 0 not in got.slates.items


@pytest.mark.parametrize(
    ("text", "first"),
    [("tv", "t1"), ("telivision", "t1"), ("40in tv", "t1"), ("wifi", "w1"), ("wi fi", "w1"), ("kettle 2l", "k3")],
)
def test_ways_to_say_it(search, text, first):
    got = search.match([text])
    assert ids(search, got.slates.items)[0] == first
    assert got.slates.columns["matches"][0]


def test_synonyms_have_a_direction_and_may_be_phrases(search):
    got = search.match(["cooker"])
    assert set(ids(search, got.slates.items)) == {"k1", "k2", "k3", "l1"}
    assert got.totals.tolist() == [4]
    assert got.queries[0].synonyms == (("cooker", "kettle"), ("cooker", "desk lamp"))
    assert got.queries[0].corrections == {}
    assert search.match(["lamp"]).totals.tolist() == [1]


@pytest.mark.parametrize("line", ["alone", "a => b => c", "a, => ", "=> b"])
def test_broken_synonyms_are_named(line):
    with pytest.raises(ConfigError, match="line 2"):
        TextSearch(TextSearch.Config(synonyms=("# comment", line)))


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("price-asc", ["k2", "k1", "k3"]), ("price-desc", ["k1", "k2", "k3"]), ("popularity", ["k3", "k2", "k1"])],
)
def test_sorting_is_among_those_that_match(search, sort, expected):
    got = search.match(["steel kettle"], sort=sort, popularity=np.arange(len(ITEMS), dtype=np.float32))
    assert ids(search, got.slates.items) == expected
    short = search.match(["steel kettle"], sort=sort, n=1, popularity=np.arange(len(ITEMS), dtype=np.float32))
    assert ids(search, short.slates.items) == expected[:1]


def test_unknown_orders_are_refused(search):
    with pytest.raises(ConfigError, match="sort must be one of"):
        search.match(["kettle"], sort="best")
    with pytest.raises(ConfigError, match="needs the popularity"):
        search.match(["kettle"], sort="popularity")


def test_variants_are_folded_under_the_best(search):
    got = search.match(["blue kettle 2 l"], folded=True)
    assert got.variants is not None
    assert ids(search, got.slates.items)[:2] == ["k3", "k1"]
    assert ids(search, got.variants[0]) == ["k2"]
    assert all(len(got.variants[i]) == 0 for i in range(1, len(got.slates.items)))
    short = search.match(["blue kettle 2 l"], folded=True, n=1)
    assert ids(search, short.slates.items) == ["k3"]
    assert ids(search, short.variants[0]) == ["k2"]


def test_facets_count_what_matches_and_is_allowed(search):
    every = search.match(["kettle"], facets=True).facets[0]
    assert every.to_dict()["fields"] == {
        "brand": {"Oldcastle": 2, "Hearthly": 1}, "categories": {"Home": 3, "Kitchen": 3},
    }  # fmt: skip
    assert sum(p.count for p in every.prices) == 2
    allowed = np.array([True, True, False, True, True, True])
    some = search.match(["kettle"], allowed, facets=True).facets[0]
    assert some.total == 2
    assert some.to_dict()["fields"]["brand"] == {"Hearthly": 1, "Oldcastle": 1}


def test_matched_words_name_field_and_surface(search):
    assert search.matched_words("red wirless KETTLES", 0) == [("red", "title", "Red"), ("kettles", "title", "kettle")]
    assert ("red", "text", "red") in search.matched_words("red tv", 4)
    assert ("tv", "title", "Television") in search.matched_words("red tv", 4)
    assert search.matched_words("wifi", 5) == [("wifi", "title", "Wi-Fi")]
    assert search.matched_words("kettle", 99) == search.matched_words("", 0) == []


def test_a_change_shows_at_once_in_all_of_it(search):
    changed = [
        Item(item_id="k1", title="Green lantern", brand="Tarn"),
        Item(item_id="n1", title="Zircon kettle", brand="Newcomer", parent_id="kettle"),
    ]
    search.match(["kettle"], folded=True, facets=True)
    items = search.items.put(changed)
    live = search.apply(Delta(items=items, changed=np.array([0, 6], np.int32), events=NO_EVENTS))
    assert ids(live, live.match(["zircn kettle"]).slates.items)[0] == "n1"
    got = live.match(["kettle"], folded=True, facets=True)
    assert got.totals.tolist() == [3]
    assert got.facets[0].to_dict()["fields"]["brand"] == {"Oldcastle": 2, "Newcomer": 1}
    assert len(got.slates.items) == 1
    assert live.matched_words("green", 0) == [("green", "title", "Green")]
    assert search.match(["kettle"]).totals.tolist() == [3]
    assert search.match(["lantern"]).totals.tolist() == [0]


def test_without_a_catalogue_only_what_needs_it_fails(search, tmp_path):
    search.save(tmp_path)
    loaded = TextSearch.load(tmp_path, Deps())
    assert loaded.match(["tv"]).slates.items.tolist() == search.match(["tv"]).slates.items.tolist()
    with pytest.raises(NotFittedError, match="catalogue"):
        loaded.match(["tv"], facets=True)
    with pytest.raises(NotFittedError, match="catalogue"):
        loaded.matched_words("tv", 0)


TITLES = st.lists(st.text(alphabet="ab c1-", max_size=12), min_size=1, max_size=12)


@settings(deadline=None)
@given(TITLES, st.text(alphabet="ab c1-", max_size=12), st.data())
def test_lists_obey_the_mask_and_agree_with_score(titles, text, data):
    table = ItemTable.of(Item(item_id=str(i), title=t) for i, t in enumerate(titles))
    search = TextSearch().fit(Dataset(table, Dataset.of([], []).log), FitOptions())
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(titles), max_size=len(titles))))
    got = search.match([text], allowed, facets=True)
    assert allowed[got.slates.items].all()
    assert got.slates.columns["matches"].sum() == got.totals[0]
    scored = search.score([Request(text=text)], got.slates).scores
    assert got.relaxed[0] or np.allclose(scored, got.slates.scores, rtol=1e-4)
    for slot_word, field, said in search.matched_words(text, 0):
        assert field == "title"
        assert said.casefold() in titles[0].casefold()
        assert slot_word


@pytest.mark.parametrize(
    ("title", "query", "said"),
    [("The King’s Cup", "kings cup", "King’s"), ("Wi–Fi Router", "wifi", "Wi–Fi"), ("２ TB drive", "2tb", "２ TB"),
     ("Straße", "strasse", "strasse"), ("İstanbul map", "map", "map"), ("CAFÉ Crème", "creme", "Crème")],
)  # fmt: skip
def test_surface_forms_are_as_the_product_writes_them(title, query, said):
    search = TextSearch().fit(Dataset.of([Item(item_id="a", title=title)], []), FitOptions())
    assert search.matched_words(query, 0)[0][2] == said
