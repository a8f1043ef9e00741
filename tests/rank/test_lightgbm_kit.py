import numpy as np
import pytest

from recsys.protocols import Deps
from recsys.rank.lightgbm import LightGBMRanker
from recsys.testing.kits import DecomposableTests, RankerTests, TrainableRankerTests
from recsys.types import Slates

SMALL = LightGBMRanker.Config(max_rounds=15, patience=5, min_data_in_leaf=5, num_leaves=4, folds=2)


class TestLightGBMRanker(DecomposableTests, RankerTests, TrainableRankerTests):
    @pytest.fixture
    def component(self, world):
        return lambda: LightGBMRanker.from_config(SMALL, self.deps(world))

    def deps(self, world):
        liked = np.bincount(world.log.liked().events.rows, minlength=len(world.items)).astype(np.float32)
        return Deps(items=world.items, popularity=liked)

    def slates(self, world, requests, seed=3):
        """One source that knows something, one that cannot score every item, and their sum."""
        plain = super().slates(world, requests, seed)
        popular = self.deps(world).popularity[plain.items]
        some = np.where(plain.items % 3 == 0, np.nan, np.cos(plain.items)).astype(np.float32)
        columns = {
            **plain.columns,
            "popularity_score": popular,
            "popularity_rank": np.arange(len(popular), dtype=np.float32) % 9 + 1,
            "cosine_score": some,
            "cosine_rank": np.where(np.isnan(some), 12, 3).astype(np.float32),
            "fused_score": (popular / 10 + np.nan_to_num(some)).astype(np.float32),
            "found": (1 + plain.items % 3).astype(np.uint64),
        }
        return Slates(plain.items, plain.scores, plain.offsets, columns, plain.notes)
