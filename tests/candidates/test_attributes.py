import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from recsys.candidates.attributes import Attributes
from recsys.dataset import Dataset
from recsys.protocols import Delta, Deps, FitOptions
from recsys.testing.kits import AttributorTests, GeneratorTests, LiveTests, TrainableTests
from recsys.types import NO_EVENTS, Events, Item, Request, Slates

SHOES = [
    Item(item_id="0", title="Red shoe", brand="Swift", categories=("Shoes", "Running")),
    Item(item_id="1", title="Blue shoe", brand="Swift", categories=("Shoes",)),
    Item(item_id="2", title="Red pen", brand="Quill", categories=("Desk",), attributes={"tip": "fine", "g": 5.0}),
    Item(item_id="3", title="Green lamp", brand="Lumen", categories=("Desk",), attributes={"tip": ("fine", "wide")}),
    Item(item_id="4"),
]


class TestAttributes(GeneratorTests, TrainableTests, LiveTests, AttributorTests):
    @pytest.fixture
    def component(self):
        return Attributes


class TestAttributesWithoutWords(GeneratorTests, TrainableTests, LiveTests, AttributorTests):
    @pytest.fixture
    def component(self):
        return lambda: Attributes.from_config(Attributes.Config(word_weight=0, brand_weight=2, idf_power=2), Deps())


def fitted(**settings) -> Attributes:
    return Attributes(Attributes.Config(**settings)).fit(Dataset.of(SHOES, []), FitOptions())


def features(item: Item, brand: float, word: float) -> dict[str, float]:
    out = {f"word {w}": word for w in re.findall(r"\w\w+", f"{item.title} {item.text}".lower())}
    if item.brand:
        out[f"brand {item.brand}"] = brand
    out |= {f"category {c}": 1.0 for c in item.categories}
    for key, value in item.attributes.items():
        out |= {f"{key} {v}": 1.0 for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, str)}
    return out


@pytest.mark.parametrize(("brand", "word", "power"), [(1.0, 0.5, 1.0), (2.0, 0.0, 2.0), (0.0, 1.0, 0.5)])
def test_scores_equal_a_dictionary_computation(brand, word, power):
    named = [{f: w for f, w in features(i, brand, word).items() if w} for i in SHOES]
    frequency = Counter(f for one in named for f in one)
    weighted = [{f: w * np.log(6 / frequency[f]) ** power for f, w in one.items()} for one in named]
    unit = [{f: v / np.sqrt(sum(x * x for x in one.values())) for f, v in one.items()} for one in weighted]

    def cosine(a: int, b: int) -> float:
        return sum(v * unit[b].get(f, 0.0) for f, v in unit[a].items())

    got = fitted(brand_weight=brand, word_weight=word, idf_power=power, decay=0.5).score(
        [Request(history=Events.of([0, 2], weights=[1, -1]))], Slates.of([range(5)])
    )
    expected = [(0.5 * cosine(0, i) - 1.0 * cosine(2, i)) / 1.5 for i in range(5)]
    assert got.scores == pytest.approx(expected, abs=1e-6)


def test_a_newcomer_gets_the_like_of_the_first_item():
    got = fitted().generate([Request(history=Events.of([0]))], 5)
    assert got.items.tolist() == [0, 1, 2]


def test_an_item_without_anything_is_never_found():
    every = fitted().generate([Request(history=Events.of([0, 2, 3, 4]))], 5)
    assert 4 not in every.items


def test_a_new_item_is_like_what_it_shares_features_with():
    one = fitted()
    new = replace(SHOES[0], item_id="5", title="Unheard red shoe", attributes={"unheard": "of"})
    grown = Dataset.of(SHOES, []).items.put([new])
    live = one.apply(Delta(items=grown, changed=np.array([5], np.int32), events=NO_EVENTS))
    got = live.generate([Request(history=Events.of([0]))], 5)
    # What no old item has is left out, so the new one equals item 0.
    assert got.items.tolist()[:2] == [0, 5]
    assert got.scores[1] == pytest.approx(got.scores[0], abs=1e-6)


def test_a_changed_item_is_read_anew():
    one = fitted()
    table = Dataset.of(SHOES, []).items.put([replace(SHOES[1], title="Red pen", brand="Quill", categories=("Desk",))])
    live = one.apply(Delta(items=table, changed=np.array([1], np.int32), events=NO_EVENTS))
    request = [Request(history=Events.of([2]))]
    assert live.score(request, Slates.of([[1]])).scores[0] > 0.5
    assert one.score(request, Slates.of([[1]])).scores[0] == 0
