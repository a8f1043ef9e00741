from __future__ import annotations

from collections.abc import Callable

import pytest

from recsys.data.shop.reader import SampleShop
from recsys.testing.kits.readers import ReaderTests


class TestSampleShop(ReaderTests):
    @pytest.fixture
    def component(self) -> Callable[[], SampleShop]:
        return SampleShop

    @pytest.fixture
    def place(self) -> str:
        return "shoppers=150"
