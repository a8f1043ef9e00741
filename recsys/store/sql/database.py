"""A database that holds the shops of many tenants: a file of SQLite, or PostgreSQL by its URL."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal, Self

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from recsys.errors import ConfigError
from recsys.store.sql.faults import faults
from recsys.store.sql.migrating import migrate as migrate_tables

Durability = Literal["full", "normal"]
WRITE = "BEGIN IMMEDIATE"
SCHEMES = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class Database:
    """Connections to one database, for any number of threads; `open` makes one.

    Everything that a caller sees as stored is on the disk: a transaction ends before its call returns. "normal"
    durability gives up the latest seconds, never the consistency, where the power fails or the kernel dies; a process
    that is killed loses nothing either way.
    """

    def __init__(self, engine: Engine, url: URL, wait_s: float) -> None:
        self.engine, self.is_sqlite = engine, url.get_backend_name() == "sqlite"
        self.url: str = url.render_as_string(hide_password=True)
        self.path: Path | None = Path(str(url.database)) if self.is_sqlite else None
        self._wait_s = wait_s
        self._writing = threading.Lock()
        self._writes: Engine
        self._reads: Engine
        if self.is_sqlite:
            # Read and then written, a transaction could find that another one was faster: it asks to write at once.
            self._writes = engine.execution_options(recsys_begin=WRITE)
            self._snapshots = engine.execution_options(recsys_begin="BEGIN")
            self._reads = engine
        else:
            self._writes = engine
            self._snapshots = engine.execution_options(isolation_level="REPEATABLE READ")
            self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def open(
        cls,
        url: str,
        *,
        migrate: bool = True,
        durability: Durability = "full",
        pool_size: int = 8,
        wait_s: float = 5.0,
    ) -> Self:
        """Connect to ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST:PORT/NAME``.

        ``migrate`` makes the tables or brings those of an older recsys up to date. A missing file of SQLite is made,
        for its owner alone. ``wait_s`` bounds the wait for a connection, a server and a lock.

        Raises:
            ConfigError: a URL that is none of these.
            StoreDown: the server does not answer, or the file cannot be made or opened.
            DataError: the tables are those of a newer recsys.
        """
        parsed = _parsed(url)
        database = cls(_engine(parsed, durability, pool_size, wait_s), parsed, wait_s)
        try:
            with faults(database.url):
                if database.path is not None:
                    _make_file(database.path)
                if migrate:
                    migrate_tables(database)
        except BaseException:  # an interrupt too: it is raised again, and no connection is left open behind it
            database.close()
            raise
        return database

    def close(self) -> None:
        """End all connections."""
        self.engine.dispose()

    def begin(self) -> AbstractContextManager[Connection]:
        """Return a transaction that writes: it is stored when the block ends, and undone if the block raises.

        Raises:
            StoreDown: not reached, full, read-only, or locked by others for too long; then nothing is stored.
        """
        return self._open(self._writes, self._lock() if self.is_sqlite else nullcontext())

    def read(self) -> AbstractContextManager[Connection]:
        """Return a connection for reading; each statement sees what is stored at its own moment, and returns all of it.

        What is read in parts (``yield_per``) needs a `snapshot`.
        """
        return self._open(self._reads, nullcontext())

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Return a connection for reading whose statements all see one moment."""
        return self._open(self._snapshots, nullcontext())

    @contextmanager
    def _open(self, engine: Engine, lock: AbstractContextManager[None]) -> Iterator[Connection]:
        with faults(self.url), lock, engine.begin() as connection:
            yield connection

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # SQLite has one writer: the threads of a process line up here, which is fairer than its polling.
        if not self._writing.acquire(timeout=self._wait_s):
            raise TimeoutError(f"another thread has been writing for more than {self._wait_s:g} s")
        try:
            yield
        finally:
            self._writing.release()

    def insert(self, table: Table) -> Any:
        """Return an INSERT of this database's dialect, which knows ON CONFLICT and how many rows it stored."""
        made = sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)
        return made.execution_options(preserve_rowcount=True)

    def compact(self) -> None:
        """Write the database anew without the room and the traces of what was deleted; it may take a while.

        On SQLite nothing of an erased row is in any file afterwards, provided that nobody reads meanwhile: what
        others still read stays in the log of SQLite until the next call. On PostgreSQL it is VACUUM.
        """
        with self._lock() if self.is_sqlite else nullcontext(), self.read() as connection:
            connection.exec_driver_sql("VACUUM")
        self.checkpoint()

    def checkpoint(self) -> None:
        """Empty the write-ahead log of SQLite into the database file; PostgreSQL sees to that itself."""
        if self.is_sqlite:
            with self.read() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError("the database URL must look like sqlite:///FILE or postgresql://USER@HOST/NAME") from error
    driver = SCHEMES.get(parsed.drivername.split("+")[0])
    if driver is None:
        raise ConfigError(f"no database of kind {parsed.drivername!r}: sqlite:///FILE or postgresql://USER@HOST/NAME")
    if driver == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError("sqlite needs a file, sqlite:///FILE: in memory the store is recsys.store.memory.MemoryStore")
    return parsed.set(drivername=driver)


def _engine(url: URL, durability: Durability, pool_size: int, wait_s: float) -> Engine:
    is_sqlite = url.get_backend_name() == "sqlite"
    relaxed = durability == "normal"
    connect: Mapping[str, Any]
    if is_sqlite:
        connect = {"timeout": wait_s, "check_same_thread": False}
    else:
        options = f"-c lock_timeout={int(wait_s * 1000)} -c synchronous_commit={'off' if relaxed else 'on'}"
        connect = {"connect_timeout": max(2, int(wait_s)), "options": options}
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=pool_size, pool_timeout=wait_s, pool_use_lifo=True,
        hide_parameters=True, connect_args=dict(connect),
    )  # fmt: skip
    if is_sqlite:
        _set_up_sqlite(engine, "NORMAL" if relaxed else "FULL", wait_s)
    return engine


def _set_up_sqlite(engine: Engine, synchronous: str, wait_s: float) -> None:
    @event.listens_for(engine, "connect")
    def settings(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not where the driver thinks
        for pragma in (
            "journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", "secure_delete=ON",
            "temp_store=MEMORY", "cache_size=-16000",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get("recsys_begin")
        if statement == WRITE:
            _begin_to_write(connection, wait_s)
        elif statement:
            connection.exec_driver_sql(statement)


def _begin_to_write(connection: Connection, wait_s: float) -> None:
    """Begin a transaction once no other process writes.

    SQLite's own wait looks every tenth of a second, whatever the others do: beside one that writes without a pause
    it finds the moment between two commits after many seconds, or never. This one looks every millisecond.
    """
    raw: Any = connection.connection.dbapi_connection
    raw.execute("PRAGMA busy_timeout=0").close()
    try:
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            try:
                raw.execute(WRITE).close()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
            time.sleep(random.uniform(0.0005, 0.0015))
        connection.exec_driver_sql(WRITE)  # raises what the matter is
    finally:
        raw.execute(f"PRAGMA busy_timeout={int(wait_s * 1000)}").close()


def _make_file(path: Path) -> None:
    """Make a missing file, for its owner alone; the log files beside it get the same rights."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
