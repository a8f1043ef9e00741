"""Finds what a text says that somebody did: the act, whose it is, with which items, and when."""

from __future__ import annotations

from recsys.explain.act_dates import bind_dates
from recsys.explain.act_objects import objects
from recsys.explain.act_subjects import subject
from recsys.explain.act_words import meant
from recsys.explain.known import Known
from recsys.explain.reading import Node, Reading


def find_acts(reading: Reading, known: Known) -> None:
    """Add a node for every act that is claimed, with its items and dates."""
    for i, token in enumerate(reading.tokens):
        if reading.node[i] is not None or not token.word:
            continue
        name = reading.any_of(i, "act:")
        if name:
            name = meant(reading, known, i, name)
        if name and (who := subject(reading, i, name)):
            end = i + 1
            while end < len(reading.tokens) and reading.categories[end] == {"inside"} and reading.node[end] is None:
                end += 1
            reading.add(Node("act", i, end, name=name, who=who))
    reading.nodes.sort(key=lambda node: node.start)
    for node in reading.nodes:
        if node.kind == "act" and node.who == "you":
            for item in objects(reading, node, known):
                item.act = node
    bind_dates(reading, known)
