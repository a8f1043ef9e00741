import numpy as np
import pytest
from pydantic import ValidationError

from recsys.candidates.blend import Blend
from recsys.errors import ConfigError
from recsys.protocols import Deps, FitOptions
from recsys.registry import Registry
from recsys.testing.kits import GeneratorTests, LiveTests, TrainableTests
from recsys.testing.worlds import requests_of
from recsys.types import Events, Request, Slates


def build(kind, options):
    return Registry().build(kind, options, Deps(build=build))


DEPS = Deps(build=build)


class TestBlend(GeneratorTests, TrainableTests, LiveTests):
    checkerboard_floor = 1.0

    @pytest.fixture
    def component(self):
        return lambda: Blend.from_config(Blend.Config(), DEPS)

    def deps(self, world):
        return Deps(items=world.items, build=build)


THREE = Blend.Config(
    parts={
        "knn": {"use": "item-knn"},
        "popular": {"use": "popularity", "half_life_days": 30},
        "text": {"use": "attributes", "decay": 0.7},
    },
    weights={"popular": 0.001, "text": 0.5},
)


class TestBlendOfThree(GeneratorTests, TrainableTests, LiveTests):
    @pytest.fixture
    def component(self):
        return lambda: Blend.from_config(THREE, DEPS)

    def deps(self, world):
        return Deps(items=world.items, build=build)


def test_is_the_weighted_sum(small_shop):
    blend = Blend.from_config(THREE, DEPS).fit(small_shop, FitOptions())
    requests = requests_of(small_shop)
    every = Slates.of([range(40)] * len(requests))
    knn, popular, text = (np.nan_to_num(p.score(requests, every).scores.reshape(-1, 40)) for p in blend.parts.values())
    best = knn.max(axis=1, keepdims=True)
    expected = knn + np.where(best > 0, best, 1) * (0.001 * popular + 0.5 * text)
    assert blend.score(requests, every).scores.reshape(-1, 40) == pytest.approx(expected, abs=1e-5)


def test_the_parts_speak_alone_where_the_first_knows_nothing(small_shop):
    blend = Blend.from_config(Blend.Config(), DEPS).fit(small_shop, FitOptions())
    stranger = Request(history=Events.of([39]))  # nobody ever touched it, but it has a brand
    assert len(blend.parts["transitions"].generate([stranger], 5).items) == 0
    assert (
        blend.generate([stranger], 5).items.tolist() == blend.parts["attributes"].generate([stranger], 5).items.tolist()
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"weights": {}},
        {"weights": {"attributes": 0.1, "als": 1.0}},
        {"parts": {"als": {"use": "als"}}, "weights": {}},
    ],
)
def test_weights_have_to_name_the_other_parts(settings):
    with pytest.raises(ValidationError):
        Blend.Config(**settings)


def test_needs_somebody_to_build_the_parts():
    with pytest.raises(ConfigError, match="build"):
        Blend.from_config(Blend.Config(), Deps())


def test_settings_of_a_part_reach_it():
    assert Blend.from_config(THREE, DEPS).parts["popular"].config.half_life_days == 30
