from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from recsys.artifacts import write_array
from recsys.candidates.dense import Dense
from recsys.dataset import Dataset
from recsys.embed.lsa import LSA
from recsys.errors import ConfigError, ShapeMismatch
from recsys.protocols import Delta, Deps, FitOptions
from recsys.registry import Registry
from recsys.testing.kits import AttributorTests, GeneratorTests, LiveTests, TrainableTests
from recsys.testing.worlds import requests_of
from recsys.types import Events, Item, Request, Slates, Vectors

VECTORS = {
    "red kettle": (1, 0, 0), "blue kettle": (0.8, 0.6, 0), "rake": (0, 0, 1), "spade": (0, 0.6, 0.8),
    "boil water": (0.6, 0.8, 0),
}  # fmt: skip
TITLES = ("red kettle", "blue kettle", "rake", "spade", "")


class Table:
    """An embedder with a vector for each text that it knows; not trainable, so a bundle holds nothing of it."""

    def __init__(self) -> None:
        self.roles: list[str] = []

    @property
    def dim(self) -> int:
        return 3

    def embed(self, texts: Sequence[str], role: Literal["query", "item"]) -> Vectors:
        self.roles.append(role)
        return np.array([VECTORS.get(t, (0, 0, 0)) for t in texts], dtype=np.float32).reshape(-1, 3)


class TestDense(GeneratorTests, TrainableTests, LiveTests):
    @pytest.fixture
    def component(self):
        return lambda: Dense.from_config(Dense.Config(options={"dim": 16, "min_items": 1}), Deps())


class TestSharesOfDense(GeneratorTests, TrainableTests, AttributorTests):
    @pytest.fixture
    def component(self):
        return lambda: Dense.from_config(Dense.Config(options={"dim": 16, "min_items": 1}), Deps())

    def requests(self, world: Dataset) -> list[Request]:
        """Without queries: what is answered from a text is no event's doing."""
        return [*requests_of(world), *requests_of(world, hide_seen=True)]


class TestDenseOfTitlesWithoutCentre(GeneratorTests, TrainableTests):
    @pytest.fixture
    def component(self):
        return lambda: Dense(LSA(LSA.Config(dim=12)), Dense.Config(options={"dim": 12}, fields="title", centre=False))


def shop() -> Dataset:
    return Dataset.of([Item(item_id=str(i), title=t) for i, t in enumerate(TITLES)], [])


def fitted(**options: object) -> Dense:
    return Dense(Table(), Dense.Config(**{"centre": False, **options})).fit(shop(), FitOptions())


EVERY = Slates.of([range(5)])


def test_score_is_the_cosine_with_the_decayed_sum() -> None:
    request = Request(history=Events.of([2, 0]))
    user = np.array(VECTORS["red kettle"]) + 0.5 * np.array(VECTORS["rake"])
    user /= np.linalg.norm(user)
    got = fitted(decay=0.5).score([request], EVERY).scores
    want = [user @ np.array(VECTORS[t]) for t in TITLES[:4]]
    assert np.allclose(got[:4], want, atol=1e-6)
    assert np.isnan(got[4]), "an item without text cannot be scored"


def test_dislikes_subtract() -> None:
    liked, both = (
        fitted().score([Request(history=Events.of([1, 0], weights=[1, w]))], EVERY).scores[0] for w in (1, -1)
    )  # fmt: skip
    assert both < 0 < liked


def test_text_is_embedded_as_a_query_and_stands_in_for_the_history() -> None:
    model = fitted()
    requests = [Request(text="boil water", history=Events.of([2])), Request(text="zebra"), Request(text="")]
    got = model.score(requests, Slates.of([[0, 2, 3], [0], [0]])).scores
    assert np.allclose(got[:3], [0.6, 0, 0.48], atol=1e-6)
    assert np.isnan(got[3:]).all()
    assert model.embedder.roles == ["item", "query"]
    assert model.generate(requests, 10).lengths.tolist() == [4, 0, 0]
    assert model.contributions(requests, Slates.of([[0, 2, 3], [0], [0]])).nnz == 0


def test_centring_takes_away_what_all_items_share() -> None:
    model = fitted(centre=True)
    raw = np.array([VECTORS[t] for t in TITLES[:4]])
    want = raw - raw.mean(axis=0)
    want /= np.linalg.norm(want, axis=1, keepdims=True)
    assert np.allclose(model.vectors[:4], want, atol=1e-6)
    assert not model.vectors[4].any()
    query = np.array(VECTORS["boil water"]) - raw.mean(axis=0)
    got = model.score([Request(text="boil water")], EVERY).scores[:4]
    assert np.allclose(got, want @ query / np.linalg.norm(query), atol=1e-6)


def test_one_item_alone_is_not_centred_away() -> None:
    one = Dataset.of([Item(item_id="a", title="rake")], [])
    model = Dense(Table(), Dense.Config()).fit(one, FitOptions())
    assert model.vectors.tolist() == [[0, 0, 1]]


def test_score_in_pieces_equals_score_at_once(small_shop: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from recsys.candidates import dense

    model = Dense(LSA(LSA.Config(dim=8))).fit(small_shop, FitOptions())
    requests = [Request(history=Events.of([i, i + 1])) for i in range(6)]
    slates = Slates.of([range(40)] * 6)
    want = model.score(requests, slates).scores
    monkeypatch.setattr(dense, "GATHERED", 7)
    assert np.allclose(model.score(requests, slates).scores, want, atol=1e-6, equal_nan=True)
    assert np.allclose(model.catalogue_scores(requests).ravel(), want, atol=1e-6, equal_nan=True)


def test_apply_embeds_only_what_changed() -> None:
    model = fitted()
    model.embedder.roles.clear()
    table = shop().items.put([Item(item_id="4", title="rake"), Item(item_id="n", title="spade")])
    live = model.apply(Delta(items=table, changed=np.array([4, 5], np.int32), events=Events.of([])))
    assert model.embedder.roles == ["item"]
    assert live.vectors[4:].tolist() == np.array([VECTORS["rake"], VECTORS["spade"]], np.float32).tolist()
    assert not model.vectors[4].any()
    assert model.n_items == 5
    assert live.apply(Delta(items=table, changed=np.empty(0, np.int32), events=Events.of([0]))) is live


def test_the_embedder_comes_from_the_registry_by_name(tmp_path: Path) -> None:
    class Named(Table):
        Config = LSA.Config

        @classmethod
        def from_config(cls, config: LSA.Config, deps: Deps) -> "Named":
            return cls()

    registry = Registry()
    registry.register("embedders", "named", Named)
    deps = Deps(build=lambda kind, options: registry.build(kind, options, Deps()))
    model = Dense.from_config(Dense.Config(embedder="named"), deps).fit(shop(), FitOptions())
    assert isinstance(model.embedder, Named)
    model.save(tmp_path)
    assert not (tmp_path / "embedder").exists()
    again = Dense.load(tmp_path, deps)
    assert isinstance(again.embedder, Named)
    assert np.array_equal(again.vectors, model.vectors)
    with pytest.raises(ConfigError, match="'named' needs a registry"):
        Dense.load(tmp_path, Deps())


def test_a_fitted_embedder_travels_with_the_bundle(small_shop: Dataset, tmp_path: Path) -> None:
    deps = Deps(build=lambda kind, options: Registry().build(kind, options, Deps()))
    model = Dense.from_config(Dense.Config(options={"dim": 9}), deps).fit(small_shop, FitOptions())
    model.save(tmp_path)
    again = Dense.load(tmp_path, deps)
    asked = [Request(text="a wooden train set")]
    assert np.array_equal(again.generate(asked, 5).items, model.generate(asked, 5).items)


def test_vectors_and_centre_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    Dense(LSA(LSA.Config(dim=4)), Dense.Config(options={"dim": 4})).fit(shop(), FitOptions()).save(tmp_path)
    write_array(tmp_path / "centre.npy", np.zeros(5, np.float32))
    with pytest.raises(ShapeMismatch, match="centre"):
        Dense.load(tmp_path, Deps())
