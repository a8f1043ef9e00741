"""The reranker that asks a causal language model how likely each title is: zero-shot or trained, one class."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from pydantic import Field

from recsys.dataset import ItemTable
from recsys.rerank.assemble import Values
from recsys.rerank.prompted import Answered, Asked, Prompted
from recsys.runtime.causal import CausalLM
from recsys.runtime.prefixes import Prompt


class Likelihood(Prompted):
    """Ranks by how likely the model finds each title as what this shopper chooses next: log p(title | request).

    One schema serves recommendation and search (InstructRec, Zhang et al. 2023, arXiv 2305.07001); the model may be
    any, as it was downloaded or trained by us. The mean over a title's tokens is taken, so that long titles are not
    punished; ``calibration`` x the title's likelihood without knowing the shopper is subtracted, so that usual words
    are not rewarded (Holtzman et al. 2021, arXiv 2104.08315).
    """

    class Config(Prompted.Config):
        """``calibration`` 0 = the plain likelihood, 1 = pointwise mutual information."""

        calibration: float = Field(0.0, ge=0, le=1)

    form = "matching"
    pack = Path(__file__).parent / "likelihood.toml"

    def __init__(self, config: Any, items: ItemTable, model: CausalLM) -> None:
        """Read the template. Raises `PromptError` for a wrong one, `ConfigError` for a model without tokenizer."""
        super().__init__(config, items, model)
        self._usual = Remembered()

    def answer(self, asked: Sequence[Asked], deadline: float | None) -> list[Answered]:
        """Return the mean log-likelihood of each title, less the calibration."""
        titles = [[self._title(row) for row in a.rows] for a in asked]
        prefixes = [self._prefix(self.values(a), a.request.user or "") for a in asked]
        found = self.model.score(prefixes, titles, deadline=deadline)
        weight = self.config.calibration
        if weight:
            usual = self._usual_for([t for some in titles for t in some], deadline)
            found = [
                scores - np.float32(weight) * np.array([usual[t.key()] for t in some], np.float32)
                for scores, some in zip(found, titles, strict=True)
            ]
        read = [len(p) + sum(map(len, some)) for p, some in zip(prefixes, titles, strict=True)]
        return [Answered(scores, {"tokens_in": n}) for scores, n in zip(found, read, strict=True)]

    def _prefix(self, values: Values, tag: str) -> Prompt:
        return Prompt((self.assembler.shared(values, self.assembler.each_most, closed=True).ids,), tag)

    def _title(self, row: int) -> Prompt:
        return Prompt((self.assembler.each({"item": self.text(row)}, closed=False),))

    def _usual_for(self, titles: Sequence[Prompt], deadline: float | None) -> dict[str, float]:
        """Return the likelihood of each title, by its key, for somebody of whom nothing is known."""
        distinct = {t.key(): t for t in titles}
        known = self._usual.get(distinct)
        missing = {key: t for key, t in distinct.items() if key not in known}
        if missing:
            nobody = self._prefix(Values(), "")
            fresh = self.model.score([nobody], [list(missing.values())], deadline=deadline)[0]
            known |= zip(missing, fresh.tolist(), strict=True)
            self._usual.put(known)
        return known


class Remembered:
    """Numbers by content hash, within a bound; many threads may use it."""

    def __init__(self, size: int = 200_000) -> None:
        self._size = size
        self._kept: OrderedDict[str, float] = OrderedDict()
        self._lock = Lock()

    def get(self, keys: Iterable[str]) -> dict[str, float]:
        """Return what is kept under some keys."""
        with self._lock:
            return {key: self._kept[key] for key in keys if key in self._kept}

    def put(self, values: Mapping[str, float]) -> None:
        """Keep values; the oldest make room."""
        with self._lock:
            self._kept.update(values)
            for _ in range(len(self._kept) - self._size):
                self._kept.popitem(last=False)
