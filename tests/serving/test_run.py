"""The service as processes that listen, are asked over the network and get signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from http_toys import KEYS, bearer, checked

from recsys.errors import ConfigError
from recsys.serving.run import bound, serve
from recsys.serving.settings import ServiceConfig
from recsys.serving.sqlkeys import SqlKeys
from recsys.store.sql.database import Database

QUERY, ADMIN = bearer("query"), bearer("admin")
SCRIPT = Path(__file__).with_name("serve_toys.py")


class Served:
    """A service in processes of its own."""

    def __init__(self, database: str, log: Path, **settings) -> None:
        given = {"port": 0, "database": database, "stop_s": 10, **settings}
        self.log = log  # a file: a pipe that nobody reads would stop the service when it is full
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(SCRIPT), json.dumps(given)], stdout=subprocess.PIPE, stderr=errors, text=True,
                start_new_session=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        address = self.process.stdout.readline().strip()
        assert address, log.read_text()
        self.address = address
        self.client = httpx.Client(base_url=address, timeout=10)
        for _ in range(200):
            try:
                if self.client.get("/health/live").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)

    def fresh(self, path: str, **named) -> httpx.Response:
        """Ask over a connection of its own."""
        return httpx.get(self.address + path, timeout=10, **named)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, list[dict]]:
        """Signal it; return its exit code and its log."""
        self.client.close()
        self.process.send_signal(number)
        self.process.wait(timeout=20)
        return self.process.returncode, [json.loads(line) for line in self.log.read_text().splitlines()]

    def kill(self) -> None:
        """End it and its workers, whatever their state."""
        self.client.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def database(tmp_path) -> str:
    url = f"sqlite:///{tmp_path / 'keys.db'}"
    opened = Database.open(url)
    for _, record in KEYS.values():
        SqlKeys(opened).add(record)
    opened.close()
    return url


@pytest.fixture
def served(database, tmp_path) -> Iterator:
    running = []

    def start(**settings) -> Served:
        running.append(Served(database, tmp_path / f"log{len(running)}", **settings))
        return running[-1]

    yield start
    for one in running:
        one.kill()


def cuts_endless_bodies(one: Served) -> None:
    host, port = one.client.base_url.host, one.client.base_url.port
    head = f"POST /toys/lines HTTP/1.1\r\nHost: x\r\nAuthorization: {QUERY['Authorization']}\r\n"
    head += "Content-Type: application/json\r\n"
    chunk = b"3e8\r\n" + b" " * 1_000 + b"\r\n"
    with socket.create_connection((host, port), timeout=5) as wire:
        wire.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3)
        assert b"413" in wire.recv(4_000).partition(b"\r\n")[0]
    with socket.create_connection((host, port), timeout=5) as wire:
        wire.sendall(head.encode() + b"Content-Length: 100\r\n\r\n{")
        assert b"408" in wire.recv(4_000).partition(b"\r\n")[0]


def test_it_answers_and_says_nothing_of_itself(served):
    one = served(limits={"body_bytes": 2_000, "body_s": 0.5})
    answer = one.client.get("/toys/who", headers={**QUERY, "X-Request-Id": "r1"})
    assert answer.json()["key_id"] == KEYS["query"][1].key_id
    assert "server" not in answer.headers
    checked(one.client.get("/nowhere"), 404)
    cuts_endless_bodies(one)
    code, log = one.end()
    assert code == 0
    lines = [line for line in log if line.get("request_id") == "r1"]
    assert [(line["route"], line["status"]) for line in lines] == [("/toys/who", 200)]


def test_a_signal_lets_what_was_accepted_finish(served):
    """While it drains it is not ready and still serves; then what runs is finished, and nothing is lost."""
    one = served(drain_s=0.6, threads=1, queue={"budget_ms": 8000})
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(one.fresh, "/toys/slow?seconds=0.4", headers=QUERY) for _ in range(3)]
        time.sleep(0.2)
        one.process.send_signal(signal.SIGTERM)
        time.sleep(0.15)
        assert checked(one.fresh("/health/ready"), 503)["parts"] == {"service": "stopping"}
        assert one.fresh("/toys/who", headers=QUERY).status_code == 200
        assert [a.result().text for a in asked] == ['"done"'] * 3
    assert one.process.wait(timeout=20) == 0
    with pytest.raises(httpx.TransportError):
        one.fresh("/health/live")


def test_several_workers_are_one_service(served):
    """They read one another's tokens, count into one scrape, share keys, and a killed one is replaced."""
    one = served(workers=2)
    pids: set[int] = set()
    for _ in range(200):
        pids.add(one.fresh("/toys/pid").json())
        if len(pids) == 2:
            break
    assert len(pids) == 2
    token = one.fresh("/toys/sign").json()
    assert all(one.fresh("/toys/read", params={"token": token}).json() == {"list_id": "l1"} for _ in range(8))

    n = 24
    for _ in range(n):
        assert one.fresh("/toys/who", headers=QUERY).status_code == 200
    line = 'recsys_requests_total{method="GET",route="/toys/who",status="200"}'
    for _ in range(3):  # whichever worker is asked
        scraped = one.fresh("/metrics", headers=ADMIN).text
        assert f"{line} {n}.0" in scraped

    os.kill(min(pids), signal.SIGKILL)
    for _ in range(200):
        try:
            if one.fresh("/toys/pid").json() not in pids:
                break
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    else:
        raise AssertionError("no new worker")
    assert f"{line} {n}.0" in one.fresh("/metrics", headers=ADMIN).text, "what the dead one counted stays"
    code, log = one.end()
    assert code == 0
    assert all("time" in entry for entry in log)


def test_workers_end_when_what_started_them_was_killed(served):
    one = served(workers=2)
    pid = one.fresh("/toys/pid").json()
    one.process.kill()
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the worker goes on")


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"{port} cannot be bound.*--port"), bound("127.0.0.1", port):
            pass
    with pytest.raises(ConfigError, match=r"service\.host"), bound("no.such.host.invalid", 0):
        pass


def test_workers_need_a_database():
    with pytest.raises(ConfigError, match=r"service\.workers"):
        serve(ServiceConfig(workers=2), lambda config: None)
