"""The kits: plain pytest classes that hold a component to the contract of its kind.

A plug-in's test file subclasses the kit of its kind, gives one fixture and declares what it can do::

    from recsys.testing.kits import GeneratorTests, TrainableTests

    class TestNearest(GeneratorTests, TrainableTests):
        checkerboard_floor = 0.9

        @pytest.fixture
        def component(self):
            return lambda: Nearest()        # makes a new, unfitted one
"""

from recsys.testing.kits.attributor import AttributorTests
from recsys.testing.kits.decomposable import DecomposableTests
from recsys.testing.kits.embedders import EmbedderTests
from recsys.testing.kits.explainers import ExplainerTests
from recsys.testing.kits.generators import GeneratorTests
from recsys.testing.kits.indexes import IndexTests
from recsys.testing.kits.live import LiveTests
from recsys.testing.kits.rankers import RankerTests
from recsys.testing.kits.readers import ReaderTests
from recsys.testing.kits.scorers import ScorerTests
from recsys.testing.kits.stores import StoreTests
from recsys.testing.kits.trainable import TrainableRankerTests, TrainableTests

__all__ = [
    "AttributorTests",
    "DecomposableTests",
    "EmbedderTests",
    "ExplainerTests",
    "GeneratorTests",
    "IndexTests",
    "LiveTests",
    "RankerTests",
    "ReaderTests",
    "ScorerTests",
    "StoreTests",
    "TrainableRankerTests",
    "TrainableTests",
]
