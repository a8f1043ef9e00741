"""The prompt packs of this plug-in: templates by task and name, "sequential/list"."""

from __future__ import annotations

from pathlib import Path

from recsys.errors import PromptError
from recsys.rerank.prompted import Prompted

PACKS = Path(__file__).parent / "packs"


def names() -> list[str]:
    """Return the names of all templates: "task/name"."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in PACKS.glob("*/*.toml"))


def pack_file(name: str) -> Path:
    """Return the file of a template by its name here, or by its path. Raises `PromptError` for neither."""
    if name in names():
        return PACKS / f"{name}.toml"
    if name.endswith(".toml"):
        return Path(name)
    raise PromptError(f"template '{name}': choose one of {', '.join(names())}, or give the path of a .toml file")


class Packed(Prompted):
    """Base of the prompted rerankers here: ``template`` may be the name of one of the packs."""

    @classmethod
    def find(cls, template: str) -> Path:
        """Return the file of a template. Raises `PromptError` for an unknown one."""
        return pack_file(template)
