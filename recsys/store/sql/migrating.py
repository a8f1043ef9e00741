"""Brings the tables of a database up to date with Alembic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from recsys.errors import DataError

if TYPE_CHECKING:
    from recsys.store.sql.database import Database

HEAD = "0001"
FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x7265637379  # "recsy": of PostgreSQL's advisory locks, taken while the tables change


def migrate(database: Database) -> None:
    """Make the tables, or bring them up to date; of several processes that start at once, one does it.

    Raises:
        DataError: a newer recsys made them.
    """
    with database.read() as connection:
        if _version(connection) == HEAD:
            return
    with database.begin() as connection:
        if not database.is_sqlite:  # there the transaction is the lock
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = _version(connection)
        if found != HEAD:
            if found is not None and found > HEAD:
                raise DataError(f"the tables are of version {found}, this recsys knows {HEAD}: upgrade recsys-engine")
            _upgrade(connection)


def version_of(database: Database) -> str | None:
    """Return the version of the tables, None where there are none; `HEAD` is the one that this recsys knows."""
    with database.read() as connection:
        return _version(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # a tenth of a second that only a change of the tables costs
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("version_locations", str(FOLDER / "versions").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")  # a folder may have a colon or a space in its name
    command.upgrade(config, "head")
