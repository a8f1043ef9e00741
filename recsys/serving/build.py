"""`build`: the application of one worker from the settings alone; what `recsys serve` gives its workers."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from recsys.config import EngineConfig
from recsys.errors import ConfigError, DataError
from recsys.serving import models
from recsys.serving.app import create_app
from recsys.serving.opening import Opener
from recsys.serving.service import Service
from recsys.serving.settings import ServiceConfig
from recsys.serving.shelf import MODEL, Shelf
from recsys.serving.sqlkeys import SqlKeys
from recsys.serving.tenant import Tenant
from recsys.serving.tenants import Tenants
from recsys.serving.tokens import Signer
from recsys.store.sql.audit import Audit
from recsys.store.sql.database import Database

LOCK = ".refit.lock"


def build(config: ServiceConfig) -> FastAPI:
    """Return the application over the database and the bundles that the settings name.

    Raises:
        ConfigError: no database, bundles folder or secret. StoreDown: the database cannot be reached.
    """
    database, opener = opened(config)
    tenants = Tenants(opener.open, watched=opener.bring, closed=database.close)

    def audit(tenant: str, key_id: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        Audit(database, tenant).add(key_id, action, subject, dict(detail))

    app = create_app(config, tenants=tenants, keys=SqlKeys(database), audit=audit)
    if config.refit.every_s is not None:
        service: Service = app.state.service

        def watched(tenant: Tenant) -> None:
            opener.bring(tenant)
            refit_when_due(tenant, service)

        tenants.watch_with(watched)
    return app


def opened(config: ServiceConfig) -> tuple[Database, Opener]:
    """Return the database of the settings, and what opens tenants in it.

    Raises:
        ConfigError: no database, bundles folder or secret. StoreDown: the database cannot be reached.
    """
    if not config.database or config.bundles is None:
        raise ConfigError("service.database and service.bundles: both are needed, see `recsys serve --help`")
    secret = config.key()
    if secret is None:
        raise ConfigError("service.secret: needed by every worker")
    engine = None if config.engine is None else EngineConfig.read(config.engine)
    database = Database.open(config.database)
    return database, Opener(config, database, Signer(secret), engine=engine, experiments=config.experiments)


def install(opener: Opener, source: Path, tenant: str = "default") -> str:
    """Copy a bundle from elsewhere to where the service keeps its own and serve it; return its id.

    A store without items gets the catalogue of the bundle: the rows of both are the same then.

    Raises:
        ModelError: it is damaged, or not of the items that the store holds.
    """
    shelf = opener.shelf(tenant)
    bundle_id = shelf.bundles.add(source)
    if not len(shelf.store.items()):
        _fill(shelf, bundle_id)
    shelf.bundles.load(bundle_id, shelf.store)
    active = shelf.models.active(MODEL)
    if active is None or active.bundle_id != bundle_id:
        shelf.models.activate(MODEL, bundle_id)
    return bundle_id


def _fill(shelf: Shelf, bundle_id: str) -> None:
    from recsys.engine import Engine

    table = Engine.load(shelf.bundles.path(bundle_id)).store.items()
    shelf.store.put_items([table.item(row) for row in range(len(table))])
    gone = [table.ids[row] for row in range(len(table)) if not table.available[row]]
    if gone:
        shelf.store.withdraw(gone)


def refit_when_due(tenant: Tenant, service: Service) -> bool:
    """Begin to learn anew where the settings say that it is time; return whether that was so.

    Of all processes that share the bundles' folder one does it at a time.
    """
    config, shelf = service.config, tenant.shelf
    if shelf is None or config.refit.every_s is None or config.bundles is None:
        return False
    with _alone(config.bundles / LOCK) as alone:
        if not alone:
            return False
        latest = next((job for job in shelf.jobs.every(20) if job.kind == models.JOB), None)
        if latest is not None and (latest.state == "running" or time.time() - latest.started_at < config.refit.every_s):
            return False
        since = 0 if latest is None else latest.started_at
        if shelf.store.count_since(since) < config.refit.min_events:
            return False
        try:
            models.refit(tenant, service.refits, config.database, config.engine, True)
        except DataError:  # one is under way that was asked for by hand
            return False
        return True


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
