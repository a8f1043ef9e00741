"""A fit on what the store of a service holds: the process behind ``recsys fit --tenant``."""

from __future__ import annotations

from pathlib import Path

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.fitting import Progress, silent
from recsys.protocols import FitOptions
from recsys.store.sql import SqlStore
from recsys.store.sql.database import Database


def fit_tenant(
    database_url: str, tenant: str, config: EngineConfig, place: Path, how: FitOptions | None = None,
    progress: Progress = silent,
) -> tuple[str, Engine]:  # fmt: skip
    """Fit on what a tenant's store holds, write a bundle to ``place`` and return its id, and the engine.

    Who serves meanwhile is not disturbed: the store is only read.

    Raises:
        DataError: there are no items or no events. StoreDown: the database is not reached.
    """
    progress("reading the store")
    database = Database.open(database_url)
    try:
        store = SqlStore(database, tenant, weights=config.events.weights)
        engine = Engine(config.trimmed(), store).fit(None, how, progress)
        progress("saving the bundle")
        return engine.save(place), engine
    finally:
        database.close()
