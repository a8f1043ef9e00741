"""Several processes write at once, are killed, run out of disk or lose their server: what was acknowledged is there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_toys import ITEMS, event

from recsys.errors import StoreDown
from recsys.store.sql import Database, SqlStore

BATCH = 3
BEGIN = """
import json, sys
from recsys.errors import StoreDown
from recsys.store.sql import Database, SqlStore
from recsys.types import Event, Item
url, tenant, name = sys.argv[1:4]
store = SqlStore(Database.open(url), tenant)
def batch(n):
    return [Event(user_id=f"{name}-{n % 5}", item_id=f"i{n % 6}", time=n, event_id=f"{name}-{n}-{k}") for k in range(3)]
"""
# Says of each batch that it is stored, until it is killed.
INGEST = (
    BEGIN
    + """
n = 0
while True:
    assert store.put_events(batch(n)) == 3
    print(n, flush=True)
    n += 1
"""
)
# Adds items and events, some of which others add, too.
SHARE = (
    BEGIN
    + """
rows, new = {}, 0
for n in range(25):
    items = [Item(item_id=f"shared-{n}", title=name), Item(item_id=f"{name}-{n}")]
    rows |= {i.item_id: row for i, row in zip(items, store.put_items(items).tolist())}
    new += store.put_events([Event(user_id=f"u{n % 4}", item_id=f"shared-{n}", time=n, event_id=f"same-{n}"),
                             Event(user_id="all", item_id=f"{name}-{n}", time=n)])
print(json.dumps([rows, new]))
"""
)
# Writes until no byte more may be written to any file.
FILL = (
    BEGIN
    + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
n = 0
try:
    while True:
        store.put_events(batch(n))
        n += 1
except StoreDown as error:
    kept = len(store.history(f"{name}-0"))  # it still reads
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.put_events(batch(10 ** 6))  # and writes again when there is room
    print(json.dumps([n, kept, str(error)]))
"""
)


def started(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.fixture
def shop(database: Database, tenant: str) -> SqlStore:
    store = SqlStore(database, tenant)
    store.put_items(ITEMS)
    return store


def stored_batches(store: SqlStore) -> dict[str, set[int]]:
    """The batches that are there, by writer; each is there as a whole."""
    found: dict[tuple[str, int], int] = {}
    log = store.log()
    for event_id in log.events.ids:
        if event_id:
            name, n, _ = event_id.split("-")
            found[name, int(n)] = found.get((name, int(n)), 0) + 1
    assert set(found.values()) <= {BATCH}
    out: dict[str, set[int]] = {}
    for name, n in found:
        out.setdefault(name, set()).add(n)
    return out


def test_what_was_acknowledged_survives_kill_9(shop: SqlStore, url: str) -> None:
    acknowledged: dict[str, int] = {}
    for life in range(2):
        writers = {f"w{life}{n}": started(INGEST, url, shop.tenant, f"w{life}{n}") for n in range(2 - life)}
        for name, writer in writers.items():
            assert writer.stdout is not None
            for line in writer.stdout:
                acknowledged[name] = int(line)
                if int(line) == 10:
                    break
        for name, writer in writers.items():
            writer.send_signal(signal.SIGKILL)
            lines = [line for line in writer.communicate()[0].split("\n") if line.isdigit()]
            acknowledged[name] = max([acknowledged[name], *map(int, lines)])
    stored = stored_batches(SqlStore(shop.database, shop.tenant))
    assert set(stored) == set(acknowledged)
    for name, last in acknowledged.items():
        assert last >= 10
        # The one that was on its way when the process was killed may be there, too.
        assert set(range(last + 1)) <= stored[name] <= set(range(last + 2))
    assert shop.put_events([event("after", 0, 1, "w99-0-0")]) == 1


def test_processes_share_a_shop(shop: SqlStore, url: str) -> None:
    writers = [started(SHARE, url, shop.tenant, name) for name in ("a", "b")]
    said = [json.loads(writer.communicate()[0]) for writer in writers]
    store = SqlStore(shop.database, shop.tenant)
    vocabulary = store.items().vocabulary
    assert len(vocabulary) == len(ITEMS) + 25 + 2 * 25
    for rows, _ in said:
        assert {item_id: vocabulary.row(item_id) for item_id in rows} == rows
    assert sum(new for _, new in said) == 25 + 2 * 25 == len(store.log())
    assert len(store.history("all")) == 50
    rows = shop.changes().items.tolist()
    assert sorted(rows) == list(range(len(ITEMS), len(vocabulary)))
    assert shop.items().ids == store.items().ids


def test_a_disk_without_room(sqlite_url: str, tmp_path: Path) -> None:
    store = SqlStore(Database.open(sqlite_url), "t")
    store.put_items(ITEMS)
    store.put_events([event("w-0", 0, 0, f"w-0-{k}") for k in range(BATCH)])
    writer = started(FILL, sqlite_url, "t", "w", str(1_000_000))
    n, kept, said = json.loads(writer.communicate()[0])
    assert "full" in said or "I/O" in said
    assert n > 20
    assert kept == sum(BATCH for batch in range(n) if batch % 5 == 0)
    assert stored_batches(store) == {"w": {*range(n), 10**6}}
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    store.database.close()


def test_a_file_that_may_not_be_written(sqlite_url: str) -> None:
    """As root every file may be written: then the test is somebody else for a moment."""
    Database.open(sqlite_url).close()
    folder = Path(tempfile.mkdtemp())
    try:
        shutil.copy(sqlite_url.removeprefix("sqlite:///"), folder / "shop.db")
        (folder / "shop.db").chmod(0o444)
        folder.chmod(0o555)
        before = os.geteuid()
        if before == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(StoreDown, match="Permission denied"):
                Database.open(f"sqlite:///{folder}/shop.db")
        finally:
            os.seteuid(before)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.fixture
def server(postgres: Any) -> Iterator[Any]:
    """A server of the test's own, which may be ended."""
    folder = Path(tempfile.mkdtemp(prefix="recsys-postgres-"))
    own = type(postgres)(postgres.programs, folder)
    yield own
    if own.process.poll() is None:
        own.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_server_that_goes_away_and_comes_back(server: Any) -> None:
    database = Database.open(server.url, wait_s=2)
    store = SqlStore(database, "t")
    store.put_items(ITEMS)
    assert store.put_events([event("ann", 1, 10, "a")]) == 1
    server.stop(signal.SIGQUIT)  # at once, in the middle of whatever it does
    for _ in range(2):
        with pytest.raises(StoreDown) as caught:
            store.put_events([event("ann", 2, 20, "b")])
        with pytest.raises(StoreDown):
            store.history("ann")
        assert caught.value.retryable
    assert "recsys@127.0.0.1" in str(caught.value)
    server.start()
    assert store.put_events([event("ann", 1, 10, "a"), event("ann", 2, 20, "b")]) == 1
    assert store.history("ann").rows.tolist() == [1, 2]

    database.close()
    server.stop()
    server.settings["default_transaction_read_only"] = "on"
    server.start()
    reading = SqlStore(Database.open(server.url), "t")
    with pytest.raises(StoreDown, match="read-only"):
        reading.put_events([event("ann", 3, 30)])
    assert reading.history("ann").rows.tolist() == [1, 2]
    reading.database.close()
