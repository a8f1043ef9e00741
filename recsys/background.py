"""Threads that go on working while nobody waits for them, and how they end before the process does."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable
from threading import Lock, Thread

# Seconds that the end of the process waits for all of them together.
END_S = 5.0

_lock = Lock()
_running: dict[Thread, Callable[[], object]] = {}
_cuts: list[Callable[[], None]] = []
_ended = False


def start(work: Callable[[], None], name: str, stop: Callable[[], object] = lambda: None) -> Thread:
    """Run ``work`` in a daemon thread, for which the end of the process waits a moment.

    An interpreter that shuts down ends daemon threads where they are. One that is inside of a model then takes the
    whole process with it (SIGABRT), though everything was done: so no thread of ours may be left by that time.

    Args:
        work: what it does; all that it raises is its own matter.
        name: of the thread.
        stop: called before the end: take no more work. It must return at once, and may be called from any thread.

    Raises:
        RuntimeError: the process is ending, or the system gives no more threads.
    """

    def run() -> None:
        try:
            work()
        finally:
            with _lock:
                _running.pop(thread, None)

    thread = Thread(target=run, name=name, daemon=True)
    with _lock:
        if _ended:
            raise RuntimeError("the process is ending: no more work is begun in the background")
        _running[thread] = stop
    try:
        thread.start()
    except RuntimeError:
        with _lock:
            _running.pop(thread, None)
        raise
    return thread


def on_end(cut: Callable[[], None]) -> None:
    """Have ``cut`` called when the process ends with work under way: it makes long calls return early, and at once."""
    with _lock:
        _cuts.append(cut)


def end(timeout_s: float = END_S) -> None:
    """Stop what runs and wait for it, ``timeout_s`` in all; nothing begins any more."""
    global _ended
    with _lock:
        _ended, running, cuts = True, dict(_running), list(_cuts)
    if not running:
        return
    for act in (*running.values(), *cuts):
        act()
    until = time.monotonic() + timeout_s
    for thread in running:
        thread.join(max(0.0, until - time.monotonic()))


# Handlers run while daemon threads still do.
atexit.register(end)
