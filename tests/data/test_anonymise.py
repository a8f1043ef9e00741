import re

import numpy as np

from recsys.candidates.bm25 import BM25
from recsys.data.altered import full_name, remarks
from recsys.data.anonymise import anonymised
from recsys.dataset import Dataset
from recsys.protocols import FitOptions
from recsys.types import Event, Item, Request, Review, Search

WORD = re.compile(r"\w+")


def shop():
    items = [
        Item(item_id="a", title="Star Wars (1977)", brand="Lucas Film", categories=("Science Fiction", "Classics"),
             attributes={"director": "George Lucas", "minutes": 121.0, "cast": ("Mark Hamill", "Carrie Fisher")}),
        Item(item_id="b", title="STAR Trek: the Film", text="A film, set in space.", categories=("Science Fiction",)),
        Item(item_id="c", title="Groundhog Day", text="A film about a day.", categories=("Comedy",), price=9.99),
        Item(item_id="d"),
    ]  # fmt: skip
    events = [Event(user_id=f"u{n}", item_id=i, time=1_700_000_000 + n) for n, i in enumerate("abcab")]
    reviews = [Review(user_id="u0", item_id="a", text="The star of the day.", summary="Star")]
    searches = [Search(user_id="u0", text="space film", time=1_700_000_000)]
    return Dataset.of(items, events, reviews, searches=searches, name="films")


def words(data):
    texts = [data.items.text(row) for row in range(len(data.items))]
    texts += [r.text + " " + r.summary for r in data.reviews] + [s.text for s in data.searches]
    return WORD.findall(" ".join(texts))


def test_words_map_one_to_one_everywhere():
    plain, opaque = shop(), anonymised(shop())
    before, after = words(plain), words(opaque)
    pairs = {(a.casefold(), b.casefold()) for a, b in zip(before, after, strict=True)}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
    assert not {a for a, _ in pairs} & {b for _, b in pairs}
    assert all(re.fullmatch("[bcdfghjklmnpqrstvwxz]{4}", b) for _, b in pairs)


def test_the_shape_of_texts_stays_and_so_does_all_that_is_no_text():
    plain = shop()
    opaque = anonymised(plain)
    assert re.fullmatch(r"[A-Z][a-z]{3} [A-Z][a-z]{3} \([a-z]{4}\)", opaque.items.titles[0])
    assert opaque.items.titles[1].split()[0].isupper()
    assert opaque.items.titles[3] == ""
    assert opaque.items.attributes[0]["minutes"] == 121.0
    assert list(opaque.items.attributes[0]) == ["director", "minutes", "cast"]
    assert opaque.items.ids == plain.items.ids
    assert opaque.items.prices.tolist()[2] == plain.items.prices.tolist()[2]
    assert opaque.log is plain.log
    assert opaque.items.categories[0][0] == opaque.items.categories[1][0]


def test_it_follows_the_seed_and_says_what_it_is():
    titles = [anonymised(shop(), seed).items.titles for seed in (1, 1, 2)]
    assert titles[0] == titles[1] != titles[2]
    assert full_name(anonymised(shop())) == "films, anonymised"
    assert f"All {len({w.casefold() for w in words(shop())})} words" in remarks(anonymised(shop()))[0]


def test_opaque_words_are_never_words_of_the_data():
    taken = Dataset.of([Item(item_id="x", title="bbbb cccc " + " ".join(words(anonymised(shop()))))], [], name="x")
    assert not set(words(taken)) & {w.casefold() for w in words(anonymised(taken))}


def test_words_grow_with_the_catalogue(monkeypatch):
    monkeypatch.setattr("recsys.data.anonymise.MIN_LETTERS", 1)
    for n, letters in ((5, 1), (6, 2), (100, 2), (101, 3)):
        many = Dataset.of([Item(item_id=f"i{i}", title=f"thing{i}") for i in range(n)], [], name="many")
        titles = anonymised(many).items.titles
        assert (len(set(titles)), {len(t) for t in titles}) == (n, {letters})


def test_what_overlap_of_words_finds_is_found_as_before():
    """Word overlap is all that BM25 knows; the words here are no stop words and have no endings to be cut off."""
    rng = np.random.default_rng(0)
    stock = [f"mot{chr(97 + i)}{chr(97 + j)}k" for i in range(6) for j in range(6)]
    items = [Item(item_id=f"i{n}", title=" ".join(rng.choice(stock, 4, replace=False))) for n in range(40)]
    events = [Event(user_id=f"u{n % 9}", item_id=f"i{n}", time=1_700_000_000 + n) for n in range(40)]
    plain = Dataset.of(items, events, name="words")
    found = []
    for data in (plain, anonymised(plain)):
        model = BM25(BM25.Config()).fit(data, FitOptions(seed=0))
        found.append(model.generate([Request(history=data.log.history(u)) for u in range(9)], 10))
    assert found[0].items.tolist() == found[1].items.tolist()
    np.testing.assert_allclose(found[0].scores, found[1].scores, rtol=1e-5)
