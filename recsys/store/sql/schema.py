"""The tables of a shop, the same on SQLite and PostgreSQL; every key begins with the tenant.

What is free text or of any shape lies in columns of `Json`. Ids are texts of their own, so that they can be found,
moved and erased: no `Json` column of ours holds the id of a shopper.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from recsys.errors import DataError
from recsys.ids import MAX_ID_CHARS, check_id

ID = String(MAX_ID_CHARS)


class Json(TypeDecorator[Any]):
    """Any value of JSON as ASCII text: texts with half characters or NUL, which no database takes, have escapes.

    None is NULL. Raises DataError for what JSON cannot say.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Return the text of a value."""
        if value is None:
            return None
        try:
            return json.dumps(value, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise DataError(f"{value!r} cannot be written as JSON: {error}") from error

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        """Return the value of a text."""
        return None if value is None else json.loads(value)


def checked(value: object, field: str) -> str:
    """Return an id that both databases can keep.

    Raises:
        DataError: no id at all, see `check_id`, or one with NUL or half a character in it.
    """
    text = check_id(value, field)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{field} {text!r} holds half a character, which no database keeps") from error
    if "\0" in text:
        raise DataError(f"{field} {text!r} holds the character NUL, which no database keeps")
    return text


METADATA = MetaData(naming_convention={"pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_1_name)s"})


def _tenant() -> Column[str]:
    return Column("tenant", ID, primary_key=True)


def _key(name: str) -> Column[str]:
    return Column(name, ID, primary_key=True)


def _serial(name: str = "seq") -> Column[int]:
    # Given by us, one after the other in the order of commits: see `recsys.store.sql.counters`.
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


ITEMS = Table(
    "items", METADATA,
    _tenant(),
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("item_id", ID, nullable=False),
    Column("record", Json, nullable=False),
    Column("available", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("tenant", "item_id", name="uq_items_item_id"),
    Index("ix_items_version", "tenant", "version"),
)  # fmt: skip

USERS = Table(
    "users", METADATA,
    _tenant(),
    _key("user_id"),
    Column("consent", Boolean),  # NULL: the shopper was never asked
    Column("attributes", Json),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)  # fmt: skip

EVENTS = Table(
    "events", METADATA,
    _tenant(),
    _serial(),
    Column("user_id", ID, nullable=False),
    Column("row", Integer, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("value", Float(53), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("arrival", BigInteger, nullable=False),  # breaks ties of time; new where a merge moves an event, seq is not
    Column("event_id", ID),
    Column("position", SmallInteger, nullable=False),
    Column("list_id", ID),
    Column("extra", Json),
    UniqueConstraint("tenant", "event_id", name="uq_events_event_id"),
    Index("ix_events_history", "tenant", "user_id", "time", "arrival"),
)  # fmt: skip

REVIEWS = Table(
    "reviews", METADATA,
    _tenant(),
    _serial(),
    Column("user_id", ID, nullable=False),
    Column("item_id", ID, nullable=False),
    Column("review_id", ID),
    Column("record", Json, nullable=False),
    UniqueConstraint("tenant", "review_id", name="uq_reviews_review_id"),
    Index("ix_reviews_user", "tenant", "user_id"),
)  # fmt: skip

SEARCHES = Table(
    "searches", METADATA,
    _tenant(),
    _serial(),
    Column("user_id", ID, nullable=False),
    Column("key", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("search_id", ID),
    Column("record", Json, nullable=False),
    UniqueConstraint("tenant", "search_id", name="uq_searches_search_id"),
    Index("ix_searches_user", "tenant", "user_id", "time", "seq"),
)  # fmt: skip

EDITS = Table(
    "edits", METADATA,
    _tenant(),
    _key("user_id"),
    _key("line_id"),
    Column("seq", BigInteger, nullable=False),
    Column("text", Json),
)  # fmt: skip

LISTS = Table(
    "lists", METADATA,
    _tenant(),
    _key("list_id"),
    Column("user_id", ID),
    Column("created_at", BigInteger, nullable=False),
    Column("kind", ID, nullable=False),
    Column("bundle_id", ID, nullable=False),
    Column("variant", ID, nullable=False),
    Column("experiment", ID),
    Column("arm", ID),
    Column("place", ID),
    Column("record", Json, nullable=False),
    Index("ix_lists_user", "tenant", "user_id", "created_at"),
    Index("ix_lists_created", "tenant", "created_at"),
)  # fmt: skip

KEYS = Table(
    "keys", METADATA,
    _tenant(),
    _key("key_id"),
    Column("name", ID, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scopes", Json, nullable=False),
    Column("forced_filter", Json),
    Column("rate_per_s", Float(53)),
    Column("burst", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    UniqueConstraint("key_id", name="uq_keys_key_id"),
)  # fmt: skip

MODELS = Table(
    "models", METADATA,
    _tenant(),
    _serial(),
    Column("name", ID, nullable=False),
    Column("bundle_id", ID, nullable=False),
    Column("role", ID, nullable=False),
    Column("activated_at", BigInteger, nullable=False),
)  # fmt: skip

JOBS = Table(
    "jobs", METADATA,
    _tenant(),
    _key("job_id"),
    Column("kind", ID, nullable=False),
    Column("state", ID, nullable=False),
    Column("progress", Json, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
)  # fmt: skip

AUDIT = Table(
    "audit", METADATA,
    _tenant(),
    _serial(),
    Column("at", BigInteger, nullable=False),
    Column("actor", ID, nullable=False),
    Column("action", ID, nullable=False),
    Column("subject", ID, nullable=False),
    Column("detail", Json, nullable=False),
)  # fmt: skip

ERASURES = Table(
    "erasures", METADATA,
    _tenant(),
    _key("proof_id"),
    Column("at", BigInteger, nullable=False),
    Column("subject_digest", String(64), nullable=False),
    Column("counts", Json, nullable=False),
)  # fmt: skip

VERSIONS = Table(
    "versions", METADATA,
    _tenant(),
    _key("name"),
    Column("value", BigInteger, nullable=False),
)  # fmt: skip

PERSONAL = (EVENTS, REVIEWS, SEARCHES, EDITS, LISTS, USERS)  # all that name a shopper, in a column user_id
