"""Learning anew beside the service: a process of its own reads the store and writes a bundle; the service goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from recsys import background
from recsys.errors import DataError, StoreDown

NICE = 10
LINES = 200  # of progress that are kept
END_S = 5.0
TRIES, AGAIN_S = 600, 1.0


class Refit:
    """One fit in a process of its own. ``told`` hears each line of its progress, ``ended`` how it ended.

    ``ended(code, lines)``: 0 is well. The process is nice to the service, and ends with it.
    """

    def __init__(
        self, command: Sequence[str], *, told: Callable[[list[str]], object],
        ended: Callable[[int, list[str]], object], environment: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.lines: list[str] = []
        self._stopping = threading.Event()
        self._told, self._ended = told, ended
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_WAIT_POLICY": "PASSIVE", **(environment or {})},
        )  # fmt: skip
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICE)
        self._thread = background.start(self._follow, "recsys-refit", self.stop)

    def _follow(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.lines = [*self.lines[-LINES + 1 :], line.rstrip()]
                with suppress(StoreDown):  # the next line tells it again
                    self._told(self.lines)
        code = self._process.wait()
        for _ in range(TRIES):  # a store that is down for a moment must not make a fit count as running for ever
            try:
                self._ended(code, self.lines)
                return
            except StoreDown:
                if self._stopping.wait(AGAIN_S):
                    return

    def stop(self) -> None:
        """End it: what it has written so far is no bundle, and is removed by the next fit."""
        self._stopping.set()
        if self._process.poll() is None:
            self._process.terminate()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; return whether it has come."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()


def command(
    database: str, tenant: str, place: Path, settings: Path | None = None, like: Path | None = None
) -> list[str]:
    """Return the words that fit on what a store holds and write a bundle to ``place``.

    ``settings`` is a TOML file; without one they are those of the bundle ``like``, without that the defaults.
    The database's URL may hold a password: it is handed over in the environment, RECSYS_DATABASE.

    Raises:
        DataError: the store lives in this process alone.
    """
    if not database:
        raise DataError("a fit beside the service needs a database that another process can open")
    words = [sys.executable, "-m", "recsys", "fit", "--tenant", tenant, "--out", str(place)]
    if settings is not None:
        return [*words, "--config", str(settings)]
    return [*words, *(("--like", str(like)) if like is not None else ())]


class Running:
    """The fits that run, at most one a tenant."""

    def __init__(self) -> None:
        self._fits: dict[str, Refit] = {}
        self._lock = threading.Lock()

    def begin(self, tenant: str, made: Callable[[], Refit]) -> Refit:
        """Begin a fit. Raises `DataError` while one of this tenant runs."""
        with self._lock:
            running = self._fits.get(tenant)
            if running is not None and not running.wait(0):
                raise DataError("a fit is under way: wait for its end")
            self._fits[tenant] = fit = made()
            return fit

    def stop(self, timeout_s: float = END_S) -> None:
        """End all of them, and wait until they have said so."""
        with self._lock:
            fits = list(self._fits.values())
        for fit in fits:
            fit.stop()
        for fit in fits:
            fit.wait(timeout_s)
