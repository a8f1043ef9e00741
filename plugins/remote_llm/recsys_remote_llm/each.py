"""Asks a server once for each request of a batch, a few at a time; one that fails does not spoil the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.errors import BudgetExceeded, ConfigError
from recsys.protocols import Deps
from recsys.rerank.base import Judgement, Reranker
from recsys.types import ItemRows, Notes, Request, Scores, Slates
from recsys_remote_llm.client import Client
from recsys_remote_llm.errors import RemoteError
from recsys_remote_llm.prompts import Prompts
from recsys_remote_llm.settings import key_of

T = TypeVar("T")
Failure = RemoteError | BudgetExceeded


def each(calls: Sequence[Callable[[], T]], workers: int) -> list[T | Failure]:
    """Run all ``calls``, at most ``workers`` at a time, and return their answers and failures in order.

    Raises:
        RemoteError, BudgetExceeded: the first failure, where there is nothing else.
    """
    if len(calls) <= 1:
        out = [_caught(call) for call in calls]
    else:
        with ThreadPoolExecutor(min(workers, len(calls)), "remote") as pool:
            out = list(pool.map(_caught, calls))
    failures = [one for one in out if isinstance(one, RemoteError | BudgetExceeded)]
    if failures and len(failures) == len(out):
        raise failures[0]
    return out


def _caught(call: Callable[[], T]) -> T | Failure:
    try:
        return call()
    except (RemoteError, BudgetExceeded) as error:
        return error


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What a server says of one list: (n,) scores, NaN = nothing; with ``failed`` it said nothing that can be used."""

    scores: Scores
    notes: Notes
    failed: str = ""


class RemoteReranker(Reranker):
    """Asks a server about each list; a subclass says what and reads the answer.

    A request that the server fails keeps its order and is noted, "rerank:<name>:<error>"; where it fails all of a
    batch the error is raised. Lists of one item, and requests that nothing is known of, are not sent.
    """

    name: str

    def __init__(self, config: Any, items: Any, client: Client, prompts: Prompts) -> None:
        super().__init__(config, items)
        self.client = client
        self.prompts = prompts

    @classmethod
    def from_config(cls, config: Any, deps: Deps) -> Self:
        """Build from settings. Raises `ConfigError` without a catalogue, a key that is named, or proper prompts."""
        if deps.items is None:
            raise ConfigError(f"{cls.name} needs the catalogue (deps.items)")
        return cls(config, deps.items, Client(config, key_of(config)), Prompts.read(config.prompts))

    def judge(self, requests: Sequence[Request], slates: Slates) -> Judgement:
        """Return the scores of the server.

        Raises:
            RemoteError: it failed every request. BudgetExceeded: every deadline has passed.
        """
        calls: list[Callable[[], Verdict]] = []
        asked: list[tuple[int, NDArray[np.int64]]] = []
        known = (slates.items >= 0) & (slates.items < len(self.items))
        for i, request in enumerate(requests):
            places = np.arange(slates.offsets[i], slates.offsets[i + 1])
            places = places[known[places]]
            call = self.question(request, slates.items[places]) if len(places) > 1 else None
            if call is not None:
                calls.append(call)
                asked.append((i, places))
        scores = np.full(len(slates.items), np.nan, dtype=np.float32)
        notes = [Notes()] * len(requests)
        for (i, places), verdict in zip(asked, each(calls, self.client.server.concurrency), strict=True):
            if isinstance(verdict, Verdict):
                scores[places] = verdict.scores
                notes[i] = verdict.notes
                failed = verdict.failed
            else:
                failed = type(verdict).__name__
            if failed:
                notes[i] = notes[i].plus(Notes(degraded=(f"rerank:{self.name}:{failed}",)))
        return Judgement(scores, tuple(notes) if any(note != Notes() for note in notes) else ())

    @abstractmethod
    def question(self, request: Request, rows: ItemRows) -> Callable[[], Verdict] | None:
        """Return what asks the server about one list, ready to run in any thread; None where nothing can be asked."""
