import numpy as np
import pytest

from recsys.dataset import Dataset
from recsys.protocols import FitOptions
from recsys.search.generator import TextSearch
from recsys.types import Item, Request, Slates

ITEMS = [
    Item(item_id="a", title="Insidious: Chapter 2", text="A haunted family.", categories=("Horror",)),
    Item(item_id="b", title="Insidious", text="The first chapter.", categories=("Horror",)),
    Item(item_id="c", title="Frozen 2", text="Sisters.", categories=("Cartoon",), attributes={"studio": "Disney"}),
    Item(item_id="d"),
]  # fmt: skip


@pytest.fixture(scope="module")
def search() -> TextSearch:
    return TextSearch().fit(Dataset.of(ITEMS, []), FitOptions())


def columns(search: TextSearch, text: str | None) -> dict[str, list[float]]:
    got = search.features([Request(text=text)], Slates.of([range(len(ITEMS))]))
    assert tuple(got) == search.feature_names()
    assert all(v.dtype == np.float32 for v in got.values())
    return {name: np.round(values, 4).tolist() for name, values in got.items()}


def test_score_is_the_score_of_the_generator(search):
    slates = Slates.of([range(3)])
    request = [Request(text="insidious chapter 2")]
    assert np.allclose(search.features(request, slates)["text_score"], search.score(request, slates).scores)


def test_where_words_match(search):
    got = columns(search, "insidious chapter 2")
    assert got["text_coverage"][0] == got["text_all"][0] == got["text_coverage_title"][0] == 1
    assert 0 < got["text_coverage_title"][1] < got["text_coverage"][1] < 1
    assert got["text_all"][1] == 0
    assert got["text_numbers"][:3] == [1, 0, 1]
    assert got["text_text"][1] > 0 == got["text_text"][2]
    assert got["text_query_words"][:3] == [3, 3, 3]


def test_titles_against_the_query_in_order(search):
    got = columns(search, "insidious chapter 2")
    assert got["text_exact_title"][:3] == [1, 0, 0]
    assert got["text_prefix"][:3] == pytest.approx([1, 1 / 3, 0], abs=1e-3)
    assert got["text_pairs"][:3] == [1, 0, 0]
    assert got["text_first"][:3] == [0, 0, 1]
    assert got["text_title_share"][:3] == [1, 1, 0.5]
    assert got["text_title_words"][:3] == [3, 1, 2]


def test_fields_are_apart(search):
    got = columns(search, "disney horror")
    assert got["text_attributes"][2] > 0 == got["text_attributes"][0]
    assert got["text_categories"][0] > 0 == got["text_categories"][2]
    assert got["text_title"][:3] == [0, 0, 0]


def test_nothing_known_is_nan(search):
    assert np.isnan(columns(search, "frozen")["text_score"][3])
    assert all(np.isnan(v).all() for v in columns(search, None).values())
    assert all(np.isnan(v).all() for v in columns(search, " ?! ").values())
    assert columns(search, "zebra")["text_score"][:3] == [0, 0, 0]
