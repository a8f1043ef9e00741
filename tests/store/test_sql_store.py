"""The store in a database does what the one in memory does."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from store_toys import ITEMS, event

from recsys.dataset import ItemTable
from recsys.protocols import Deps
from recsys.store.sql import SqlStore
from recsys.testing.kits.stores import StoreTests


class TestSqlStore(StoreTests):
    """On SQLite and PostgreSQL: the fixture is that of the folder."""


def test_a_config_opens_the_database(sqlite_url: str) -> None:
    config = SqlStore.Config(url=sqlite_url, tenant="shop", weights={"view": 0.5})
    first = SqlStore.from_config(config, Deps(items=ItemTable.of(ITEMS)))
    assert first.put_events([event("ann", 1, 10, kind="view")]) == 1
    first.database.close()
    again = SqlStore.from_config(config, Deps(items=ItemTable.of(ITEMS[:2])))  # it holds items: they stay
    assert again.items().ids == [i.item_id for i in ITEMS]
    assert again.history("ann").weights.tolist() == [0.5]
    again.database.close()
    with pytest.raises(ValidationError, match="needs finite weights"):
        SqlStore.Config(url=sqlite_url, weights={"buy": 1.0})
