"""A service over a database and a folder of bundles, as `recsys serve` makes it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from service_toys import ENGINE, SECRET, Shop

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.serving.app import create_app
from recsys.serving.keys import SCOPES, MemoryKeys, make_key
from recsys.serving.opening import Opener
from recsys.serving.settings import ServiceConfig
from recsys.serving.shelf import MODEL
from recsys.serving.tokens import Signer
from recsys.store.sql.database import Database
from recsys.testing.worlds import small_shop

POPULAR = EngineConfig.of({**ENGINE.plain(), "variant": "popular"})


def bundle(opener: Opener, place: Path, config: EngineConfig = ENGINE, tenant: str = "default") -> str:
    """Fit on what a tenant's store holds and put the bundle where the service finds it; return its id."""
    shelf = opener.shelf(tenant)
    engine = Engine(config, shelf.store)
    engine.fit(None if len(shelf.store.items()) else small_shop())
    engine.save(place)
    return shelf.bundles.add(place)


@contextlib.contextmanager
def stored(folder: Path, url: str = "", active: bool = True, **settings: Any) -> Iterator[tuple[Shop, Opener]]:
    """Serve a database with the small shop in it, and yield its clients and what opens its tenants."""
    config = ServiceConfig.of(
        {
            "secret": SECRET, "rate": {"per_s": 1e5, "burst": 100_000}, "queue": {"budget_ms": 30_000},
            "database": url or f"sqlite:///{folder / 'shop.db'}", "bundles": folder / "bundles", **settings,
        }
    )  # fmt: skip
    database = Database.open(config.database)
    opener = Opener(config, database, Signer(SECRET.encode()), experiments=config.experiments)
    try:
        if active:
            opener.shelf("default").models.activate(MODEL, bundle(opener, folder / "first"))
        made = {scope: make_key("default", [scope]) for scope in SCOPES}
        keys = MemoryKeys(record for _, record in made.values())
        tenants = opener.tenants()
        app = create_app(config, tenants=tenants, keys=keys)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield Shop(app, client, {scope: text for scope, (text, _) in made.items()}, tenants.get("default")), opener
    finally:
        database.close()
