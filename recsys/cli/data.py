"""``recsys data``: read a data set and say what is in it and what was dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.output import Json, console, print_json, progress, table

if TYPE_CHECKING:
    from recsys.dataset import Dataset
    from recsys.protocols import DropReport

DataOption = Annotated[
    str, typer.Option("--data", metavar="READER:PATH", help="Data set: READER:PATH, or a short name such as shop.")
]


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("data")(data)


def data(
    source: Annotated[
        str | None, typer.Argument(metavar="READER:PATH", help="Nothing: list the data sets that are here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read a data set: what is in it, what was repaired and what was dropped, and why."""
    from recsys.data.source import available, data_folder, open_data

    if source is None:
        names = available(data_folder())
        if as_json:
            print_json({"folder": str(data_folder()), "names": names})
        else:
            typer.echo(f"Data sets in {data_folder()} (RECSYS_DATA names another folder):")
            typer.echo("\n".join(f"  {name}" for name in names))
        return
    with progress() as tell:
        tell(f"reading {source}")
        found, report = open_data(source)
    facts = {**statistics(found), "report": report_of(report)}
    if as_json:
        print_json(facts)
    else:
        _show(facts)


def statistics(data: Dataset) -> dict[str, Any]:
    """Return plain facts about a data set, ready for JSON; times are ISO 8601, None where there are no events."""
    import numpy as np

    from recsys.types import KINDS

    events = data.log.events
    counts = np.diff(data.log.offsets)
    kinds = np.bincount(events.kinds, minlength=len(KINDS))
    timed = bool(len(events)) and bool(data.info.get("has_times", True))
    return {
        "name": data.name,
        "items": len(data.items),
        "items_with_title": sum(1 for title in data.items.titles if title),
        "items_with_price": int((~np.isnan(data.items.prices)).sum()),
        "items_without_events": int(len(data.items) - len(np.unique(events.rows))),
        "shoppers": data.log.n_users,
        "events": len(events),
        "events_against": int((events.weights < 0).sum()),
        "kinds": {kind: int(n) for kind, n in zip(KINDS, kinds, strict=True) if n},
        "events_per_shopper": {
            name: float(np.percentile(counts, q)) if len(counts) else 0.0
            for name, q in (("p50", 50), ("p90", 90), ("max", 100))
        },
        "density": len(events) / max(1, len(data.items) * data.log.n_users),
        "first": iso(int(events.times.min())) if timed else None,
        "last": iso(int(events.times.max())) if timed else None,
        "reviews": len(data.reviews),
    }


def iso(second: int) -> str:
    """Return epoch seconds as ISO 8601 in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(second, UTC).isoformat()


def report_of(report: DropReport) -> dict[str, Any]:
    """Return a drop report as plain values."""
    return {
        "read": report.read, "kept": report.kept, "repaired": report.repaired, "dropped": report.dropped,
        "reasons": dict(report.reasons), "samples": list(report.samples),
    }  # fmt: skip


def _show(facts: dict[str, Any]) -> None:
    out = console()
    per = facts["events_per_shopper"]
    lines = [
        ("items", f"{facts['items']:,}"),
        ("  with title, with price", f"{facts['items_with_title']:,}, {facts['items_with_price']:,}"),
        ("  without any event", f"{facts['items_without_events']:,}"),
        ("shoppers", f"{facts['shoppers']:,}"),
        ("events", f"{facts['events']:,} ({facts['events_against']:,} of them against an item)"),
        *((f"  {kind}", f"{n:,}") for kind, n in facts["kinds"].items()),
        ("events per shopper", f"median {per['p50']:g}, 90 % have at most {per['p90']:g}, most {per['max']:g}"),
        ("density", f"{100 * facts['density']:.3g} %"),
        ("from, to", f"{facts['first'] or 'no times'}, {facts['last'] or 'no times'}"),
        ("reviews", f"{facts['reviews']:,}"),
    ]
    out.print(table(facts["name"], ("", ""), lines))
    report = facts["report"]
    out.print(
        f"{report['read']:,} records read = {report['kept']:,} kept ({report['repaired']:,} repaired)"
        f" + {report['dropped']:,} dropped"
    )
    if report["reasons"]:
        out.print(table("", ("why", "records"), [(w, f"{n:,}") for w, n in report["reasons"].items()], numbers=(1,)))
    for sample in report["samples"]:
        typer.echo(f"  {sample}")
