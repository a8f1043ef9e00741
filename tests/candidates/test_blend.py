import pytest

from recsys.candidates.blend import Blend
from recsys.protocols import Deps
from recsys.registry import Registry
from recsys.testing.kits import GeneratorTests, LiveTests, TrainableTests


def build(kind, options):
    return Registry().build(kind, options, Deps(build=build))


class TestBlend(GeneratorTests, TrainableTests, LiveTests):
    checkerboard_floor = 1.0

    @pytest.fixture
    def component(self):
        return lambda: Blend.from_config(Blend.Config(), Deps(build=build))

    def deps(self, world):
        return Deps(items=world.items, build=build)
