"""Prometheus metrics of the service; with several workers they are shared through files, so that one scrape has all."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from recsys.result import Trace

# What prometheus_client reads when it is imported: `recsys serve` sets it before it starts workers.
SHARED = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """What is counted. Labels are routes, stages, outcomes: closed sets, and nothing about a person."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "recsys_requests", "Requests by route and status.", ["method", "route", "status"], registry=registry
        )
        self._request_s = Histogram(
            "recsys_request_seconds", "From the first byte read to the last byte sent, by route.", ["route"],
            registry=registry, buckets=SECONDS,
        )  # fmt: skip
        self._stage_s = Histogram(
            "recsys_stage_seconds", "Time of each stage of the engine.", ["stage"], registry=registry, buckets=SECONDS
        )
        self._degraded = Counter(
            "recsys_degraded", "Lists in which a stage fell back, by stage.", ["stage"], registry=registry
        )
        self._events = Counter(
            "recsys_events", "Events sent: accepted, duplicate or rejected.", ["outcome"], registry=registry
        )
        self._shed = Counter(
            "recsys_shed", "Requests refused because the service is busy, by cause.", ["gate", "reason"],
            registry=registry,
        )  # fmt: skip
        self._depth = Gauge(
            "recsys_queue_depth", "Requests that wait for a thread.", ["gate"], registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self._bundle = Gauge(
            "recsys_bundle_info", "1 for the bundle that a tenant is served from.", ["tenant", "bundle"],
            registry=registry, multiprocess_mode="livemax",
        )  # fmt: skip
        if SHARED not in os.environ:
            ProcessCollector(registry=registry)  # it knows its own process alone
        else:
            forget_dead(Path(os.environ[SHARED]))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; ``route`` is a template, "/v1/items/{item_id}"."""
        self._requests.labels(method if method in METHODS else "other", route, str(status)).inc()
        self._request_s.labels(route).observe(seconds)

    def called(self, trace: Trace) -> None:
        """Count what one call of an engine did."""
        for stage in trace.stages:
            self._stage_s.labels(stage.stage).observe(stage.took_ms / 1000)
        for name in trace.degraded:
            self._degraded.labels(name).inc()

    def events(self, accepted: int, duplicate: int, rejected: int) -> None:
        """Count what became of a batch of events."""
        for outcome, n in (("accepted", accepted), ("duplicate", duplicate), ("rejected", rejected)):
            self._events.labels(outcome).inc(n)

    def shed(self, gate: str, reason: str) -> None:
        """Count a request that was refused."""
        self._shed.labels(gate, reason).inc()

    def depth(self, gate: str, waiting: int) -> None:
        """Say how many wait now."""
        self._depth.labels(gate).set(waiting)

    def bundle(self, tenant: str, bundle: str, before: str | None = None) -> None:
        """Say which bundle a tenant is served from, and which one it was served from ``before``."""
        if before is not None and before != bundle:
            self._bundle.labels(tenant, before).set(0)
        self._bundle.labels(tenant, bundle).set(1)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format; with several workers, of all of them."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        from prometheus_client import multiprocess

        whole = CollectorRegistry()
        multiprocess.MultiProcessCollector(whole)  # type: ignore[no-untyped-call]
        return generate_latest(whole)


def forget_dead(folder: Path) -> None:
    """Drop the gauges of workers that are gone; what they counted stays."""
    from prometheus_client import multiprocess

    for pid in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*_*.db")}:
        if not Path("/proc").is_dir() or not Path(f"/proc/{pid}").exists():
            multiprocess.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
