"""Whether a personalised model in eight or four bits still orders titles as the whole one does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.errors import DataError
from recsys.runtime.gate import Bounds, compare
from recsys_fine_tuned.personalised import PersonalisedLM
from recsys_fine_tuned.tasks import Example

# Titles that each example's own one is ordered among, itself included.
TITLES = 20


def gate_figures(
    whole: PersonalisedLM, small: PersonalisedLM, examples: Sequence[Example], bounds: Bounds | None = None
) -> dict[str, Any]:
    """Return figures and bounds of two models on one list an example: its title among those of the examples after it.

    Raises:
        QuantisationRefused: ``small`` breaks a bound, or there are too few examples.
        DataError: an example is of another task than "next-item", or all are of one title.
    """
    if odd := {e.task for e in examples} - {"next-item"}:
        raise DataError(f"a gate is made of examples of next items, got {', '.join(sorted(odd))}")
    lists = [_titles(examples, k) for k in range(len(examples))]
    starts = np.concatenate([[0], np.cumsum([len(titles) for titles in lists])]).astype(np.int64)
    labels = [t == e.target for e, titles in zip(examples, lists, strict=True) for t in titles]
    one, other = (_scores(lm, examples, lists) for lm in (whole, small))
    return compare(one, other, starts, np.array(labels, np.float32)).check(bounds or Bounds())


def _titles(examples: Sequence[Example], k: int) -> list[str]:
    """Return distinct titles in the order of the alphabet, so that a tie does not favour the right one."""
    found: dict[str, None] = {}
    for j in range(len(examples)):
        found[examples[(k + j) % len(examples)].target] = None
        if len(found) == TITLES:
            break
    return sorted(found)


def _scores(lm: PersonalisedLM, examples: Sequence[Example], lists: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    prompts = lm.prompts("next-item", [e.source for e in examples], [e.user for e in examples])
    return np.concatenate([np.empty(0, np.float32), *lm.likelihoods(prompts, lists)])
