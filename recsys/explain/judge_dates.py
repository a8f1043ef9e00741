"""Judges times that belong to no act."""

from __future__ import annotations

from recsys.explain.findings import Judge, span


def judge_dates(made: Judge) -> None:
    """Times that belong to no act are those at which the recommended item came in."""
    for node in made.reading.nodes:
        if node.kind != "when" or id(node) in made.explained or node.when is None:
            continue
        owners = [n for n in made.reading.nodes if node in n.dates]
        if owners and owners[0].kind == "item" and made.known.rec not in owners[0].items:
            continue  # judged with its item
        right = [i for i, e in made.known.novel if e.time is not None and node.when.holds(e.time, made.now)]
        if not right and owners and owners[0].kind == "item":
            mine = [(i, e) for i, e in made.known.events if e.item_id in owners[0].items]
            right = [i for i, e in mine if e.time is not None and node.when.holds(e.time, made.now)]
        today = node.when.days == 0 and (not owners or owners[0].kind == "item")  # "today: ink"
        if right or today:
            made.yes(node.start, "time", right[:1])
        else:
            made.no(node.start, "time", f"the time is not known ({span(made, node.start, node.end)})")
