"""Showcase: the shops that the page can show, each a tenant of its own; made beside the service, with progress told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from recsys import background
from recsys.engine import Engine
from recsys.errors import DataError, NotFittedError, RecsysError
from recsys.fitting import Progress
from recsys.serving.keys import KeyStore, make_key
from recsys.serving.tenant import Tenant
from recsys.serving.tokens import Signer

KEY_S = 86_400  # a key of the page is good for a day
MOST_STEPS = 200
MOST_UPLOADS = 3
SAMPLE = "sample"
REAL = "real"


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What a maker of a shop gives back.

    ``now`` is the moment at which the shop's log ends, epoch seconds: requests are made then, or the latest would be
    long ago; None = the shop lives now. ``notes`` are said on the page; ``missing`` names variants and why they cannot
    be shown; ``named`` is whether shoppers may be given invented names: they are no people. ``then`` is done once the
    shop is open: what need not be waited for.
    """

    engine: Engine
    now: int | None = None
    notes: tuple[str, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    named: bool = False
    then: Callable[[], object] = lambda: None


Maker = Callable[[Progress], Made]


@dataclass(kw_only=True, eq=False)
class Stall:
    """One shop of the showcase. ``state`` goes from offered to preparing, then to ready or failed."""

    name: str
    title: str
    make: Maker
    state: str = "offered"
    steps: list[str] = field(default_factory=list)
    error: str = ""
    made: Made | None = None
    tenant: Tenant | None = None
    since: float = 0.0
    key: tuple[str, float] = ("", 0.0)  # its text, and when it ends
    cache: dict[str, Any] = field(default_factory=dict)  # what the page asks of a shop again and again

    @property
    def now(self) -> int | None:
        """The moment of a request: the end of the log, and as much later as the shop has been open."""
        if self.made is None or self.made.now is None:
            return None
        return self.made.now + int(time.monotonic() - self.since)


class Showcase:
    """The shops of one process; any number of threads may ask. At most `MOST_UPLOADS` brought ones are kept."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.stalls: dict[str, Stall] = {}
        self._lock = threading.Lock()
        self._making = threading.Lock()  # one fit at a time: two would only share the same cores
        self._uploads = 0

    def offer(self, name: str, title: str, make: Maker) -> Stall:
        """Show that a shop can be had; `prepare` makes it."""
        stall = self.stalls[name] = Stall(name=name, title=title, make=make)
        return stall

    def prepare(self, name: str) -> Stall:
        """Begin to make a shop, if nobody has begun; shops are made one after the other. Raises `KeyError`."""
        with self._lock:
            stall = self.stalls[name]
            if stall.state not in ("offered", "failed"):
                return stall
            stall.state, stall.error, stall.steps = "preparing", "", ["waiting for its turn"]
        background.start(lambda: self._make(stall), f"recsys-showcase-{name}")
        return stall

    def bring(self, title: str, make: Maker) -> Stall:
        """Take in a shop that somebody brought and begin to make it; the oldest such shop goes when there are too many.

        Raises:
            DataError: one is still being made.
        """
        with self._lock:
            brought = [stall for name, stall in self.stalls.items() if name.startswith("csv-")]
            if any(stall.state == "preparing" for stall in brought):
                raise DataError("another file is being read: wait until its shop is there")
            for old in brought[: len(brought) - MOST_UPLOADS + 1]:
                del self.stalls[old.name]
            self._uploads += 1
            stall = self.offer(f"csv-{self._uploads}", title, make)
        return self.prepare(stall.name)

    def _make(self, stall: Stall) -> None:
        def tell(step: str) -> None:
            stall.steps = [*stall.steps[-MOST_STEPS:], step]

        try:
            with self._making:
                made = stall.make(tell)
        except RecsysError as error:
            stall.error, stall.state = str(error), "failed"
            return
        except Exception as error:
            # The page must not wait for ever; whoever runs the demo sees the whole of it.
            stall.error, stall.state = f"{type(error).__name__}: see the terminal", "failed"
            raise
        stall.make = lambda tell: made  # what it was made of, files perhaps, is needed no more
        self.adopt(stall, made, Tenant(stall.name, made.engine, self.signer))
        made.then()

    @staticmethod
    def adopt(stall: Stall, made: Made, tenant: Tenant) -> None:
        """Open a shop that is made."""
        stall.made, stall.tenant, stall.since, stall.state = made, tenant, time.monotonic(), "ready"

    def opened(self, name: str) -> Tenant:
        """Return the tenant of a shop, for `recsys.serving.tenants.Tenants`.

        Raises:
            KeyError: there is no such shop. NotFittedError: it is not there yet.
        """
        stall = self.stalls[name]
        if stall.tenant is None:
            raise NotFittedError(f"the shop {name} is not there yet")
        return stall.tenant

    def key(self, stall: Stall, keys: KeyStore) -> str:
        """Return the key of the page for a shop: it may ask and tell, and ends after a day."""
        now = time.time()
        with self._lock:
            text, ends = stall.key
            if ends - now < KEY_S / 2:
                ends = now + KEY_S
                tenant = stall.name if stall.tenant is None else stall.tenant.name
                text, record = make_key(tenant, ("query", "ingest"), "the page", expires_at=int(ends))
                keys.add(record)
                stall.key = text, ends
            return text
