"""Pairs of a shopper and an item with a reference explanation, and which of them may teach."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Part = Literal["train", "valid", "test"]

INFO_KEY = "explained"  # where a data set carries its pairs, in ``Dataset.info``: a tuple of `Pair`
TEST_SHARE, VALID_SHARE = 0.3, 0.1  # of the shoppers


@dataclass(frozen=True, slots=True)
class Pair:
    """Why a shopper would choose an item, and what may be read to say so.

    Attributes:
        title, user_summary, item_summary: the inputs; all that an explanation may rest on.
        explanation: the reference.
        published: what another system is published to have said, None where nothing is.
        part: "train", "valid" or "test"; all pairs of a shopper are in one part.
    """

    user: str
    item: str
    title: str
    user_summary: str
    item_summary: str
    explanation: str
    published: str | None
    part: Part

    @property
    def inputs(self) -> tuple[str, str, str]:
        """Title, user summary, item summary."""
        return self.title, self.user_summary, self.item_summary


def part_of(user: str) -> Part:
    """Return the part of a shopper: a hash of the id decides, so neither the order nor the number of rows does."""
    digest = hashlib.sha256(f"xrec:{user}".encode("utf-8", "replace")).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < TEST_SHARE:
        return "test"
    return "valid" if place < TEST_SHARE + VALID_SHARE else "train"


def leaking(pairs: Sequence[Pair]) -> list[int]:
    """Return the places of the pairs that tell of a later part: (n,) in order.

    No shopper is in two parts, but items are: what one shopper is told of an item would be learned by heart and said
    to another. So a training pair goes when validation or test explain its item, a validation pair when the test does.
    """
    items = {part: {p.item for p in pairs if p.part == part} for part in ("valid", "test")}
    later = {"train": items["valid"] | items["test"], "valid": items["test"], "test": set[str]()}
    return [i for i, p in enumerate(pairs) if p.item in later[p.part]]
