"""The domains of XRec, read from the folder of the data sets."""

from __future__ import annotations

from recsys.data.source import data_folder
from recsys.data.xrec import INFO_KEY, Pair, XRec

DOMAINS = ("amazon", "google", "yelp")


def pairs_of(domain: str) -> tuple[Pair, ...]:
    """Return the pairs of one domain that are left once leaks are closed. Raises `DataError` without the files."""
    data, _ = XRec().read(str(data_folder() / "xrec" / domain))
    pairs: tuple[Pair, ...] = data.info[INFO_KEY]
    return pairs
