"""``recsys simulate``: an A/B test with simulated shoppers, whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys.cli.output import JsonFile, OptionalFile, console, give_json, progress, table
from recsys.errors import ConfigError

if TYPE_CHECKING:
    from recsys.data.shop import Shop
    from recsys.eval.arms import Arm
    from recsys.fitting import Progress

ARM = "A variant of the demo (no-llm, zero-shot, fine-tuned, popularity), or settings: FILE.toml or FILE.toml:VARIANT."
NAMES = {
    "click_rate": "clicks a look",
    "purchases": "purchases a shopper",
    "session_length": "items looked at by a shopper",
    "satisfaction": "true grade (0 to 3) of what was looked at",
}


def add(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("simulate", cls=OptionalFile)(simulate)


def simulate(
    a: Annotated[str, typer.Option("--a", metavar="ARM", help=ARM)],
    b: Annotated[str, typer.Option("--b", metavar="ARM", help="The other one, likewise.")],
    shoppers: Annotated[int, typer.Option("--shoppers", min=2, help="Shoppers who visit, drawn by the seed.")] = 400,
    visits: Annotated[int, typer.Option("--visits", min=1, help="Visits of each shopper, three days apart.")] = 1,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Tell each engine what happened before the next visit.")
    ] = False,
    independent: Annotated[
        bool, typer.Option("--independent", help="Luck of its own for each arm, as in a test of two groups.")
    ] = False,
    boredom: Annotated[float, typer.Option("--boredom", min=0, max=1, help="Chance to leave after a vain look.")] = 0.1,
    pages: Annotated[int, typer.Option("--pages", min=1, max=50, help="Pages of ten items, at most.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of who visits, and of their luck.")] = 0,
    size: Annotated[int, typer.Option("--size", min=20, help="Shoppers that the sample shop has.")] = 5000,
    shop_seed: Annotated[int, typer.Option("--shop-seed", min=0, help="Seed of the sample shop.")] = 0,
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo's fitted engine is kept.")] = Path(".demo"),
    json_file: JsonFile = None,
) -> None:
    """Let simulated shoppers of the sample shop visit two engines: does the A/B test find what is true?

    They look down the list (the place biases what is seen), click and buy by tastes that only the simulator knows, and
    leave when bored. Beside every measured difference stands the true one.
    """
    from recsys.eval.ab import ab, check
    from recsys.eval.simulate import Habits

    check(shoppers, visits, feedback)  # before an engine is fitted for it
    habits = Habits(pages=pages, boredom=boredom)
    with progress() as tell:
        shop, now, arms = arms_of((a, b), folder, size, shop_seed, tell)
        found = ab(
            shop, *arms, now=now, shoppers=shoppers, visits=visits, habits=habits, feedback=feedback,
            independent=independent, seed=seed, progress=tell,
        )  # fmt: skip
    found = {"shop": {"seed": shop_seed, "shoppers": size}, **found}
    if json_file is not None:
        give_json(found, json_file)
    if json_file != "-":
        show(found)


def arms_of(words: tuple[str, str], folder: Path, size: int, seed: int, tell: Progress) -> tuple[Shop, int, list[Arm]]:
    """Return the shop, the second after its last event, and an arm for each word; engines are fitted as needed.

    Raises:
        ConfigError: settings that cannot be read, or a variant that does not exist.
    """
    from recsys.config import EngineConfig
    from recsys.demo import Demo, prepare
    from recsys.eval.arms import Arm

    parsed = [_parsed(word) for word in words]
    configs = {file: EngineConfig.read(Path(file)) if file else None for file, _ in parsed}
    made: dict[str, Demo] = {}
    arms = []
    for word, (file, variant) in zip(words, parsed, strict=True):
        if file not in made:
            kept = None if file else folder
            made[file] = prepare(kept, seed=seed, n_shoppers=size, config=configs[file], progress=tell)
        demo = made[file]
        known = demo.engine.config.variants
        if variant is not None and variant not in known:
            why = demo.missing.get(variant, f"choose one of {', '.join(known)}, or FILE.toml")
            raise ConfigError(f"no variant {variant!r}: {why}")
        arms.append(Arm(word, demo.engine, variant))
    first = next(iter(made.values()))
    return first.shop, first.now, arms


def _parsed(word: str) -> tuple[str, str | None]:
    """Return the settings' file, "" for the demo's, and the variant, None for the usual one."""
    head, mark, tail = word.rpartition(":")
    if word.endswith(".toml"):
        return word, None
    return (head, tail) if mark and head.endswith(".toml") else ("", word)


def show(found: dict[str, Any]) -> None:
    """Print an A/B test."""
    out = console()
    title = f"{found['b']} against {found['a']}: {found['shoppers']} shoppers, visits of each: {found['visits']}"
    lines = [(NAMES[name], *_line(one)) for name, one in found["metrics"].items()]
    head = ("", "a", "b", "b - a, 95 % interval", "p (Holm)", "true b - a", "it can find", "the test")
    out.print(table(title, head, lines, numbers=(1, 2)))
    grade = found["grade@10"]
    low, high = grade["ci95"]
    typer.echo(
        f"True grade (0 to 3) of the first ten items: {grade['a']:.4f} and {grade['b']:.4f}, difference "
        f"{grade['difference']:+.4f} ({low:+.4f} to {high:+.4f}, p {grade['p']:.4f})."
    )
    for side in ("a", "b"):
        one = found["alignment"][side]
        typer.echo(
            f"{found[side]}: what was clicked is liked more than {_percent(one['chosen'])} of the catalogue, what was "
            f"passed over more than {_percent(one['passed'])}; a click goes to the one liked more in "
            f"{_percent(one['auc'])} of pairs."
        )
    typer.echo(
        "Truth is what the same lists bring on average over all luck; taste is not the only reason to click. "
        "A test of this size finds a difference as large as 'it can find' in four cases of five."
    )


def _line(one: dict[str, Any]) -> tuple[str, ...]:
    low, high = one["ci95"]
    return (
        f"{one['a']:.4f}", f"{one['b']:.4f}", f"{one['difference']:+.4f} ({low:+.4f} to {high:+.4f})",
        f"{one['p_holm']:.4f}", f"{one['truth']['difference']:+.4f}", f"{one['detectable']:.4f}", one["verdict"],
    )  # fmt: skip


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"
