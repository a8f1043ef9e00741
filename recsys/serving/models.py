"""Models: which bundle serves, which runs in its shadow, going back, learning anew; and how experiments stand.

Each function takes a tenant and returns the body of a response. What is changed here is written to the database: every
process of the service follows within a second.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from recsys.errors import ModelError
from recsys.serving.problems import Problem, not_found
from recsys.serving.refit import Refit, Running, command
from recsys.serving.report import Act, Exposure, report
from recsys.serving.shapes.base import rfc3339
from recsys.serving.shelf import MODEL, Shelf, shelf_of
from recsys.serving.tenant import Tenant
from recsys.types import KINDS

JOB = "refit"


def every(tenant: Tenant) -> dict[str, Any]:
    """Return all about the models of a tenant."""
    shelf = shelf_of(tenant)
    active, shadowed = shelf.models.active(MODEL), shelf.models.shadowed(MODEL)
    roles = {one.bundle_id: "previous" for one in shelf.models.every(MODEL) if one.role == "former"}
    roles |= {one.bundle_id: one.role for one in (shadowed, active) if one is not None}
    since = {one.bundle_id: one.activated_at for one in reversed(shelf.models.every(MODEL))}
    shadow = tenant.generation.shadow
    return {
        "active": None if active is None else active.bundle_id,
        "shadow": None if shadow is None else shadow.figures(),
        "bundles": [
            {
                "version": one.id, "role": roles.get(one.id, "kept"), "items": int(one.meta.get("items", 0)),
                "settings_hash": str(one.meta.get("settings_hash", "")),
                "activated_at": rfc3339(since[one.id]) if one.id in since else None,
            }
            for one in shelf.bundles.every()
        ],
        "jobs": [_job(one) for one in shelf.jobs.every(20)],
    }  # fmt: skip


def activate(tenant: Tenant, version: str | None, actor: str = "") -> dict[str, Any]:
    """Serve a bundle, once it was loaded here as a trial; the one that served is where a rollback goes.

    Raises:
        Problem: 404, there is no such bundle; 422, it is damaged, or not of this shop.
    """
    shelf = shelf_of(tenant)
    _tried(shelf, version)
    shelf.models.activate(MODEL, version or "")
    shelf.audit.add(actor or "service", "activate", version or "")
    return every(tenant)


def shade(tenant: Tenant, version: str | None, actor: str = "") -> dict[str, Any]:
    """Run a bundle in the shadow; None ends that."""
    shelf = shelf_of(tenant)
    if version is not None:
        _tried(shelf, version)
    shelf.models.shadow(MODEL, version)
    shelf.audit.add(actor or "service", "shadow", version or "none")
    return every(tenant)


def rollback(tenant: Tenant, actor: str = "") -> dict[str, Any]:
    """Serve the bundle that served before."""
    shelf = shelf_of(tenant)
    back = shelf.models.rollback(MODEL)
    shelf.audit.add(actor or "service", "rollback", back.bundle_id)
    return every(tenant)


def _tried(shelf: Shelf, version: str | None) -> None:
    try:
        shelf.bundles.load(version or "", shelf.store)
    except ModelError as error:
        if version not in {one.id for one in shelf.bundles.every()}:
            raise not_found("bundle") from error
        raise Problem(422, "bundle", "The bundle cannot be served", str(error), field="body.version") from error


def refit(
    tenant: Tenant, running: Running, database: str, settings: Path | None, activate_it: bool, actor: str = ""
) -> dict[str, Any]:
    """Begin to learn anew from what the store holds, in a process of its own; return the job.

    Raises:
        DataError: a fit of this tenant is under way.
    """
    shelf = shelf_of(tenant)
    reap(shelf)

    def made() -> Refit:
        job = shelf.jobs.start(JOB, _progress([]))
        place = shelf.bundles.begin(job.job_id)
        active = shelf.models.active(MODEL)
        like = None if active is None else shelf.bundles.path(active.bundle_id)

        def ended(code: int, lines: list[str]) -> None:
            if code:
                shelf.jobs.end(job.job_id, "failed", _progress(lines))
                return
            version = shelf.bundles.finish(job.job_id)
            if activate_it:
                shelf.models.activate(MODEL, version)
            shelf.jobs.end(job.job_id, "done", {**_progress(lines), "version": version})
            shelf.audit.add(actor or "service", "refit", version)
            shelf.bundles.prune({one.bundle_id for one in shelf.models.every(MODEL) if one.role != "ended"})

        return Refit(
            command(database, tenant.name, place, settings, like),
            told=lambda lines: shelf.jobs.progress(job.job_id, _progress(lines)), ended=ended,
            environment={"RECSYS_DATABASE": database},
        )  # fmt: skip

    running.begin(tenant.name, made)
    return _job(shelf.jobs.every(1)[0])


def reap(shelf: Shelf) -> None:
    """End the jobs whose process is gone: a service that was killed cannot say so itself."""
    for job in shelf.jobs.every(20):
        known = job.progress or {}
        if job.state == "running" and known.get("host") == socket.gethostname() and not _alive(known.get("pid", 0)):
            shelf.jobs.end(job.job_id, "failed", {**known, "lines": [*known["lines"], "the service ended before it"]})


def _progress(lines: list[str]) -> dict[str, Any]:
    return {"lines": lines, "host": socket.gethostname(), "pid": os.getpid()}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def experiment(tenant: Tenant, name: str) -> dict[str, Any]:
    """Return how an experiment stands, from the lists that were served and what their shoppers did afterwards."""
    settings = tenant.experiments.get(name)
    if settings is None:
        raise not_found("experiment")
    shelf = shelf_of(tenant)
    tenant.lists.flush()
    exposures = [
        Exposure(one.user_id, one.arm, one.created_at, one.list_id)
        for one in shelf.lists.of_experiment(name)
        if one.user_id is not None and one.arm is not None
    ]
    begin = min((one.time for one in exposures), default=0)
    acts = [
        Act(user, KINDS[kind], value, time, list_id or "")
        for user, kind, value, time, list_id in shelf.store.acts_since(begin)
    ]
    return report(name, settings, exposures, acts)


def _job(job: Any) -> dict[str, Any]:
    progress = job.progress or {}
    return {
        "job_id": job.job_id, "state": job.state, "progress": list(progress.get("lines", ())),
        "version": progress.get("version"), "started_at": rfc3339(job.started_at),
        "ended_at": None if job.ended_at is None else rfc3339(job.ended_at),
    }  # fmt: skip
