"""Learning anew on a schedule: of all processes of a service one begins a fit when it is time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.errors import DataError
from recsys.serving import models
from recsys.serving.refit import Running
from recsys.serving.settings import ServiceConfig
from recsys.serving.tenant import Tenant

LOCK = ".refit.lock"


def refit_when_due(tenant: Tenant, config: ServiceConfig, running: Running) -> bool:
    """Begin a fit where the settings say that it is time; return whether that was so."""
    shelf = tenant.shelf
    if shelf is None or config.refit.every_s is None or config.bundles is None:
        return False
    with _alone(config.bundles / LOCK) as alone:
        if not alone:
            return False
        models.reap(shelf)
        latest = next((job for job in shelf.jobs.every(20) if job.kind == models.JOB), None)
        if latest is not None and (latest.state == "running" or time.time() - latest.started_at < config.refit.every_s):
            return False
        if shelf.store.count_since(0 if latest is None else latest.started_at) < config.refit.min_events:
            return False
        try:
            models.refit(tenant, running, config.database, config.engine, True)
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
