"""Which column of a table means what: by the reader's settings, else by the usual names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys.errors import DataError
from recsys.types import KINDS

# Role -> usual names, compared without case, blanks, "-" and "_"; the first that is there is taken.
EVENT_NAMES: Mapping[str, tuple[str, ...]] = {
    "user": ("userid", "user", "customerid", "customer", "visitorid", "visitor", "uid", "reviewerid", "memberid"),
    "item": ("itemid", "item", "productid", "product", "sku", "asin", "parentasin", "movieid", "iid", "articleid"),
    "time": ("timestamp", "time", "eventtime", "datetime", "createdat", "date", "ts", "unixreviewtime", "invoicedate"),
    "kind": ("kind", "eventtype", "event", "action", "behavior", "behaviortype", "type"),
    "value": ("value", "rating", "stars", "overall", "score", "quantity", "qty"),
    "event_id": ("eventid",),
    "position": ("position", "slot"),
}  # fmt: skip
ITEM_NAMES: Mapping[str, tuple[str, ...]] = {
    "item": EVENT_NAMES["item"] + ("id",),
    "title": ("title", "name", "itemname", "productname", "producttitle", "productdisplayname"),
    "text": ("text", "description", "productdescription", "abstract", "overview"),
    "brand": ("brand", "manufacturer", "store", "supplier"),
    "categories": ("categories", "category", "genres", "genre", "categorycode", "maincategory"),
    "price": ("price", "amount"),
    "stock": ("stock", "inventory", "quantityinstock"),
    "parent": ("parentid", "parent", "groupid", "itemgroupid"),
    "created": ("created", "createdat", "releasedate", "datereleased"),
}
RATING_NAMES = frozenset(("rating", "stars", "overall", "score"))
# What shops and published logs call the kinds of events.
KIND_NAMES: Mapping[str, str] = {
    **{kind: kind for kind in KINDS},
    **{kind.replace("-", ""): kind for kind in KINDS},
    "pageview": "view", "pv": "view", "detail": "view", "productview": "view", "viewitem": "view",
    "addtocart": "cart", "addcart": "cart", "basket": "cart", "atc": "cart",
    "removefromcart": "remove-from-cart",
    "buy": "purchase", "transaction": "purchase", "order": "purchase", "checkout": "purchase", "sale": "purchase",
    "fav": "like", "favorite": "like", "favourite": "like", "wishlist": "like", "refund": "return", "rate": "rating",
    "review": "rating", "hide": "not-interested", "show": "impression", "exposure": "impression",
}  # fmt: skip


def plain(name: str) -> str:
    """Return a name without case, blanks, hyphens and underscores."""
    return "".join(sign for sign in name.lower() if sign not in " -_")


def resolve(
    header: Sequence[str],
    names: Mapping[str, tuple[str, ...]],
    given: Mapping[str, str],
    needed: Sequence[str],
    file: str,
) -> dict[str, int]:
    """Return the column of each role that is there.

    ``given`` maps roles to columns as the settings name them; those must exist.

    Raises:
        DataError: a given or needed column is not in the header; the message shows the header and the option.
    """
    by_plain: dict[str, int] = {}
    for n, name in enumerate(header):
        by_plain.setdefault(plain(name), n)
    found: dict[str, int] = {}
    for role, usual in names.items():
        column = given.get(role)
        place = next((by_plain[n] for n in usual if n in by_plain), None)
        if column:
            if column not in header:
                raise DataError(f"{file}: no column {column!r} for {role} in the header {list(header)}")
            found[role] = header.index(column)
        elif place is not None:
            found[role] = place
    if lacking := [role for role in needed if role not in found]:
        raise DataError(
            f"{file}: which column is the {lacking[0]}? None of the header {list(header)} has a usual name:"
            f" say it in the place, {file}?{lacking[0]}=COLUMN"
        )
    return found
