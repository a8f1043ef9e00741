"""``recsys init`` and ``recsys fit``: from settings and data to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.cli.data import report_of
from recsys.cli.output import Json, console, print_json, progress, table, write_text
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from recsys.config import EngineConfig
    from recsys.engine import Engine

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings in TOML; without it those kept for this data set."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="Where models of torch are trained: cpu, or cuda for a GPU.")
]
KeepOption = Annotated[
    Path | None,
    typer.Option("--keep", metavar="FOLDER", help="Keep fitted generators there, and read back equal ones."),
]

TEMPLATE = """\
# Settings of a recsys engine. Every line may be left out: what stands here is the default.
# Type `recsys plugins` to see what can be named, `recsys fit --config recsys.toml ...` to use this file.

variant = "no-llm"      # the plan that serves; others can be chosen in each call
hide_seen = true        # what was bought, rated or rejected is not recommended again
seed = 0

[events]
history_limit = 200     # the latest events of a shopper that count
# weights = { view = 0.3, cart = 0.6, purchase = 1.0 }      # signed strength of each kind of event

# Candidate generators: `n` is the length of their list, all else their own settings.
# `use` names the plug-in where the section has another name.
[candidates.transitions]
[candidates.attributes]
[candidates.item-knn]
[candidates.als]
[candidates.ease]
[candidates.dense]
[candidates.popularity]
n = 30

# The fused score is the weighted sum of the generators' scores; the best `n` reach the ranker.
[fusion]
n = 150
default = 0.3
# weights = { transitions = 1.0, attributes = 0.5 }

[rank.lightgbm]

# A variant is a plan: which generators (all, if not said) and which ranker (none: the fused order).
[variants.no-llm]
rank = "lightgbm"
"""


def add(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("init")(init)
    app.command("fit")(fit)


def init(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write.")] = Path("recsys.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented settings file with the defaults."""
    if out.exists() and not force:
        raise ConfigError(f"{out} is already there: type 'recsys init --force' to replace it, or give another --out")
    write_text(out, TEMPLATE)
    if as_json:
        print_json({"path": str(out)})
    else:
        typer.echo(f"wrote {out}\nnext:  recsys fit --data shop --config {out} --out bundle")


def fit(
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Folder of the bundle; a new version in it.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="READER:PATH", help="A data set, such as shop or csv:events.csv.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            envvar="RECSYS_DATABASE",
            show_envvar=True,
            help="What the store of a service holds, instead of a data set.",
        ),
    ] = None,
    tenant: Annotated[str, typer.Option("--tenant", help="Whose, with --database.")] = "default",
    config: ConfigOption = None,
    like: Annotated[
        Path | None, typer.Option("--like", metavar="BUNDLE", help="The settings of this bundle instead of --config.")
    ] = None,
    tune: Annotated[bool, typer.Option("--tune", help="First `recsys tune`, with its defaults.")] = False,
    dump: Annotated[
        Path | None,
        typer.Option("--dump", metavar="STORE", help="Also write catalogue and events, for recommend --store."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Replaces the seed of the settings.")] = None,
    device: DeviceOption = "cpu",
    as_json: Json = False,
) -> None:
    """Fit an engine on a data set, or on what the store of a service holds, and write a bundle."""
    if data is None:
        if database is None:
            raise ConfigError("nothing to fit on: give --data READER:PATH, or --database URL for a service's store")
        chosen = _settings(config, like, "", seed)
        _fit_stored(out, database, tenant, chosen, device, as_json)
        return
    from recsys.data.source import open_data
    from recsys.engine import Engine
    from recsys.protocols import FitOptions

    with progress() as tell:
        tell(f"reading {data}")
        found, report = open_data(data)
        chosen = _settings(config, like, found.name, seed)
        kept: Path | None = None
        if tune:
            from recsys.cli.tune import tuned

            chosen, kept = tuned(found, chosen, "leave-one-out", tell=tell)
        how = FitOptions(seed=chosen.seed, device=device)
        engine = Engine(chosen.trimmed()).fit(found, how, progress=tell)
        tell(f"saving to {out}")
        bundle = engine.save(out)
        if dump is not None:
            tell(f"writing {dump}")
            engine.dump(dump)
    facts = {
        "bundle": bundle, "path": str(out), "data": found.name, "items": len(found.items), "events": len(found.log),
        "shoppers": found.log.n_users, "settings_hash": chosen.hash, "settings": None if kept is None else str(kept),
        "fit_s": {name: round(s, 3) for name, s in engine.fitted.fit_s.items()},
        "warnings": list(engine.warnings), "report": report_of(report),
    }  # fmt: skip
    if as_json:
        print_json(facts)
        return
    _show(engine, bundle, out)
    if kept is not None:
        typer.echo(f"settings kept in {kept}")
    user = found.log.users[0] if found.log.n_users else "USER"
    typer.echo(f"next:  recsys recommend --bundle {out} --data {data} --user {user}")


def _settings(path: Path | None, like: Path | None, data_name: str, seed: int | None) -> EngineConfig:
    if like is None:
        return config_for(path, data_name, seed)
    if path is not None:
        raise ConfigError("give --config or --like, not both")
    from recsys.saving import saved_config

    config = saved_config(like)
    return config if seed is None else config.model_copy(update={"seed": seed})


def _fit_stored(out: Path, database: str, tenant: str, config: EngineConfig, device: str, as_json: bool) -> None:
    from recsys.protocols import FitOptions
    from recsys.serving.fitting import fit_tenant

    with progress() as tell:
        how = FitOptions(seed=config.seed, device=device)
        bundle, engine = fit_tenant(database, tenant, config, out, how, tell)
    if as_json:
        facts = {"bundle": bundle, "path": str(out), "tenant": tenant, "settings_hash": config.hash}
        print_json({**facts, "warnings": list(engine.warnings)})
        return
    _show(engine, bundle, out)


def _show(engine: Engine, bundle: str, out: Path) -> None:
    seconds = [(name, f"{s:.1f}") for name, s in engine.fitted.fit_s.items()]
    console().print(table(f"bundle {bundle} in {out}", ("fitted", "seconds"), seconds, numbers=(1,)))
    for warning in engine.warnings:
        typer.echo(f"warning: {warning}")


def config_for(path: Path | None, data_name: str, seed: int | None = None) -> EngineConfig:
    """Return the settings of a file, else those kept for the data set, else the defaults."""
    from recsys.config import EngineConfig
    from recsys.settings import left_out, notes_of, settings_for

    if path is None:
        for note in notes_of(left_out(data_name)):
            typer.echo(f"warning: {note}", err=True)
    config = EngineConfig.read(path) if path is not None else settings_for(data_name) or EngineConfig()
    return config if seed is None else config.model_copy(update={"seed": seed})
