"""Published explanations of XRec, with the interactions around them."""

from recsys.data.xrec.pairs import INFO_KEY, Pair, Part, part_of
from recsys.data.xrec.reader import XRec

__all__ = ["INFO_KEY", "Pair", "Part", "XRec", "part_of"]
