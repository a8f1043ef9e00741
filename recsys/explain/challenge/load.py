"""Reads the committed files of the challenge set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.explain.challenge.corrupt import plain
from recsys.explanation import Evidence

FOLDER = Path(__file__).parent
SPLIT_NAMES = ("dev", "heldout")
NOW = 1_793_491_200  # 1 November 2026, the day on which all the texts are read


@dataclass(frozen=True, slots=True)
class Challenge:
    """One text to check.

    Attributes:
        kind: "true", or what was done to make it false. by_hand: of a false text: it was not made by code.
    """

    case: str
    kind: str
    text: str
    title: str
    evidence: tuple[Evidence, ...]
    by_hand: bool = False


def read_cases(split: str) -> list[dict[str, Any]]:
    """Return the cases of a split as plain dicts."""
    lines = (FOLDER / f"cases.{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def marked_texts(split: str) -> list[tuple[str, str]]:
    """Return (case, text with its marks) for every true text of a split."""
    lines = (FOLDER / f"texts.{split}.txt").read_text(encoding="utf-8").splitlines()
    return [(case, text) for case, _, text in (line.partition("\t") for line in lines if "\t" in line)]


def load(split: str) -> list[Challenge]:
    """Return every text of a split: the true ones, the corruptions made by code, and those made by hand."""
    cases = {c["case"]: c for c in read_cases(split)}
    out = [_challenge(cases[name], "true", plain(text)) for name, text in marked_texts(split)]
    files = [FOLDER / f"{name}.{split}.jsonl" for name in ("corruptions", "injected")]
    for line in (x for file in files if file.exists() for x in file.read_text(encoding="utf-8").splitlines()):
        made = json.loads(line)
        out.append(_challenge(cases[made["case"]], made["kind"], made["text"], made.get("evidence")))
    for line in (FOLDER / f"false.{split}.txt").read_text(encoding="utf-8").splitlines():
        if line.count("\t") == 2:
            name, kind, text = line.split("\t")
            out.append(_challenge(cases[name], kind, text, by_hand=True))
    return out


def _challenge(
    case: Mapping[str, Any],
    kind: str,
    text: str,
    evidence: Sequence[Mapping[str, Any]] | None = None,
    by_hand: bool = False,
) -> Challenge:
    known = tuple(Evidence(**e) for e in (case["evidence"] if evidence is None else evidence))
    return Challenge(case["case"], kind, text, case["title"], known, by_hand)
