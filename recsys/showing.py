"""The workings of a call: from the lists that each stage gave to the way of each listed item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recsys.candidates.fuse import FOUND, FUSED, normalised
from recsys.errors import StageError
from recsys.funnel import Plan, Stopwatch
from recsys.protocols import Contributions, Decomposable
from recsys.rules.trace import RULED
from recsys.searching import PERSONAL, SearchPlan
from recsys.types import Request, Slates
from recsys.workings import TOP_FEATURES, Feature, Placed, Preranked, Source, Workings

# The stages that order lists, first to last, and what `Workings.moves` calls them.
ORDERS = {"fuse": "", "rank": "prerank", "rerank": "rerank", "refound": "refound", "fold": "fold", "rules": "rules"}


@dataclass(frozen=True, slots=True, eq=False)
class Show:
    """What a call knows of its plan: the generators in the order of their bits, the ranker, and the reranker's top.

    ``ranker`` and ``reranker`` are names in the settings, "" = none; ``model`` is the ranker itself.
    """

    generators: Sequence[str]
    ranker: str = ""
    model: Any = None
    reranker: str = ""
    top: int = 0

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return what to show of a list."""
        return cls(list(plan.generators), plan.ranker_name, plan.ranker, plan.reranker_name, plan.top)

    @classmethod
    def of_search(cls, plan: SearchPlan) -> Self:
        """Return what to show of a search: the finders, then the sources of the personal side and all of these."""
        personal = plan.personal.plan
        names = dict.fromkeys([*plan.finders, *personal.generators, PERSONAL])
        return cls(list(names), plan.settings.rank or "", plan.ranker, personal.reranker_name, personal.top)

    def workings(
        self, requests: Sequence[Request], listed: Slates, watch: Stopwatch, strict: bool = False
    ) -> tuple[list[list[Workings]], tuple[str, ...]]:
        """Return one `Workings` for each entry of ``listed``, list by list, and what of it failed.

        ``watch`` kept what the stages gave. A ranker that cannot say what its scores are made of is shown without.

        Raises:
            StageError: it fails at that, in strict mode.
        """
        kept, degraded = watch.kept or {}, tuple[str, ...]()
        try:
            made = _made_of(self.model, requests, kept, listed)
        except Exception as error:  # as everywhere: whatever a plug-in raises must not take the list down
            if strict:
                raise StageError("workings", self.ranker, str(error)) from error
            made, degraded = None, (f"workings:{self.ranker}:{type(error).__name__}",)
        read = _Stages(kept, made, self)
        return [read.of_list(i, slate) for i, slate in enumerate(listed)], degraded


@dataclass(frozen=True, slots=True, eq=False)
class _Reasons:
    """What ranker scores are made of: ``line`` finds the row of ``made`` by (request, item row)."""

    made: Contributions
    line: Mapping[tuple[int, int], int]

    def of(self, request: int, row: int) -> dict[str, Any]:
        """Return the fields of `Preranked` that are about features; nothing for an entry that is not there."""
        at = self.line.get((request, row))
        if at is None:
            return {}
        amounts, values = self.made.amounts[at], self.made.values[at]
        best = np.argsort(-np.abs(amounts), kind="stable")[:TOP_FEATURES]
        best = best[amounts[best] != 0]
        features = tuple(
            Feature(self.made.names[f], self.made.labels[f], _number(values[f]), float(amounts[f]))
            for f in best.tolist()
        )
        rest = float(amounts.sum() - amounts[best].sum())
        return {"expected": self.made.expected, "features": features, "rest": rest}


def _made_of(model: Any, requests: Sequence[Request], kept: Mapping[str, Slates], listed: Slates) -> _Reasons | None:
    """Return what the scores of the listed entries are made of; None where the ranker did not run or does not say."""
    given = kept.get("features", kept.get("fuse"))
    if "rank" not in kept or given is None or not isinstance(model, Decomposable):
        return None
    wanted = np.isin(_keys(given), _keys(listed))
    owner, rows = given.request_index[wanted].tolist(), given.items[wanted].tolist()
    made = model.feature_contributions(requests, given, wanted)
    return _Reasons(made, {key: at for at, key in enumerate(zip(owner, rows, strict=True))})


def _keys(slates: Slates) -> NDArray[np.int64]:
    return (slates.request_index << 32) | slates.items


@dataclass(frozen=True, slots=True, eq=False)
class _Stages:
    kept: Mapping[str, Slates]
    made: _Reasons | None
    show: Show

    def of_list(self, i: int, listed: Slates) -> list[Workings]:
        """Return the workings of one list."""
        lists = {stage: self.kept[stage][i] for stage in (*ORDERS, "scored") if stage in self.kept}
        if self._fell_back(listed):
            lists.pop("rerank", None)
        place = {stage: {row: p for p, row in enumerate(one.items.tolist())} for stage, one in lists.items()}
        shares = {g: normalised(lists["scored"].columns[f"{g}_score"], lists["scored"]) for g in self._scoring(lists)}
        out = []
        for entry, row in enumerate(listed.items.tolist()):
            at = {stage: rows[row] for stage, rows in place.items() if row in rows}
            out.append(
                Workings(
                    sources=self._sources(lists, shares, at.get("scored")),
                    fused=self._fused(lists, at),
                    prerank=self._preranked(lists, at, i),
                    rerank=self._reranked(lists, at),
                    rules=listed.columns[RULED][entry] if RULED in listed.columns else (),
                    moves=_moves(at),
                )
            )
        return out

    def _fell_back(self, listed: Slates) -> bool:
        """Whether the reranker left the list as it came."""
        said = listed.notes[0].degraded if listed.notes else ()
        return any(d.startswith(f"rerank:{self.show.reranker}:") and not d.endswith(":half") for d in said)

    def _scoring(self, lists: Mapping[str, Slates]) -> list[str]:
        columns = lists["scored"].columns if "scored" in lists else {}
        return [g for g in self.show.generators if f"{g}_score" in columns]

    def _sources(
        self, lists: Mapping[str, Slates], shares: Mapping[str, NDArray[np.float32]], at: int | None
    ) -> dict[str, Source]:
        if at is None:
            return {}
        columns, out = lists["scored"].columns, {}
        mask = int(columns[FOUND][at]) if FOUND in columns else 0
        bits = {g: bit for bit, g in enumerate(self.show.generators)}
        for g, share in shares.items():
            score = _number(columns[f"{g}_score"][at])
            if score is not None:
                out[g] = Source(int(columns[f"{g}_rank"][at]), score, float(share[at]), bool(mask >> bits[g] & 1))
        return out

    def _fused(self, lists: Mapping[str, Slates], at: Mapping[str, int]) -> Placed | None:
        if "fuse" not in at:
            return None
        return Placed(at["fuse"] + 1, _number(lists["fuse"].columns[FUSED][at["fuse"]]), "fusion")

    def _preranked(self, lists: Mapping[str, Slates], at: Mapping[str, int], i: int) -> Preranked | None:
        if "rank" not in at:
            return None
        row, place = int(lists["rank"].items[at["rank"]]), at["rank"]
        made = {} if self.made is None else self.made.of(i, row)
        return Preranked(place + 1, _number(lists["rank"].scores[place]), self.show.ranker, **made)

    def _reranked(self, lists: Mapping[str, Slates], at: Mapping[str, int]) -> Placed | None:
        """Return what the reranker said; None for what it did not read: all below its top, or below the half of it."""
        if "rerank" not in at or at["rerank"] >= self.show.top:
            return None
        said = lists["rerank"].columns.get("rerank_score")
        score = None if said is None else _number(said[at["rerank"]])
        if said is not None and score is None and np.isfinite(said).any():
            return None
        return Placed(at["rerank"] + 1, score, self.show.reranker)


def _moves(at: Mapping[str, int]) -> dict[str, int]:
    """Return how many places up each stage moved an item that stood at the places ``at``."""
    ran = [stage for stage in ORDERS if stage in at]
    return {ORDERS[b]: at[a] - at[b] for a, b in pairwise(ran)}


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
