"""How sentence-transformers says what is done with an encoder's rows: ``modules.json`` and the files that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from recsys.errors import ArtifactDamaged, ConfigError
from recsys.runtime.architectures import read_json, size_of
from recsys.runtime.tokens import Tokens

Pooling = Literal["mean", "cls"]
_MODULES = ("Transformer", "Pooling", "Normalize")
_OLD = "pooling_mode_"
_NAMES: Mapping[str, Pooling] = {"mean": "mean", "mean_tokens": "mean", "cls": "cls", "cls_token": "cls"}


@dataclass(frozen=True, slots=True)
class SentenceLayout:
    """What becomes of a text's rows (``pooling``), and how many tokens are read at most (None: all that fit)."""

    pooling: Pooling = "mean"
    max_tokens: int | None = None

    @classmethod
    def from_folder(cls, folder: Path, tokens: Tokens) -> Self:
        """Read a model folder; without any file of sentence-transformers it is the mean of all rows.

        Raises:
            ConfigError: a module, pooling or setting that is not supported. ArtifactDamaged: no JSON.
        """
        settings = folder / "sentence_bert_config.json"
        given = read_json(settings) if settings.is_file() else {}
        if given.get("do_lower_case") and tokens.encode("Ab").tolist() != tokens.encode("ab").tolist():
            raise ConfigError(f"{settings}: do_lower_case is not supported with a tokenizer that tells cases apart")
        most = None if given.get("max_seq_length") is None else size_of(given, "max_seq_length", where=settings.name)
        return cls(_pooling(folder / _pooling_folder(folder) / "config.json"), most)


def _pooling_folder(folder: Path) -> str:
    """Return the folder of the pooling's settings. Raises `ConfigError` for modules that no graph here has."""
    path = folder / "modules.json"
    if not path.is_file():
        return "1_Pooling"
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))
        found = [(str(m["type"]).rpartition(".")[2], str(m.get("path", ""))) for m in modules]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArtifactDamaged(f"{path} is no list of modules: {error!r}") from error
    if other := [kind for kind, _ in found if kind not in _MODULES]:
        raise ConfigError(f"{path}: the module {other[0]} is not supported (known: {', '.join(_MODULES)})")
    if [kind for kind, place in found if kind == "Transformer" and place not in ("", ".")]:
        raise ConfigError(f"{path}: the transformer must lie in the folder itself")
    places = [place for kind, place in found if kind == "Pooling"] or ["1_Pooling"]
    if len(places) > 1 or Path(places[0]).name != places[0]:
        raise ConfigError(f"{path}: one Pooling in a folder of this one is supported, not {', '.join(places)}")
    return places[0]


def _pooling(path: Path) -> Pooling:
    """Read ``pooling_mode`` (a word), or the older ``pooling_mode_...`` of which one is true."""
    config: dict[str, Any] = read_json(path) if path.is_file() else {}
    said = config.get("pooling_mode")
    names = [str(n) for n in (said if isinstance(said, list) else [] if said is None else [said])]
    names += [name.removeprefix(_OLD) for name, value in config.items() if name.startswith(_OLD) and value is True]
    chosen = {_NAMES.get(name) for name in names} or {"mean"}
    if len(chosen) > 1 or None in chosen:
        raise ConfigError(f"{path}: pooling {', '.join(names)} is not supported (known: mean, cls)")
    return "cls" if chosen == {"cls"} else "mean"
