"""Data sets that were changed on purpose before they are measured: what was done is kept beside them and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from recsys.dataset import Dataset

INFO_KEY = "altered"  # where a data set carries what was done to it, in ``Dataset.info``: {short name: sentence}


def altered(data: Dataset, what: str, remark: str) -> Dataset:
    """Return ``data`` marked as changed: ``what`` in a word or two, ``remark`` a sentence for whoever reads figures.

    Its name stays, so that settings kept for it are found; results call it by `full_name`.
    """
    return replace(data, info={**data.info, INFO_KEY: {**_alterations(data), what: remark}})


def full_name(data: Dataset) -> str:
    """Return the name with all that was done: "musical-instruments, ties shuffled"."""
    return ", ".join((data.name, *_alterations(data)))


def remarks(data: Dataset) -> tuple[str, ...]:
    """Return what has to be said wherever figures of this data are shown."""
    return tuple(_alterations(data).values())


def _alterations(data: Dataset) -> Mapping[str, str]:
    found: Mapping[str, str] = data.info.get(INFO_KEY, {})
    return found
