"""Erasure while calls are under way: what they read of a shopper before must not stay kept after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
# In place of a shopper's id, which is never empty.
EVERYBODY = ""
# (shopper, reviews that they wrote): drops what is kept in memory of them
Drop = Callable[[str, Sequence[str]], None]


class Erasures:
    """Who is forgotten while calls are under way; serves any number of threads.

    A call that began before an erasure has read the shopper's history, and keeps states and texts after the erasure
    has dropped all that there was. So each call drops again, at its end, whoever was forgotten since it began.
    """

    def __init__(self, drop: Drop) -> None:
        self._drop = drop
        self._calls: list[dict[str, tuple[str, ...]]] = []
        self._lock = Lock()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Run a block that reads what is known of shoppers; it begins before it reads any."""
        forgotten: dict[str, tuple[str, ...]] = {}
        with self._lock:
            self._calls.append(forgotten)
        try:
            yield
        finally:
            with self._lock:
                self._calls = [call for call in self._calls if call is not forgotten]
            for user, reviews in forgotten.items():
                self._drop(user, reviews)

    def forget(self, user: str, reviews: Sequence[str] = ()) -> None:
        """Drop what is kept of a shopper, or of `EVERYBODY`, now and at the end of every call under way."""
        with self._lock:
            for call in self._calls:
                call[user] = (*call.get(user, ()), *reviews)
        self._drop(user, reviews)


def watched(call: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method of an engine that reads what is known of shoppers, see `Erasures`."""

    @wraps(call)
    def watching(*args: P.args, **kwargs: P.kwargs) -> T:
        erasures: Erasures = args[0]._erasures  # type: ignore[attr-defined]
        with erasures.watched():
            return call(*args, **kwargs)

    return watching
