"""What `recsys serve` serves: `prepare` makes a database and a bundle ready once, `build` the app of each worker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.serving.app import create_app
from recsys.serving.keys import DEFAULT_TENANT, first_key
from recsys.serving.opening import Opener
from recsys.serving.refit import Running
from recsys.serving.schedule import refit_when_due
from recsys.serving.settings import ServiceConfig
from recsys.serving.shelf import MODEL, Shelf
from recsys.serving.sqlkeys import SqlKeys
from recsys.serving.tenant import Tenant
from recsys.serving.tenants import Tenants
from recsys.serving.tokens import Signer
from recsys.store.fill import fill
from recsys.store.sql.audit import Audit
from recsys.store.sql.database import Database


def prepare(config: ServiceConfig, bundle: Path | None = None) -> str | None:
    """Migrate the database, let ``bundle`` serve the usual tenant, and return a first key where nobody has one.

    A tenant without items gets the catalogue of the bundle.

    Raises:
        StoreDown: the database cannot be used. ModelError: the bundle is damaged, or not of this shop.
    """
    with closing(Database.open(config.database)) as database:
        if bundle is not None:
            _activate(_opener(config, database).shelf(DEFAULT_TENANT), bundle)
        return first_key(SqlKeys(database), time.time())


def _activate(shelf: Shelf, bundle: Path) -> None:
    bundle_id = shelf.bundles.add(bundle)
    if not len(shelf.store.items()):
        fill(shelf.store, Engine.load(shelf.bundles.path(bundle_id), verify=False).store.dataset())
    active = shelf.models.active(MODEL)
    if active is None or active.bundle_id != bundle_id:
        shelf.bundles.load(bundle_id, shelf.store)  # one that cannot serve is refused before anything changes
        shelf.models.activate(MODEL, bundle_id)
        shelf.audit.add("serve", "activate", bundle_id)


def build(config: ServiceConfig) -> FastAPI:
    """Return the app of one worker, over a database that was prepared."""
    database = Database.open(config.database, migrate=False)

    def audit(tenant: str, key_id: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        Audit(database, tenant).add(key_id, action, subject, dict(detail))

    opener, refits = _opener(config, database), Running()

    def watched(tenant: Tenant) -> None:
        opener.bring(tenant)
        refit_when_due(tenant, config, refits)

    tenants = Tenants(opener.open, watched=watched, closed=database.close)
    app = create_app(config, tenants=tenants, keys=SqlKeys(database), audit=audit)
    app.state.service.refits = refits
    return app


def _opener(config: ServiceConfig, database: Database) -> Opener:
    engine = None if config.engine is None else EngineConfig.read(config.engine)
    # A secret is there when workers are built; to prepare needs none, and signs nothing.
    signer = Signer(config.key() or bytes(32))
    return Opener(config, database, signer, engine=engine, experiments=config.experiments)
