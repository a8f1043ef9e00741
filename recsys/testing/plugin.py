"""The pytest plug-in that comes with recsys: the worlds as fixtures. pytest loads it through the group ``pytest11``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from recsys.dataset import Dataset

# The kits are plain modules: without this a failing check would say "AssertionError" and no values.
pytest.register_assert_rewrite("recsys.testing.kits")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that the kits and their users share."""
    config.addinivalue_line("markers", "realdata: needs the folder named by RECSYS_DATA")
    config.addinivalue_line("markers", "slow: more than ten seconds")


@pytest.fixture
def checkerboard() -> Dataset:
    """Shoppers and items of two colours, see `recsys.testing.worlds.checkerboard`; a fresh one for each test."""
    from recsys.testing import worlds

    return worlds.checkerboard()


@pytest.fixture
def small_shop() -> Dataset:
    """A shop with 40 items and 61 shoppers, see `recsys.testing.worlds.small_shop`; a fresh one for each test."""
    from recsys.testing import worlds

    return worlds.small_shop()
