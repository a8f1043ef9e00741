"""Databases for tests of stores."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recsys.store.sql import Database, SqlStore
from recsys.testing.kits.base import Make


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/shop.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: Any) -> str:
    """An address of each kind; that of PostgreSQL is one database for all tests, so each takes tenants of its own."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return str(request.getfixturevalue("postgres").url)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database.open(url)
    yield opened
    opened.close()


@pytest.fixture
def component(database: Database, tenant: str) -> Make:
    """Makes empty stores: each is a tenant of its own of one database."""
    numbers = itertools.count()
    return lambda **settings: SqlStore(database, f"{tenant}-{next(numbers)}", **settings)


@pytest.fixture
def tenant(request: Any) -> str:
    return str(request.node.name)[:200]
