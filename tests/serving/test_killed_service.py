"""A service that is killed while events come in: what it had acknowledged is there afterwards, every one of them."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing

import httpx
import psutil
import psycopg
import pytest

from recsys.store.sql import Database, SqlStore
from recsys.types import Item

WRITERS, BATCH = 3, 5


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    server = request.getfixturevalue("postgres")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE killed")
    return server.url.rpartition("/")[0] + "/killed"


class Running:
    """`recsys serve` with two workers over a database with one item."""

    def __init__(self, url, folder, start=1):
        self.folder, key_file = folder, folder / "key"
        words = [
            sys.executable, "-m", "recsys", "serve", "--database", url, "--port", "0", "--workers", "2",
            "--key-file", str(key_file), "--json",
        ]  # fmt: skip
        with (folder / f"log{start}").open("w") as log:
            self.process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder, start_new_session=True,
                env={**os.environ, "RECSYS__SERVICE__RATE__PER_S": "100000", "RECSYS__SERVICE__RATE__BURST": "100000"},
            )  # fmt: skip
        line = self.process.stdout.readline()
        assert line, (folder / f"log{start}").read_text()
        self.address = json.loads(line)["address"]
        self.headers = {"Authorization": f"Bearer {key_file.read_text().strip()}"}
        end = time.monotonic() + 60
        while not self.ready() and time.monotonic() < end:
            time.sleep(0.1)

    def ready(self):
        try:
            return httpx.get(f"{self.address}/health/live", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def workers(self):
        """The processes that answer: the children that have a listening port."""
        return [
            one for one in psutil.Process(self.process.pid).children(recursive=True)
            if any(c.status == psutil.CONN_LISTEN for c in one.net_connections("tcp"))
        ]  # fmt: skip

    def kill(self):
        """End everything at once, as the kernel would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()


def ingest(running, acknowledged, stop, writer):
    """Send batches until told to stop; note the ids of what was acknowledged. A batch without an answer is not sent."""
    with httpx.Client(base_url=running.address, headers=running.headers, timeout=5) as client:
        for batch in itertools.count():
            if stop.is_set():
                return
            ids = [f"{writer}-{batch}-{n}" for n in range(BATCH)]
            events = [{"event_id": i, "type": "view", "user_id": f"u{writer}", "item_id": "A"} for i in ids]
            try:
                answer = client.post("/v1/events", json={"events": events})
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 202:
                acknowledged += [
                    one["event_id"] for one in answer.json()["results"] if one["status"] in ("accepted", "duplicate")
                ]


def test_every_acknowledged_event_is_there(url, tmp_path):
    with closing(Database.open(url)) as database:
        SqlStore(database).put_items([Item(item_id="A", title="A thing")])
    running = Running(url, tmp_path)
    acknowledged, stop = [], threading.Event()
    threads = [
        threading.Thread(target=ingest, args=(running, acknowledged, stop, n), daemon=True) for n in range(WRITERS)
    ]
    try:
        for thread in threads:
            thread.start()
        wait_for(lambda: len(acknowledged) > 50)
        workers = running.workers()
        assert len(workers) == 2
        os.kill(workers[0].pid, signal.SIGKILL)  # one worker: the others go on, and another one comes
        at = len(acknowledged)
        wait_for(lambda: len(acknowledged) > at + 50)
        wait_for(lambda: len(running.workers()) == 2)
        running.kill()  # the whole service, in the middle of it
    finally:
        stop.set()
        running.kill()
        for thread in threads:
            thread.join(20)
    with closing(Database.open(url)) as database:
        store = SqlStore(database)
        stored = [i for n in range(WRITERS) for i in store.history(f"u{n}").ids]
    assert len(stored) == len(set(stored)) >= len(acknowledged) > 100
    assert set(acknowledged) <= set(stored)
    again = Running(url, tmp_path, start=2)
    try:
        event = {"event_id": acknowledged[0], "type": "view", "user_id": "u0", "item_id": "A"}
        answer = httpx.post(
            f"{again.address}/v1/events", json={"events": [event]}, headers=again.headers, timeout=30
        ).json()
        assert answer["duplicates"] == 1
    finally:
        again.kill()


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
