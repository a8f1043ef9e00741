import numpy as np
import pytest

from recsys.protocols import Deps
from recsys.rank.identity import Identity
from recsys.testing.kits import RankerTests
from recsys.types import Request, Slates


class TestIdentity(RankerTests):
    @pytest.fixture
    def component(self):
        return lambda: Identity.from_config(Identity.Config(), Deps())


def test_keeps_order_and_scores():
    given = Slates.of([[4, 2, 9], [1]], [[3.0, 2.0, 1.0], [np.nan]])
    got = Identity().rank([Request(), Request()], given, 2)
    assert got.items.tolist() == [4, 2, 1]
    assert got.scores[:2].tolist() == [3, 2]
    assert np.isnan(got.scores[2])
