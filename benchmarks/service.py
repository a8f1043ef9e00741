"""The HTTP service under load: an event of a shopper, then their list, at rising rates until it refuses some.

Everything runs on the same machine: the service with its database, and the driver. Every shopper is another one, and
has just acted, so that no answer was made before. Beside it an application that does nothing, on the same machine with
the same driver: the ceiling.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import funnel
from benchmarks.driver import Plan
from benchmarks.runner import ROOT
from benchmarks.shops import make_shop
from benchmarks.timing import rounded

SECRET = "0" * 64
K = 10
ACTED = 10_000  # items that events are about, at most
RATES = (20, 40, 60, 80, 100, 120, 160, 240, 320)  # shoppers a second: each an event and a list
SECONDS, WARM = 20.0, 5.0
BUDGET_MS = 250.0
START_S, END_S = 300.0, 20.0


@dataclass(frozen=True, slots=True)
class Served:
    """A service that runs: where, and its first process."""

    address: str
    pid: int

    def wait(self) -> None:
        """Wait until it is ready."""
        end = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/health/ready", timeout=30):
                    return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def pss_mb(self) -> float:
        """Return the memory of all its processes in MiB; pages that several share are counted once."""
        process = psutil.Process(self.pid)
        return rounded(sum(one.memory_full_info().pss for one in (process, *process.children(recursive=True))) / 2**20)


def cases(quick: bool) -> list[dict[str, Any]]:
    """Return the ceiling, and the service over catalogues of two sizes with one worker and with two."""
    sizes = [funnel.TINY] if quick else [funnel.SMALL, funnel.LARGE]
    rates = [20, 60] if quick else list(RATES)
    timing = {"seconds": 2.0, "warm": 1.0} if quick else {"seconds": SECONDS, "warm": WARM}
    ceiling = {"step": "no-op", "workers": 1, "rates": [20, 60] if quick else [80, 320, 640, 960], **timing}
    served = [
        {"step": "service", "workers": workers, "rates": rates, **size, **timing}
        for size in sizes
        for workers in ((1,) if quick else (1, 2))
    ]
    return [ceiling, *served]


def run(case: dict[str, Any], scratch: Path) -> list[dict[str, Any]]:
    """Return one measurement a rate."""
    if case["step"] == "no-op":
        with _running({"noop": True, "workers": case["workers"]}) as served:
            return _curve(case, served, {"event": "", "list": ""}, ["u"], ["i"])
    with _served(case, scratch) as (served, keys):
        data = make_shop(case["items"], case["shoppers"])
        return _curve(case, served, keys, data.log.users, data.items.ids)


def _curve(
    case: Mapping[str, Any], served: Served, keys: Mapping[str, str], users: Sequence[str], items: Sequence[str]
) -> list[dict[str, Any]]:
    host, port = served.address.removeprefix("http://").split(":")
    parameters = {n: v for n, v in case.items() if n not in ("step", "rates")} | {"k": K, "budget_ms": BUDGET_MS}
    out: list[dict[str, Any]] = []
    asked = 0
    for rate in case["rates"]:
        event = {"event_id": "{n}", "type": "view", "user_id": "{user}", "item_id": "{item}"}
        steps = [
            {"name": "event", "method": "POST", "path": "/v1/events", "key": keys["event"], "mark": f"e{rate}",
             "body": {"events": [event]}},
            {"name": "list", "method": "POST", "path": "/v1/recommend", "key": keys["list"], "mark": f"l{rate}",
             "body": {"user_id": "{user}", "limit": K}},
        ]  # fmt: skip
        n = int(rate * (case["seconds"] + case["warm"]) * 1.5) + 10
        theirs = [users[(asked + i) % len(users)] for i in range(n)]
        asked += n
        plan = Plan(
            host=host, port=int(port), steps=steps, users=theirs, items=list(items[:ACTED]), rate=rate,
            seconds=case["seconds"], warm=case["warm"],
        )  # fmt: skip
        figures = _driven(plan) | {"pss_mb": served.pss_mb()}
        out.append({"name": case["step"], "parameters": {**parameters, "rate": rate}, "figures": figures})
    return out


def _driven(plan: Plan) -> dict[str, Any]:
    values = {name: getattr(plan, name) for name in Plan.__dataclass_fields__}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.driver"], input=json.dumps(values), cwd=ROOT, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@contextlib.contextmanager
def _served(case: Mapping[str, Any], scratch: Path) -> Iterator[tuple[Served, dict[str, str]]]:
    """Serve a bundle over a database with the shop in it; yield address, keys and the process."""
    from recsys.serving.keys import make_key
    from recsys.serving.main import prepare
    from recsys.serving.settings import ServiceConfig
    from recsys.serving.sqlkeys import SqlKeys
    from recsys.store.fill import fill
    from recsys.store.sql import Database, SqlStore

    size = {"items": case["items"], "shoppers": case["shoppers"]}
    if not funnel.bundle(size, scratch).is_dir():
        funnel.fit(size, scratch)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="service-") as folder:
        settings = {
            "secret": SECRET, "database": f"sqlite:///{folder}/shop.db", "bundles": f"{folder}/bundles", "port": 0,
            "workers": case["workers"], "threads": 2 if case["workers"] == 1 else 1,
            "rate": {"per_s": 1e6, "burst": 1_000_000}, "queue": {"waiting": 200, "budget_ms": BUDGET_MS},
        }  # fmt: skip
        with closing(Database.open(str(settings["database"]))) as database:
            fill(SqlStore(database), make_shop(**size))
        prepare(ServiceConfig.of(settings), funnel.bundle(size, scratch))
        made = {name: make_key("default", [scope]) for name, scope in (("event", "ingest"), ("list", "query"))}
        with closing(Database.open(str(settings["database"]))) as database:
            for _, record in made.values():
                SqlKeys(database).add(record)
        with _running(settings) as served:
            yield served, {name: text for name, (text, _) in made.items()}


@contextlib.contextmanager
def _running(settings: Mapping[str, Any]) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.service_process"], cwd=ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", **os.environ},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(dict(settings)))
        process.stdin.close()
        served = Served(process.stdout.readline().strip(), process.pid)
        if not settings.get("noop"):
            served.wait()
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
