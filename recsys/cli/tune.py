"""``recsys tune``: settings chosen on validation, within a budget, gone on with where it ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.cli.data import DataOption
from recsys.cli.fit import ConfigOption, DeviceOption, KeepOption, config_for
from recsys.cli.output import Json, print_json, progress, write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from recsys.config import EngineConfig
    from recsys.dataset import Dataset
    from recsys.protocols import FitOptions
    from recsys.tune import Budget


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("tune")(tune)


def tune(
    data: DataOption,
    config: ConfigOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where they are kept: settings/<data>.toml.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="leave-one-out or global-time.")] = "leave-one-out",
    only: Annotated[
        str | None, typer.Option("--only", help="Only these generators and ranker, separated by commas.")
    ] = None,
    requests: Annotated[int, typer.Option("--requests", min=1, help="So many validation requests.")] = 5000,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Values tried of each component.")] = 40,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Bound of the whole search.")] = None,
    study: Annotated[
        Path | None, typer.Option("--study", metavar="FILE", help="Keeps every trial; the same call goes on with it.")
    ] = None,
    device: DeviceOption = "cpu",
    keep: KeepOption = None,
    as_json: Json = False,
) -> None:
    """Choose settings on validation alone; `fit` and `evaluate` use them for this data set from then on."""
    from recsys.data.source import open_data
    from recsys.protocols import FitOptions
    from recsys.tune import Budget

    budget, how = Budget(trials, seconds, study), FitOptions(device=device, kept=keep)
    with progress() as tell:
        tell(f"reading {data}")
        found, _ = open_data(data)
        chosen, kept = tuned(
            found, config_for(config, found.name), split, out, budget=budget, requests=requests, only=_names(only),
            how=how, tell=tell,
        )  # fmt: skip
    if as_json:
        print_json({"settings": str(kept), "settings_hash": chosen.hash, "data": found.name})
    else:
        typer.echo(f"settings kept in {kept}\nnext:  recsys fit --data {data} --config {kept} --out bundle")


def tuned(
    data: Dataset, config: EngineConfig, split: str, out: Path | None = None, *, budget: Budget | None = None,
    requests: int = 5000, only: Sequence[str] | None = None, how: FitOptions | None = None,
    tell: Callable[[str], None],
) -> tuple[EngineConfig, Path]:  # fmt: skip
    """Return the settings chosen and where they are kept."""
    from recsys.settings import slug
    from recsys.tune import to_toml
    from recsys.tune import tune as search

    kept = out or Path("settings") / f"{slug(data.name)}.toml"
    kept.parent.mkdir(parents=True, exist_ok=True)  # hours of work should not end here
    chosen = search(data, split, config, requests=requests, only=only, budget=budget, how=how, progress=tell)
    write_text(kept, to_toml(chosen, f"Tuned on the validation fold of {data.name}, split {split}."))
    return chosen, kept


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
