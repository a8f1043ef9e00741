"""Candidate lists that come with a data set: which items are to be put in order for whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ShapeMismatch

INFO_KEY = "given"  # where a data set carries them, in ``Dataset.info``


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Lists of equal length, in an order that says nothing.

    Attributes:
        users: (b,) ids of shoppers of the log, each once.
        rows: (b, c) int32 item rows, the target of the shopper among them.
        remark: what has to be said wherever figures of these lists are shown.
        fresh: whether nothing but the target was chosen by the shopper before. Lists that are drawn for learning and
            for validation are then of that kind, too; what is chosen later they may hold: they must not know of it.
    """

    users: tuple[str, ...]
    rows: NDArray[np.int32]
    remark: str = ""
    fresh: bool = False

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or len(self.rows) != len(self.users):
            raise ShapeMismatch(f"{len(self.users)} shoppers and lists of shape {self.rows.shape}")
        if len(set(self.users)) != len(self.users):
            raise ShapeMismatch("a shopper has two lists")
