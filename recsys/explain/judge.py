"""Holds what a text names against the evidence: acts, times, numbers, quotes, values, and every word beside."""

from __future__ import annotations

from recsys.explain.acts import find_acts
from recsys.explain.findings import Judge
from recsys.explain.judge_acts import judge_act, judge_item
from recsys.explain.judge_dates import judge_dates
from recsys.explain.judge_numbers import judge_number
from recsys.explain.judge_quotes import judge_quote
from recsys.explain.judge_values import judge_values
from recsys.explain.judge_words import judge_words
from recsys.explain.known import Known
from recsys.explain.reading import read


def judge(text: str, known: Known, now: int | None) -> Judge:
    """Return the findings about every claim of ``text``."""
    reading = read(text, known)
    find_acts(reading, known)
    made = Judge(known, reading, now)
    for node in reading.nodes:
        if node.kind == "item":
            judge_item(made, node)
        elif node.kind == "act":
            judge_act(made, node)
        elif node.kind == "number":
            judge_number(made, node)
        elif node.kind == "quote":
            judge_quote(made, node)
    judge_dates(made)
    judge_values(made)
    judge_words(made)
    return made
