"""What a tenant keeps in the database beside its store: models, jobs, proofs, an audit; and its bundles on the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recsys.config import EngineConfig
from recsys.engine import Engine
from recsys.serving.bundles import Bundles
from recsys.serving.listlog import ListRecord
from recsys.serving.problems import Problem
from recsys.serving.tenant import Tenant
from recsys.store.sql import SqlStore
from recsys.store.sql.audit import Audit, Erasures
from recsys.store.sql.database import Database
from recsys.store.sql.jobs import Jobs
from recsys.store.sql.lists import Lists, ServedList
from recsys.store.sql.models import Models

MODEL = "default"


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """The tables and the bundles of one tenant."""

    database: Database
    store: SqlStore
    models: Models
    jobs: Jobs
    audit: Audit
    erasures: Erasures
    lists: Lists
    bundles: Bundles

    @classmethod
    def of(cls, database: Database, store: SqlStore, bundles: Bundles) -> Shelf:
        """Return the shelf of the store's tenant."""
        tenant = store.tenant
        return cls(
            database, store, Models(database, tenant), Jobs(database, tenant), Audit(database, tenant),
            Erasures(database, tenant), Lists(database, tenant), bundles,
        )  # fmt: skip

    def engine(self, config: EngineConfig) -> Engine:
        """Return an engine over the active bundle, or one that has yet to be fitted.

        Raises:
            ModelError: the active bundle cannot be used.
        """
        active = self.models.active(MODEL)
        return Engine(config, self.store) if active is None else self.bundles.load(active.bundle_id, self.store)


def shelf_of(tenant: Tenant) -> Shelf:
    """Return the tables of a tenant. Raises `Problem` 409 where the service has no database."""
    if tenant.shelf is None:
        raise Problem(409, "no-database", "The service keeps nothing", "start it with a database and a bundles folder")
    return tenant.shelf


@dataclass(frozen=True, slots=True)
class StoredLists:
    """The lists of a tenant in its database, as `recsys.serving.listlog.ListTable`."""

    lists: Lists

    def put_many(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write lists, each replacing the one of its ``list_id``."""
        self.lists.put_many([_stored(ListRecord.of(one)) for one in records])

    def get(self, list_id: str) -> Mapping[str, Any] | None:
        """Return one list, None if there is none."""
        found = self.lists.get(list_id)
        return None if found is None else _read(found)


def _stored(one: ListRecord) -> ServedList:
    return ServedList(
        list_id=one.list_id, user_id=one.user, created_at=one.created, kind=one.kind, bundle_id=one.bundle,
        variant=one.variant, experiment=one.experiment or None, arm=one.arm or None, place=one.placement,
        record={"request": dict(one.request), "pages": [list(page) for page in one.pages]},
    )  # fmt: skip


def _read(found: ServedList) -> dict[str, Any]:
    return {
        "list_id": found.list_id, "user": found.user_id, "created": found.created_at, "kind": found.kind,
        "bundle": found.bundle_id, "variant": found.variant, "placement": found.place or "",
        "experiment": found.experiment or "", "arm": found.arm or "", **found.record,
    }  # fmt: skip
