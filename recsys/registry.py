"""(kind, name) to class, by entry points: loaded one at a time, only when named."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from recsys.errors import ConfigError, ContractError, DuplicatePlugin, PluginUnavailable, UnknownPlugin

# What a class of each kind must have to be let in; the kit in recsys.testing checks how it behaves.
KINDS: Mapping[str, tuple[str, ...]] = {
    "candidates": ("generate", "score", "from_config"),
    "rankers": ("rank", "from_config"),
    "rerankers": ("rank", "from_config"),
    "explainers": ("explain", "from_config"),
    "embedders": ("embed", "from_config"),
    "indexes": ("search", "from_config"),
    "stores": ("put_items", "put_events", "history", "erase", "from_config"),
    "readers": ("read", "from_config"),
}
# Which optional extra brings a module that a built-in imports.
EXTRAS: Mapping[str, str] = {
    "torch": "train", "transformers": "train", "peft": "train", "accelerate": "train", "onnx": "onnx",
    "pyarrow": "parquet", "matplotlib": "report", "optuna": "tune", "sqlalchemy": "sql", "alembic": "sql",
    "psycopg": "postgres", "fastapi": "serve", "starlette": "serve", "uvicorn": "serve", "prometheus_client": "serve",
    "httpx": "client", "opentelemetry": "traces",
}  # fmt: skip


SECRET = re.compile(r"key|secret|token|password|://[^/\s]*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Plugin:
    """One registered name: where it comes from. Listing it loads nothing."""

    kind: str
    name: str
    package: str
    version: str
    target: str


class Registry:
    """What is installed, by kind and name; `register` adds classes of the running process.

    A registry is an object that an engine holds: there is no global one to fill or to reset.
    """

    def __init__(self) -> None:
        self._own: dict[tuple[str, str], type[Any]] = {}

    def register(self, kind: str, name: str, component: type[Any]) -> None:
        """Add a class under a name that is free. Raises `DuplicatePlugin` or `ContractError`."""
        self._check_kind(kind)
        if (kind, name) in self._own or name in self._found(kind):
            raise DuplicatePlugin(f"{kind} '{name}' is already registered")
        self._check(kind, name, component)
        self._own[kind, name] = component

    def get(self, kind: str, name: str) -> type[Any]:
        """Return the class.

        Raises:
            UnknownPlugin: the message lists what exists and the nearest name.
            DuplicatePlugin: two packages claim the name; the message names both.
            PluginUnavailable: importing it fails; the message says what to install.
            ContractError: the class lacks a method of its kind.
        """
        self._check_kind(kind)
        if (kind, name) in self._own:
            return self._own[kind, name]
        found = self._found(kind)
        if name not in found:
            known = sorted({*found, *(n for k, n in self._own if k == kind)})
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise UnknownPlugin(f"no {kind} named '{name}'{hint} (installed: {', '.join(known) or 'none'})")
        claims = found[name]
        if len(claims) > 1:
            owners = " and ".join(sorted(_package(e) for e in claims))
            raise DuplicatePlugin(f"{kind} '{name}' is registered by {owners}: uninstall one of them")
        try:
            component = claims[0].load()
        except ImportError as error:
            raise PluginUnavailable(f"{kind} '{name}' cannot be loaded: {error}. {install_hint(error)}") from error
        except AttributeError as error:
            raise ContractError(f"{kind} '{name}' of {_package(claims[0])} names something missing: {error}") from error
        except Exception as error:  # an import may raise anything; who asked should learn whose plug-in is broken
            raise PluginUnavailable(
                f"{kind} '{name}' of {_package(claims[0])} is broken: {type(error).__name__}: {error}"
            ) from error
        self._check(kind, name, component)
        return component  # type: ignore[no-any-return]

    def build(self, kind: str, options: Mapping[str, Any], deps: Any, where: str = "") -> Any:
        """Return a component from its options; ``options["use"]`` is its name, the rest is its config.

        Raises:
            ConfigError: an option is wrong; the message gives its path.
        """
        from pydantic import ValidationError

        rest = dict(options)
        name = rest.pop("use")
        component = self.get(kind, name)
        try:
            config = component.Config.model_validate(rest)
        except ValidationError as error:
            raise ConfigError(validation_text(error, where or f"{kind}.{name}")) from error
        return component.from_config(config, deps)

    def plugins(self) -> list[Plugin]:
        """Return every registered name, sorted; nothing is loaded."""
        out = [
            Plugin(kind, name, _package(entry), entry.dist.version if entry.dist else "", entry.value)
            for kind in KINDS
            for name, claims in self._found(kind).items()
            for entry in claims
        ]
        out += [
            Plugin(kind, name, "this process", "", f"{c.__module__}:{c.__qualname__}")
            for (kind, name), c in self._own.items()
        ]
        return sorted(out, key=lambda p: (p.kind, p.name, p.package))

    @staticmethod
    def _found(kind: str) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=f"recsys.{kind}"):
            claims = found.setdefault(entry.name, [])
            # An editable install may show one distribution twice: the same target is one claim.
            if all((e.value, _package(e)) != (entry.value, _package(entry)) for e in claims):
                claims.append(entry)
        return found

    @staticmethod
    def _check_kind(kind: str) -> None:
        if kind not in KINDS:
            raise UnknownPlugin(f"no plug-in kind '{kind}' (kinds: {', '.join(KINDS)})")

    @staticmethod
    def _check(kind: str, name: str, component: Any) -> None:
        missing = [m for m in (*KINDS[kind], "Config") if not hasattr(component, m)]
        if missing:
            raise ContractError(f"{kind} '{name}' ({component!r}) lacks {', '.join(missing)}")


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value


def install_hint(error: ImportError) -> str:
    """Return the line to type for a missing module."""
    module = (error.name or "").split(".")[0]
    extra = EXTRAS.get(module)
    return (
        f"Type: pip install 'recsys-engine[{extra}]'"
        if extra
        else f"Type: pip install {module or 'the missing package'}"
    )


def validation_text(error: Any, where: str) -> str:
    """Return pydantic's complaints, one a line, each with its path below ``where``."""
    lines = []
    for problem in error.errors(include_url=False):
        path = ".".join(str(p) for p in (where, *problem["loc"]) if str(p))
        # A secret that was typed into the settings must not end in a log.
        quiet = problem["type"] == "missing" or SECRET.search(path) or SECRET.search(str(problem["input"]))
        got = "" if quiet else f" (got {problem['input']!r})"
        lines.append(f"{path}: {problem['msg']}{got}")
    return "; ".join(lines)


def import_optional(module: str) -> Any:
    """Import a module of an extra. Raises `PluginUnavailable` with the line to type."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PluginUnavailable(f"{module} is not installed. {install_hint(error)}") from error
