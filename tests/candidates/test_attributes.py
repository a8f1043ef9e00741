import pytest

from recsys.candidates.attributes import Attributes
from recsys.testing.kits import AttributorTests, GeneratorTests, LiveTests, TrainableTests


class TestAttributes(GeneratorTests, TrainableTests, LiveTests, AttributorTests):
    @pytest.fixture
    def component(self):
        return Attributes
