"""A driver of load: requests that come when they come, whatever the service does with those before (an open loop).

It runs in a process of its own, ``python -m benchmarks.driver PLAN`` with a plan as JSON, and prints what it saw as
JSON. Latency is counted from the moment at which a request was due, not from when a thread got round to send it: else a
service that stalls would look quick (coordinated omission).
"""

from __future__ import annotations

import http.client
import json
import queue
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send: ``steps`` of (method, path, key, body), in turn for each of ``users``, at ``rate`` a second.

    ``{user}``, ``{item}`` and ``{n}`` in a body are filled in. ``seconds`` of it count, after ``warm`` seconds that do
    not. Arrivals are a Poisson process of the seed.
    """

    host: str
    port: int
    steps: Sequence[Mapping[str, Any]]
    users: Sequence[str]
    items: Sequence[str]
    rate: float
    seconds: float
    warm: float = 3.0
    threads: int = 64
    seed: int = 0


@dataclass(slots=True)
class Seen:
    """What became of the requests of one step: milliseconds of those that were answered, and counts by status."""

    took_ms: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Return counts, and percentiles in milliseconds of the answers with status 2xx."""
        found = np.array(self.took_ms)
        out: dict[str, Any] = {"statuses": dict(sorted(self.statuses.items())), "answered": len(found)}
        if len(found):
            out |= {f"p{p}_ms": round(float(np.percentile(found, p)), 3) for p in (50, 95, 99)}
        return out


def drive(plan: Plan) -> dict[str, Any]:
    """Send it all and return the figures of every step, and how many pairs a second were begun and answered."""
    rng = np.random.default_rng(plan.seed)
    total = plan.warm + plan.seconds
    due = np.cumsum(rng.exponential(1 / plan.rate, size=int(total * plan.rate * 1.5) + 10))
    due = due[due < total]
    users = [plan.users[i % len(plan.users)] for i in range(len(due))]
    items = [plan.items[i] for i in rng.integers(len(plan.items), size=len(due))]
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    seen = {step["name"]: Seen() for step in plan.steps}
    lock, begin = threading.Lock(), time.perf_counter() + 0.1
    late: list[float] = []

    def work() -> None:
        connection = http.client.HTTPConnection(plan.host, plan.port, timeout=TIMEOUT_S)
        while (i := waiting.get()) >= 0:
            counts = due[i] >= plan.warm
            since = begin + due[i]
            for step in plan.steps:
                status = _sent(connection, step, users[i], items[i], i)
                took = (time.perf_counter() - since) * 1000
                if counts:
                    with lock:
                        one = seen[step["name"]]
                        one.statuses[status] = one.statuses.get(status, 0) + 1
                        if status.startswith("2"):
                            one.took_ms.append(took)
                since = time.perf_counter()  # the next step is due when this one is answered
                if not status.startswith("2"):
                    break
        connection.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(plan.threads)]
    for thread in threads:
        thread.start()
    for i, at in enumerate(due.tolist()):
        wait = begin + at - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        late.append(max(0.0, -wait))
        waiting.put(i)
    for _ in threads:
        waiting.put(-1)
    for thread in threads:
        thread.join(TIMEOUT_S)
    counted = float((due >= plan.warm).sum())
    last = plan.steps[-1]["name"]
    return {
        "offered_per_s": round(counted / plan.seconds, 2),
        "answered_per_s": round(len(seen[last].took_ms) / plan.seconds, 2),
        "driver_late_p99_ms": round(float(np.percentile(late, 99)) * 1000, 3) if late else 0.0,
        **{name: one.figures() for name, one in seen.items()},
    }


def _sent(connection: http.client.HTTPConnection, step: Mapping[str, Any], user: str, item: str, n: int) -> str:
    body = json.dumps(step["body"])
    for name, value in (("{user}", user), ("{item}", item), ("{n}", f"{step['mark']}-{n}")):
        body = body.replace(name, value)
    headers = {
        "Content-Type": "application/json",
        **({"Authorization": f"Bearer {step['key']}"} if step["key"] else {}),
    }
    try:
        connection.request(step["method"], step["path"], body, headers)
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return type(error).__name__


def main() -> int:
    """Read a plan from the standard input, drive it, print what was seen."""
    print(json.dumps(drive(Plan(**json.load(sys.stdin)))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
