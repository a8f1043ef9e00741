"""One search over the settings of one component: bounded, seeded, kept in a file and gone on with."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.errors import ConfigError, DataError
from recsys.registry import import_optional

Space = Mapping[str, Sequence[Any]]
Values = dict[str, Any]
STUCK = 50  # proposals in a row that were all tried before: the sampler has settled


@dataclass(frozen=True, slots=True)
class Budget:
    """How far a search may go.

    Attributes:
        trials: values tried of each component, its present ones first.
        seconds: of the whole search, None = no bound; every component tries its present values at least.
        study: SQLite file that keeps every trial, for `optuna-dashboard` too; the same call goes on where it was.
            None keeps nothing.
    """

    trials: int = 40
    seconds: float | None = None
    study: Path | None = None

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError(f"trials must be at least 1, got {self.trials}")
        if self.seconds is not None and not self.seconds > 0:
            raise ConfigError(f"seconds must be above 0, got {self.seconds}")


class Studies:
    """Searches of several components, one after the other, on one budget.

    Small spaces are tried whole; larger ones are sampled by Optuna's tree-structured Parzen estimator (Bergstra et
    al. 2011; Akiba et al. 2019, arXiv 1907.10902). ``mark`` says what was measured: trials of other data, another
    split or other settings around the component are not gone on with.

    Raises:
        PluginUnavailable: optuna is not installed. DataError: the file of the study is none.
    """

    def __init__(
        self, budget: Budget, mark: str, components: int, seed: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._optuna = import_optional("optuna")
        self._optuna.logging.set_verbosity(self._optuna.logging.WARNING)
        self._budget, self._mark, self._left, self._seed, self._clock = budget, mark, components, seed, clock
        self._until = None if budget.seconds is None else clock() + budget.seconds
        self._storage = self._opened(budget.study)

    def best(
        self, name: str, space: Space, now: Values, measure: Callable[[Values], float], facts: str = ""
    ) -> tuple[Values, float, int]:
        """Return the values of ``space`` that measure best, their measure, and how many were measured in this call.

        ``now`` are the present values of every setting: they are tried first, and stay where nothing is better.
        ``facts`` go into the mark of this search.
        """
        space = {key: [now[key], *(v for v in values if v != now[key])] for key, values in space.items()}
        orders = {key: _ordered(values) for key, values in space.items()}
        marked = hashlib.sha256(json.dumps([self._mark, facts, orders], default=str).encode()).hexdigest()[:12]
        study = self._optuna.create_study(
            study_name=f"{name}-{marked}", storage=self._storage, direction="maximize", load_if_exists=True,
            sampler=self._optuna.samplers.TPESampler(seed=self._seed),
        )  # fmt: skip
        until = self._share()
        known = {_key(t.user_attrs["values"]): t.value for t in study.trials if t.state.name == "COMPLETE"}
        measured = 0
        for places, values in self._proposals(study, orders, now, known):
            score = known[_key(values)] = measure(values)
            study.add_trial(self._made(orders, places, values, score))
            measured += 1
            if len(known) >= self._budget.trials or (until is not None and self._clock() >= until):
                break
        # What is not better leaves things as they are.
        best = max(known, key=lambda key: (known[key], key == _key(now)))
        return json.loads(best), known[best], measured

    def _proposals(
        self, study: Any, orders: Space, now: Values, known: Mapping[str, float]
    ) -> Iterator[tuple[Mapping[str, int], Values]]:
        """Yield what was not measured yet, as places in ``orders`` and as values; the present values come first."""
        grid = math.prod(len(values) for values in orders.values())
        first = [{key: values.index(now[key]) for key, values in orders.items()}]
        if grid <= self._budget.trials:
            every = itertools.product(*(range(len(values)) for values in orders.values()))
            first += [dict(zip(orders, places, strict=True)) for places in every]
        for places in first:
            if _key(_values(orders, places)) not in known:
                yield places, _values(orders, places)
        repeated = 0
        while len(known) < min(self._budget.trials, grid) and repeated < STUCK:
            trial = study.ask(self._distributions(orders))
            # The trial itself is given up: only what was measured is kept, so that an interrupted call leaves no trace.
            study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            values = _values(orders, trial.params)
            repeated = repeated + 1 if _key(values) in known else 0
            if not repeated:
                yield trial.params, values

    def _distributions(self, orders: Space) -> dict[str, Any]:
        return {key: self._optuna.distributions.IntDistribution(0, len(v) - 1) for key, v in orders.items()}

    def _made(self, orders: Space, places: Mapping[str, int], values: Values, score: float) -> Any:
        return self._optuna.trial.create_trial(
            params=dict(places), distributions=self._distributions(orders), value=score, user_attrs={"values": values}
        )

    def _share(self) -> float | None:
        """Return when the next component has to end: what is left is shared evenly."""
        self._left = max(self._left, 1)
        until = None if self._until is None else self._clock() + (self._until - self._clock()) / self._left
        self._left -= 1
        return until

    def _opened(self, path: Path | None) -> Any:
        if path is None:
            return None
        import_optional("sqlalchemy")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.stat().st_size and not path.read_bytes()[:16].startswith(b"SQLite format 3"):
            raise DataError(f"{path} is no study: give --study another name")
        return self._optuna.storages.RDBStorage(f"sqlite:///{path}")


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Return numbers by size, so that near ones are near for the sampler, and all else by its name.

    The order is that of the values alone: which of them is the present one must not make it another search.
    """
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return sorted(values) if plain else sorted(values, key=repr)


def _values(orders: Space, places: Mapping[str, int]) -> Values:
    return {key: values[places[key]] for key, values in orders.items()}


def _key(values: Values) -> str:
    return json.dumps(values, sort_keys=True)
