"""``--data``: from one word or ``READER:PLACE`` to a data set. The only place that reads RECSYS_DATA."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from recsys.dataset import Dataset
from recsys.errors import DataError
from recsys.protocols import Deps, DropReport, Reader
from recsys.registry import Registry

FOLDER_VARIABLE = "RECSYS_DATA"
DEFAULT_FOLDER = "data"

# Short name -> reader and place; the files of a place lie inside the data folder. "shop" needs no files.
SHORT_NAMES: Mapping[str, tuple[str, str]] = {
    "shop": ("shop", ""),
    "ml-latest-small": ("movielens", "ml-latest-small"),
    "ml-1m-sequences": ("s3rec", "ml-1m-sequences"),
    "musical-instruments": ("amazon", "amazon_reviews/reviews_Musical_Instruments_5.json.gz"),
    "gift-cards": ("amazon", "amazon_reviews/Gift_Cards_5.json.gz,amazon_reviews/meta_Gift_Cards.json.gz"),
    "all-beauty": ("amazon", "amazon_reviews/All_Beauty_5.json.gz"),
    "games": ("llmrank", "llmrank/Games"),
    "ml-1m": ("llmrank", "llmrank/ml-1m"),
    "icecat": ("search", "search/icecat_chorus"),
    "msrd": ("search", "search/msrd_movies"),
}
# Readers whose short names are listed with the reader in front: what they read is not evaluated like a log.
PREFIXED = ("search", "llmrank")
# Two letters at least: "C:\data" is a path of Windows, no reader.
_READER = re.compile(r"([a-z][a-z0-9_-]+):(.*)", re.DOTALL)


def open_data(text: str, registry: Registry | None = None) -> tuple[Dataset, DropReport]:
    """Read the data set that ``text`` names.

    ``text`` is ``READER:PLACE`` (``amazon:reviews.jsonl.gz,meta.jsonl.gz``, ``csv:events.csv?user=customer``,
    ``s3rec:beauty``) or a short name (``gift-cards``, ``shop``; with or without its reader in front). A file of the
    place is looked for as it is written, then in the data folder (RECSYS_DATA, else ``./data``), then in the
    folder of the reader's name there.

    Raises:
        DataError: nothing has that name (the message lists what exists), or a file is missing.
        UnknownPlugin: no reader has that name; the message lists the readers.
    """
    folder = data_folder()
    name, place = _parse(text.strip(), folder)
    component = (registry or Registry()).get("readers", name)
    reader: Reader = component.from_config(component.Config(), Deps())
    return reader.read(_located(place, name, folder))


def data_folder() -> Path:
    """Return the folder of the data sets: what RECSYS_DATA names, else ``./data``. It need not exist."""
    return Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER).expanduser()


def available(folder: Path) -> list[str]:
    """Return the short names whose files are in ``folder``, sorted; ``shop`` is always there."""
    names = [
        f"{reader}:{n}" if reader in PREFIXED else n
        for n, (reader, place) in SHORT_NAMES.items()
        if all((folder / p).exists() for p in place.split(","))
    ]
    names += [f"s3rec:{p.parent.name}" for p in folder.glob("s3rec/*/sequences.txt*")]
    names += [f"xrec:{p.parent.name}" for p in folder.glob("xrec/*/test.jsonl*")]
    return sorted({*names, "shop"})


def _parse(text: str, folder: Path) -> tuple[str, str]:
    match = _READER.fullmatch(text)
    if match is None:
        if text in SHORT_NAMES:
            return SHORT_NAMES[text]
        raise DataError(_unknown(text, folder))
    name, place = match.groups()
    base, mark, options = place.partition("?")
    if base in SHORT_NAMES and SHORT_NAMES[base][0] == name and not Path(base).exists():
        return name, SHORT_NAMES[base][1] + mark + options
    return name, place


def _unknown(text: str, folder: Path) -> str:
    if text and Path(text).expanduser().exists():
        return f"data {text!r} is a path: put the name of its reader in front, for example amazon:{text} or csv:{text}"
    names = available(folder)
    near = difflib.get_close_matches(text, names, n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    return (
        f"no data set named {text!r}{hint} Here are: {', '.join(names)}"
        f" (folder {folder}; {FOLDER_VARIABLE} names another)."
        " Or give READER:PLACE, for example csv:events.csv or amazon:reviews.jsonl.gz,meta.jsonl.gz"
    )


def _located(place: str, reader: str, folder: Path) -> str:
    """Return ``place`` with each of its files at the first location that has it; options stay as they are."""
    head, mark, options = place.partition("?")
    if not head:
        return place
    return ",".join(_find(part.strip(), reader, folder) for part in head.split(",")) + mark + options


def _find(part: str, reader: str, folder: Path) -> str:
    for path in (Path(part).expanduser(), folder / part, folder / reader / part):
        if part and path.exists():
            return str(path)
    return part
