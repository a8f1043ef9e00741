"""Opening, migrating and losing a database."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from recsys.errors import ConfigError, DataError, StoreDown
from recsys.store.sql import Database, Key, Keys
from recsys.store.sql.migrating import FOLDER, HEAD
from recsys.store.sql.schema import METADATA


def key(name: str) -> Key:
    return Key(key_id=name, tenant="t", name="n", digest="d", scopes=(), created_at=1)


def test_the_steps_make_the_tables(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_head_is_the_last_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_every_key_begins_with_the_tenant() -> None:
    for table in METADATA.sorted_tables:
        assert table.primary_key.columns[0].name == "tenant"


def test_tables_of_a_newer_recsys_are_refused(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(DataError, match="upgrade recsys-engine"):
        Database.open(sqlite_url)


def test_several_processes_open_a_new_file_at_once(sqlite_url: str) -> None:
    script = f"from recsys.store.sql import Database; Database.open({sqlite_url!r}).close()"
    running = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in running] == [(b"", 0)] * 3


def test_a_file_is_for_its_owner_alone(sqlite_url: str, tmp_path: Path) -> None:
    database = Database.open(sqlite_url)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["shop.db", "shop.db-shm", "shop.db-wal"], 0o600)
    database.close()


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_settings_of_a_connection(sqlite_url: str, durability: Any) -> None:
    database = Database.open(sqlite_url, durability=durability)
    names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
    with database.read() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert found == ["wal", {"full": 2, "normal": 1}[durability], 1, 1]
    database.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "no url"])
def test_wrong_addresses_say_what_is_right(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite"):
        Database.open(url)


def test_a_password_is_never_shown(database: Database) -> None:
    from recsys.store.sql.database import _parsed

    hidden = Database(database.engine, _parsed("postgresql://me:secret@host/shop"), 1.0)
    assert "secret" not in hidden.url
    with pytest.raises(StoreDown) as caught:
        Database.open("postgresql://me:secret@127.0.0.1:1/shop")
    assert "secret" not in str(caught.value)
    assert "me:***@127.0.0.1:1/shop" in str(caught.value)


def test_a_block_that_raises_leaves_nothing(database: Database, tenant: str) -> None:
    def write() -> None:
        with database.begin() as connection:
            connection.execute(text("INSERT INTO versions (tenant, name, value) VALUES (:t, 'x', 1)"), {"t": tenant})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    with database.read() as connection:
        found = connection.execute(text("SELECT count(*) FROM versions WHERE tenant = :t"), {"t": tenant})
        assert found.scalar() == 0


def test_a_snapshot_sees_one_moment(database: Database, tenant: str) -> None:
    count = text("SELECT count(*) FROM versions WHERE tenant = :t")
    add = text("INSERT INTO versions (tenant, name, value) VALUES (:t, 'x', 1)")
    with database.snapshot() as connection:
        assert connection.execute(count, {"t": tenant}).scalar() == 0
        with database.begin() as writing:
            writing.execute(add, {"t": tenant})
        assert connection.execute(count, {"t": tenant}).scalar() == 0
    with database.read() as connection:
        assert connection.execute(count, {"t": tenant}).scalar() == 1


def test_a_lock_is_not_waited_for_forever(url: str, tenant: str) -> None:
    """Of another process: a second database object stands for it."""
    ours, theirs = Database.open(url, wait_s=0.2), Database.open(url)
    add = text(
        "INSERT INTO versions (tenant, name, value) VALUES (:t, 'x', 1) ON CONFLICT (tenant, name) "
        "DO UPDATE SET value = versions.value + 1"
    )
    with theirs.begin() as connection:
        connection.execute(add, {"t": tenant})
        with pytest.raises(StoreDown, match="lock"), ours.begin() as waiting:
            waiting.execute(add, {"t": tenant})
    with ours.begin() as connection:
        connection.execute(add, {"t": tenant})
    ours.close(), theirs.close()


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreDown) as caught:
        Database.open("postgresql://recsys@127.0.0.1:1/postgres")
    assert caught.value.retryable


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_bytes(b"this is no database at all " * 100)
    with pytest.raises(StoreDown, match="not a database"):
        Database.open(f"sqlite:///{tmp_path}/shop.db")


def test_a_full_disk_stores_nothing_by_half(sqlite_url: str) -> None:
    database = Database.open(sqlite_url, pool_size=1)
    keys = Keys(database)
    keys.add(key("first"))
    with database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")  # of this connection, the only one
    acknowledged = ["first"]

    def fill_up() -> None:
        for n in range(10_000):
            keys.add(key(f"k{n}"))
            acknowledged.append(f"k{n}")

    with pytest.raises(StoreDown, match="full"):
        fill_up()
    assert sorted(k.key_id for k in keys.every("t")) == sorted(acknowledged)
    with database.read() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages * 10}")
    keys.add(key("room again"))
    assert keys.find("room again") is not None
    database.close()
