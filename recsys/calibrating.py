"""How far a reranker may move an item: decided on validation, by a paired test against the incoming order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.ndcg import labelled
from recsys.paired import paired_randomisation
from recsys.requests import CHUNK
from recsys.rerank.base import Reranker, stepped
from recsys.rerank.moves import placed
from recsys.types import Request, Slates

R = TypeVar("R", bound=Reranker)
# From a timid reranker to one that does as it likes.
MOVES: tuple[int | None, ...] = (1, 2, 3, 5, 8, 12, None)
UNBOUNDED = "any"


@dataclass(frozen=True, slots=True)
class Calibration:
    """What validation said: NDCG@10 by bound ("any" is none, 0 the incoming order), and whether the best is kept.

    ``p`` is of the paired randomisation test of the best bound against the incoming order, on the same lists; the
    bound was chosen on them, too, so that it is a little too small.
    """

    ndcg: Mapping[str, float]
    max_move: int | None
    p: float
    accepted: bool
    requests: int

    def __str__(self) -> str:
        best = UNBOUNDED if self.max_move is None else self.max_move
        said = ", ".join(f"{bound}: {value:.4f}" for bound, value in self.ndcg.items())
        return f"{'accepted, moves' if self.accepted else 'not accepted, best'} {best} (p {self.p:.3f}; {said})"


def calibrated(
    reranker: R, requests: Sequence[Request], slates: Slates, labels: NDArray[np.float32], *,
    moves: Sequence[int | None] = MOVES, level: float = 0.05, seed: int = 0,
) -> tuple[R, Calibration]:  # fmt: skip
    """Return the reranker with the bound that validation likes best, and the figures.

    Where no bound is better than the incoming order at ``level``, the reranker that comes back moves nothing.

    Args:
        reranker: fitted on other requests.
        requests, slates: (b,) validation lists as they reach the reranker, best first.
        labels: (m,) above 0 where an item was chosen.
        moves: the bounds to try, None = no bound.
    """
    scores = np.concatenate([np.empty(0, np.float32), *_judged(reranker, requests, slates)])
    figures = {"0": labelled(slates, labels)}
    for most in moves:
        figures[_name(most)] = labelled(slates, labels, placed(slates, stepped(scores), most))
    means = {name: float(values.mean()) if len(values) else 0.0 for name, values in figures.items()}
    best = max(moves, key=lambda most: means[_name(most)])
    reached, before = figures[_name(best)], figures["0"]
    p = paired_randomisation(reached, before, seed=seed) if len(slates) else 1.0
    accepted = p < level and means[_name(best)] > means["0"]
    said = Calibration(means, best, p, accepted, len(slates))
    return reranker.bounded(best if accepted else 0), said


def _judged(reranker: Reranker, requests: Sequence[Request], slates: Slates) -> list[NDArray[np.float32]]:
    """Return the scores of each chunk of requests: a model's rows of all lists at once would not fit."""
    out = []
    for at in range(0, len(slates), CHUNK):
        out.append(reranker.judge(requests[at : at + CHUNK], slates.part(at, at + CHUNK)).scores)
    return out


def _name(most: int | None) -> str:
    return UNBOUNDED if most is None else str(most)
