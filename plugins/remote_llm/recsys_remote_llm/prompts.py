"""What servers are told, from a file of texts that is checked when it is read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from recsys.errors import ConfigError

# Which slots a text has to have; it may have no others.
SLOTS: Mapping[str, frozenset[str]] = {
    "rank.system": frozenset(), "rank.user": frozenset({"known", "candidates", "n"}),
    "rank.known.liked": frozenset({"titles"}), "rank.known.disliked": frozenset({"titles"}),
    "rank.known.seeds": frozenset({"titles"}), "rank.known.query": frozenset({"query"}),
    "query.liked": frozenset({"titles"}), "query.seeds": frozenset({"titles"}),
    "explain.system": frozenset({"sentences", "language", "tone"}),
    "explain.user": frozenset({"title", "statements"}),
    "languages.en": frozenset(), "languages.de": frozenset(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prompts:
    """Texts by dotted name, complete and with the right slots."""

    texts: Mapping[str, str]

    @classmethod
    def read(cls, file: str = "") -> Prompts:
        """Read a file; "" reads those that come with the package.

        Raises:
            ConfigError: no such file, no TOML, or a text is missing, unknown or has other slots than it should.
        """
        path = Path(file) if file else Path(__file__).with_name("prompts.toml")
        try:
            found = dict(_flat(tomllib.loads(path.read_text(encoding="utf-8")), ""))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from error
        if wrong := [*(SLOTS.keys() - found.keys()), *(found.keys() - SLOTS.keys())]:
            raise ConfigError(f"{path}: missing or unknown: {', '.join(sorted(wrong))}")
        for name, text in found.items():
            if not isinstance(text, str) or _slots(path, name, text) != SLOTS[name]:
                wanted = ", ".join(f"{{{s}}}" for s in sorted(SLOTS[name])) or "no slot"
                raise ConfigError(f"{path}: {name} must be a text with {wanted}")
        return cls({name: text.strip() for name, text in found.items()})

    def fill(self, name: str, **values: object) -> str:
        """Return a text with its slots filled; values are never read for slots themselves."""
        return self.texts[name].format(**values)


def _flat(table: Mapping[str, Any], above: str) -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for name, value in table.items():
        out += _flat(value, f"{above}{name}.") if isinstance(value, dict) else [(above + name, value)]
    return out


def _slots(path: Path, name: str, text: str) -> set[str]:
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"{path}: {name}: {error}") from error
    # "{x.y}" and "{x!r}" would look into what is filled in.
    return {f"{slot}{'!' if how or spec else ''}" for _, slot, spec, how in parts if slot is not None}
