"""The tenants of one process: opened when first asked for, the least recently used ones closed again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from recsys.errors import RecsysError
from recsys.serving.tenant import Tenant

OPEN = 64
WATCH_S = 1.0


class Tenants:
    """Opens tenants with ``opened``; at most ``most`` are open at a time. Any number of threads may ask.

    ``watched`` is called for every open tenant each ``watch_s`` seconds, in a thread: it takes in what other processes
    have written. ``usual`` is opened at the start: without it the service is not ready. ``closed`` is called last.
    """

    def __init__(
        self, opened: Callable[[str], Tenant], *, usual: str = "default", most: int = OPEN,
        watched: Callable[[Tenant], None] = lambda tenant: None, watch_s: float = WATCH_S,
        closed: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._opened, self._usual, self._most = opened, usual, most
        self._watched, self._watch_s, self._closed = watched, watch_s, closed
        self._open: OrderedDict[str, Tenant] = OrderedDict()
        self._lock = threading.Lock()
        self._opening: dict[str, threading.Lock] = {}
        self._wrong: dict[str, str] = {}
        self._watcher: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, tenant: Tenant) -> Tenants:
        """Return the tenants of a process that has one, already open."""

        def opened(name: str) -> Tenant:
            if name != tenant.name:
                raise KeyError(name)
            return tenant

        return cls(opened, usual=tenant.name)

    def held(self, name: str) -> Tenant | None:
        """Return a tenant that is open, None for one that is not. Never waits for long."""
        with self._lock:
            found = self._open.get(name)
            if found is not None:
                self._open.move_to_end(name)
            return found

    def get(self, name: str) -> Tenant:
        """Return a tenant, opened if need be.

        Raises:
            KeyError: there is no such tenant. RecsysError: it cannot be opened.
        """
        with self._lock:
            opening = self._opening.setdefault(name, threading.Lock())
        with opening:  # of several requests for a tenant that is not open, one opens it
            found = self.held(name)
            if found is None:
                found = self._opened(name)
                self._keep(name, found)
            return found

    def _keep(self, name: str, tenant: Tenant) -> None:
        with self._lock:
            self._open[name] = tenant
            gone = [self._open.popitem(last=False)[1] for _ in range(len(self._open) - self._most)]
        for one in gone:
            one.close()

    def bring(self, tenant: Tenant) -> None:
        """Take in now what was written to the database: a bundle that was activated, say."""
        self._watched(tenant)

    def every(self) -> list[Tenant]:
        """Return the open tenants."""
        with self._lock:
            return list(self._open.values())

    # -- the life of the process, see `recsys.serving.service.Lives` ---------------------------------------------

    def ready(self) -> Mapping[str, str]:
        """Return what keeps the service from answering, by part; {} = ready."""
        try:
            self.get(self._usual)
        except (KeyError, RecsysError) as error:
            return {"engine": type(error).__name__}
        return dict(self._wrong)

    async def start(self) -> None:
        """Open the usual tenant and begin to watch. A tenant that cannot be opened yet is tried again later."""
        with contextlib.suppress(KeyError, RecsysError):  # `ready` tells
            await asyncio.to_thread(self.get, self._usual)
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watch_s)
            for tenant in self.every():
                try:
                    await asyncio.to_thread(self._watched, tenant)
                    self._wrong.pop(tenant.name, None)
                except RecsysError as error:
                    self._wrong[tenant.name] = type(error).__name__

    async def close(self) -> None:
        """End: what waits to be written is written."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        for tenant in self.every():
            await asyncio.to_thread(tenant.close)
        await asyncio.to_thread(self._closed)
