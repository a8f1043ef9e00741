import numpy as np
import pytest

from recsys.dataset import Dataset
from recsys.search.generator import TextSearch
from recsys.search.parse import MAX_QUERY
from recsys.testing.kits import GeneratorTests, LiveTests, TrainableTests
from recsys.testing.worlds import requests_of
from recsys.types import Request


class TestTextSearch(GeneratorTests, TrainableTests, LiveTests):
    uses_history = False

    @pytest.fixture
    def component(self):
        return lambda: TextSearch(TextSearch.Config())

    def requests(self, world: Dataset) -> list[Request]:
        titles = world.items.titles
        texts = [None, "", "kettle", "copper rake", "steel bread knife no. 3", "?!", titles[7], "toys wooden"]
        plain = [*requests_of(world), *requests_of(world, hide_seen=True)]
        return [
            Request(user=r.user, text=texts[i % len(texts)], history=r.history, allowed=r.allowed, now=r.now, k=r.k)
            for i, r in enumerate(plain)
        ]

    def test_generate_finds_something(self, component, world):
        """A search finds something for texts; without a text it has nothing to say."""
        fitted = self.ready(component, world)
        asked = [Request(text=title) for title in world.items.titles]
        found = fitted.generate(asked, 10)
        assert (found.lengths > 0).all()
        assert [int(one.items[0]) for one in found] == list(range(len(world.items)))
        assert fitted.generate(requests_of(world), 10).lengths.sum() == 0

    def test_generate_fills_up_from_allowed_rows(self, component, world):
        """Masking comes before the cut."""
        fitted = self.ready(component, world)
        texts = ["kettle", "no", "copper rake", "wooden toys"]
        full = fitted.generate([Request(text=t) for t in texts], len(world.items))
        for text, one in zip(texts, full, strict=True):
            allowed = np.zeros(len(world.items), np.bool_)
            allowed[one.items[-2:]] = True
            got = fitted.generate([Request(text=text, allowed=allowed)], 2)
            assert set(got.items.tolist()) == set(one.items[-2:].tolist())

    def test_over_an_index_that_is_made_already(self, component, world):
        """The same index, and what it was made with, gives the same answers."""
        fitted = self.ready(component, world)
        again = TextSearch.over(fitted.index, world.items)
        assert again.config == fitted.config
        for text in ("copper rake", "wooden toys", "ketle"):
            first, second = (made.match([text]).slates for made in (fitted, again))
            assert np.array_equal(first.items, second.items)
            assert np.array_equal(first.scores, second.scores)

    def test_a_long_text_is_kept_no_longer_than_it_is_read(self, component, world):
        """Who sends a megabyte a thousand times must not fill the memory."""
        fitted = self.ready(component, world)
        query = "copper rake " + "x" * 10**6
        assert len(fitted.parse(query)[0].text) <= MAX_QUERY
        assert max(map(len, fitted._kept._held)) <= MAX_QUERY
        assert fitted.parse(query) is fitted.parse(query[:-1])
        found, short = (fitted.match([q], n=5).slates for q in (query, query[:MAX_QUERY]))
        assert np.array_equal(found.items, short.items)
