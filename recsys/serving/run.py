"""From settings to processes that listen: `serve` binds the port, starts the workers and ends them in good order."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send
from uvicorn.supervisors import Multiprocess

from recsys.errors import ConfigError
from recsys.serving import logs
from recsys.serving.metrics import SHARED
from recsys.serving.settings import ServiceConfig

Build = Callable[[ServiceConfig], FastAPI]
BACKLOG = 1_024
KEEP_ALIVE_S = 75  # longer than a balancer in front keeps its connections, so that it is the one to close them
STOPPING = (signal.SIGTERM, signal.SIGINT)


def serve(config: ServiceConfig, build: Build, *, told: Callable[[str], None] = lambda address: None) -> None:
    """Serve until a signal ends it: SIGTERM and SIGINT let what was accepted finish, a second one does not wait.

    Args:
        config: the settings. build: makes the application, once in each worker; a function of a module, for workers
            are new processes that import it. told: hears the address when the port is bound.

    Raises:
        ConfigError: the port cannot be bound, or several workers have no database to share.
    """
    if config.workers > 1 and not config.database:
        raise ConfigError("service.workers: several need a database to share: --database sqlite:///FILE or --workers 1")
    if config.key() is None:
        # Drawn here, not in the workers: each of them must read what another one signed.
        config = config.model_copy(update={"secret": SecretStr(secrets.token_hex(32)), "secret_file": None})
    with _shared_metrics(config.workers), bound(config.host, config.port) as listener:
        listener.listen(BACKLOG)  # who asks from now on waits for the engine to be loaded, and is not turned away
        host, port = listener.getsockname()[:2]
        told(f"http://{f'[{host}]' if ':' in host else host}:{port}")
        logs.configure(config.log_level)
        settings = uvicorn.Config(
            partial(_worker, build, config), factory=True, workers=config.workers, log_config=None, access_log=False,
            server_header=False, proxy_headers=False, lifespan="on", backlog=BACKLOG, timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(config.stop_s)),
        )  # fmt: skip
        if config.workers > 1:
            Multiprocess(settings, sockets=[listener]).run()
        else:
            server = uvicorn.Server(settings)
            with _quiet_signals():
                server.run(sockets=[listener])
            if not server.started:
                sys.exit(1)  # the log says why


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """Let a signal that ended the server in good order end nothing else: the server raises it again when it is done."""
    before = {number: signal.signal(number, lambda number, frame: None) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """Bind a port; 0 takes a free one.

    Raises:
        ConfigError: it is taken, or the host is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"service.host: {host} is no address of this machine: {error.strerror}") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise ConfigError(
                f"service.port: {host}:{port} cannot be bound: {error.strerror}; choose another one with --port"
            ) from error
        listener.set_inheritable(True)
        yield listener


@contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """Let several workers count into files of one folder, which is gone afterwards."""
    if workers == 1 or SHARED in os.environ:
        yield
        return
    folder = tempfile.mkdtemp(prefix="recsys-metrics-")
    os.environ[SHARED] = folder
    try:
        yield
    finally:
        del os.environ[SHARED]
        shutil.rmtree(folder, ignore_errors=True)


def _worker(build: Build, config: ServiceConfig) -> Draining:
    logs.configure(config.log_level)  # a worker is a new process
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_ended_with, args=(parent,), daemon=True).start()
    return Draining(build(config), config.drain_s)


def _ended_with(parent: Any) -> None:
    """End this worker in good order when the process that started it is gone, killed even: nobody else would."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class Draining:
    """The application, and what a signal to stop means for it: first it is not ready any more, then it ends.

    For ``drain_s`` seconds it serves as before, so that a balancer can find out and send requests elsewhere.
    """

    def __init__(self, app: FastAPI, drain_s: float) -> None:
        self.app, self.drain_s = app, drain_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; the server's own handlers of signals are in place when it opens the lifespan."""
        if scope["type"] == "lifespan":
            loop = asyncio.get_running_loop()
            for number in STOPPING:
                signal.signal(number, partial(self._signalled, loop, signal.getsignal(number)))
        await self.app(scope, receive, send)

    def _signalled(
        self, loop: asyncio.AbstractEventLoop, stop: Any, number: int, frame: FrameType | None
    ) -> None:  # fmt: skip
        service = self.app.state.service
        if service.draining or not self.drain_s:
            service.draining = True
            stop(number, frame)
            return
        service.draining = True
        loop.call_soon_threadsafe(loop.call_later, self.drain_s, stop, number, frame)
