"""From the settings of the service to its tenants: a store each in one database, and the bundle that serves it."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.errors import NotFittedError
from recsys.saving import saved_config
from recsys.serving.attribution import Tokens
from recsys.serving.bundles import Bundles
from recsys.serving.experiments import Experiment
from recsys.serving.listlog import ListLog
from recsys.serving.settings import ServiceConfig
from recsys.serving.shadow import Shadow
from recsys.serving.shelf import MODEL, Shelf, StoredLists
from recsys.serving.tenant import Tenant
from recsys.serving.tenants import Tenants
from recsys.store.sql import SqlStore
from recsys.store.sql.database import Database
from recsys.store.sql.models import Models
from recsys.types import now_seconds

DAY = 86_400
TIDY_S = 3_600.0  # between two looks for lists that are too old


class Opener:
    """Opens the tenants of a service, and keeps them as the database says.

    Args:
        engine: settings of engines that are yet to be fitted, and of every fit; None = those of the active bundle.
    """

    def __init__(
        self, config: ServiceConfig, database: Database, tokens: Tokens, *, engine: EngineConfig | None = None,
        experiments: Mapping[str, Experiment] | None = None,
    ) -> None:  # fmt: skip
        self.config, self.database, self.tokens, self.settings = config, database, tokens, engine
        self.experiments = dict(experiments or {})
        self._seen: dict[str, int] = {}  # tenant -> the version of its models that it was brought to
        self._lock = threading.Lock()
        self._tidied: dict[str, float] = {}  # tenant -> when old lists were dropped, of `time.monotonic`

    def tenants(self) -> Tenants:
        """Return the tenants, none of them open yet."""
        return Tenants(self.open, watched=self.bring)

    def shelf(self, name: str) -> Shelf:
        """Return the tables and bundles of a tenant, who may be new."""
        assert self.config.bundles is not None
        bundles = Bundles(self.config.bundles, name)
        store = SqlStore(self.database, name, weights=self._weights(name, bundles), consent_default=self.config.consent)
        return Shelf.of(self.database, store, bundles)

    def _weights(self, name: str, bundles: Bundles) -> Mapping[str, float]:
        """Return what event kinds weigh: as the settings say, else as they did for what serves."""
        if self.settings is not None:
            return self.settings.events.weights
        active = Models(self.database, name).active(MODEL)
        return {} if active is None else saved_config(bundles.path(active.bundle_id)).events.weights

    def open(self, name: str) -> Tenant:
        """Return a tenant with the bundle that is active; one without any takes items and events, and has no lists.

        Raises:
            ModelError: the active bundle cannot be used. StoreDown: the database cannot be reached.
        """
        shelf = self.shelf(name)
        version = shelf.models.version()
        engine = shelf.engine(self.settings or EngineConfig())
        warm_up(engine)
        lists = ListLog(StoredLists(shelf.lists))
        tenant = Tenant(name, engine, self.tokens, lists=lists, experiments=self.experiments, shelf=shelf)
        self._shade(tenant, shelf)
        self._seen[name] = version
        return tenant

    def bring(self, tenant: Tenant) -> None:
        """Take in what other processes wrote: another active bundle or shadow, items, events."""
        shelf = tenant.shelf
        if shelf is None:
            return
        with self._lock:  # an administrator's act and the watch may come at once
            version = shelf.models.version()
            if version != self._seen.get(tenant.name):
                active = shelf.models.active(MODEL)
                if active is not None and active.bundle_id != _bundle(tenant):
                    engine = shelf.bundles.load(active.bundle_id, shelf.store)
                    warm_up(engine)  # the old one serves meanwhile
                    tenant.swap(engine)
                self._shade(tenant, shelf)
                self._seen[tenant.name] = version
        self._tidy(tenant.name, shelf)
        now = tenant.generation
        for engine in (now.engine, *(() if now.shadow is None else (now.shadow.engine,))):
            if engine.is_fitted:
                engine.refresh()

    def _tidy(self, name: str, shelf: Shelf) -> None:
        if time.monotonic() - self._tidied.get(name, -TIDY_S) >= TIDY_S:
            self._tidied[name] = time.monotonic()
            shelf.lists.drop_before(now_seconds() - int(self.config.keep_lists_days * DAY))

    def _shade(self, tenant: Tenant, shelf: Shelf) -> None:
        wanted, has = shelf.models.shadowed(MODEL), tenant.generation.shadow
        if (None if wanted is None else wanted.bundle_id) == (None if has is None else has.engine.bundle_id):
            return
        # A store hands out each change once: the shadow has one of its own.
        apart = self.shelf(tenant.name).store
        tenant.shade(None if wanted is None else Shadow(shelf.bundles.load(wanted.bundle_id, apart)))


def warm_up(engine: Engine) -> None:
    """Ask an engine once for a list and for a search, so that what a first call sets up is there for the shoppers."""
    if engine.is_fitted:
        engine.recommend(None, 1)
        with suppress(NotFittedError):  # it may have nothing that finds words
            engine.search("a", None, 1)


def _bundle(tenant: Tenant) -> str:
    return tenant.engine.bundle_id if tenant.engine.is_fitted else ""
