"""What all readers of files share: settings, options in the place, the run from files to data set and report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar, TypeVarTuple
from urllib.parse import parse_qsl

from pydantic import Field, ValidationError

from recsys.data.builder import BuildOptions, DatasetBuilder
from recsys.data.lines import MAX_LINE_BYTES
from recsys.data.report import Tally
from recsys.data.text import MAX_RAW_CHARS
from recsys.dataset import Dataset
from recsys.errors import ConfigError, DataError
from recsys.protocols import Deps, DropReport
from recsys.registry import validation_text


class ReaderConfig(BuildOptions):
    """Settings of every reader of files."""

    min_rating: float = Field(default=0.0, description="lower ratings are dropped")
    max_rating: float = Field(default=5.0, description="higher ratings are dropped")
    max_line_bytes: int = Field(default=MAX_LINE_BYTES, ge=1, description="longer lines are dropped")
    max_title_chars: int = Field(default=500, ge=1, le=MAX_RAW_CHARS)
    max_text_chars: int = Field(default=5000, ge=1, le=MAX_RAW_CHARS)


C = TypeVar("C", bound=ReaderConfig)
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class FileReader(ABC, Generic[C]):
    """Reads ``FILE[,FILE...][?option=value&...]``; options are fields of the reader's ``Config``."""

    name: ClassVar[str]
    Config: ClassVar[type[Any]] = ReaderConfig

    def __init__(self, config: C | None = None) -> None:
        self.config: C = config or self.Config()

    @classmethod
    def from_config(cls, config: C, deps: Deps) -> Self:
        """Build from settings."""
        return cls(config)

    def read(self, place: str) -> tuple[Dataset, DropReport]:
        """Read the files of ``place``.

        Raises:
            DataError: a file is missing, or no event is left. Broken records are dropped and named instead.
            ConfigError: an option is unknown or has a wrong value.
        """
        paths, config = self._parsed(place)
        tally = Tally()
        builder = DatasetBuilder(tally)
        self.collect(paths, config, builder)
        data = builder.build(f"{self.name}:{_stem(paths[0])}", config, {"reader": self.name})
        return data, tally.freeze()

    @abstractmethod
    def collect(self, paths: list[Path], config: C, builder: DatasetBuilder) -> None:
        """Send every record of the files to ``builder``; broken ones are dropped from its tally."""

    def _parsed(self, place: str) -> tuple[list[Path], C]:
        head, _, query = place.partition("?")
        paths = [Path(part.strip()).expanduser() for part in head.split(",") if part.strip()]
        if not paths:
            raise DataError(f"{self.name}: no file given; write {self.name}:FILE")
        options = dict(parse_qsl(query, keep_blank_values=True))
        if not options:
            return paths, self.config
        try:
            return paths, self.Config.model_validate({**self.config.model_dump(), **options})
        except ValidationError as error:
            known = ", ".join(sorted(self.Config.model_fields))
            raise ConfigError(f"{validation_text(error, self.name)} (options: {known})") from error


def take_each(records: Iterable[R], tally: Tally, take: Callable[[R, *Ts], None], *context: *Ts) -> None:
    """Call ``take(record, *context)``, which ends the started record; where it raises `DataError`, it is dropped."""
    for record in records:
        try:
            take(record, *context)
        except DataError as error:
            tally.drop(str(error))


def find_file(folder: Path, *names: str) -> Path | None:
    """Return the first of ``names`` that is in ``folder``, plain or with ``.gz``; None if none is."""
    return next((p for n in names for p in (folder / n, folder / f"{n}.gz") if p.is_file()), None)


def need_file(folder: Path, *names: str) -> Path:
    """Return what `find_file` finds. Raises `DataError` that names what is missing."""
    if not folder.is_dir():
        raise DataError(f"{folder} does not exist: give the folder that holds {' or '.join(names)}")
    found = find_file(folder, *names)
    if found is None:
        raise DataError(f"{folder} holds no {' or '.join(names)} (nor .gz of it)")
    return found


def _stem(path: Path) -> str:
    stem = path.name.removesuffix(".gz")
    return stem.rsplit(".", 1)[0] if path.suffix else stem
