"""What all bodies share: strict fields, ids, moments."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from recsys.dataset import FIRST_SECOND, LAST_SECOND
from recsys.ids import MAX_ID_CHARS

# How guests are told from customers inside: the same id may be given to one of each.
GUEST = "guest:"
MAX_K = 100
MAX_TEXT_CHARS = 1_000
SLASH = "\x1f"  # stands for a "/" inside an id until the path is taken apart; no id may hold it
_MILLISECONDS = 100_000_000_000  # a number above this is no epoch second of this or the next thousand years


def _printable(value: str) -> str:
    if any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in value):
        raise ValueError("must not hold control characters")
    return value


def _no_guest(value: str) -> str:
    if value.startswith(GUEST):
        raise ValueError(f"must not begin with {GUEST!r}: give the rest of it as anonymous_id")
    return value


def _moment(value: Any) -> Any:
    """Read RFC 3339 text or epoch seconds or milliseconds as epoch seconds."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("must be RFC 3339, 2026-11-20T12:00:00Z, or epoch seconds or milliseconds") from error
        if value.tzinfo is None:
            raise ValueError("must have a time zone: add Z or an offset")
        value = value.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be RFC 3339, 2026-11-20T12:00:00Z, or epoch seconds or milliseconds")
    if value > _MILLISECONDS:
        value /= 1000
    if not FIRST_SECOND <= value <= LAST_SECOND:
        raise ValueError("is out of range: RFC 3339, epoch seconds or epoch milliseconds are understood")
    return int(value)


Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS), AfterValidator(_printable)]
UserId = Annotated[Id, AfterValidator(_no_guest)]
# An id as a part of a path: see `recsys.serving.front.whole_ids`.
PathId = Annotated[Id, BeforeValidator(lambda value: value.replace(SLASH, "/"))]
PathUserId = Annotated[UserId, BeforeValidator(lambda value: value.replace(SLASH, "/"))]
Ids = Annotated[tuple[Id, ...], Field(max_length=1_000)]
Moment = Annotated[int, BeforeValidator(_moment, json_schema_input_type=str | int | float)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")]


class Shape(BaseModel):
    """A body: what it does not know is an error that names the field, for a typing error would else just do nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def example(**body: Any) -> ConfigDict:
    """Return the settings of a body with an example of it for the OpenAPI document."""
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [body]})


class Someone(Shape):
    """Who it is about: a known ``user_id``, or a visitor by ``anonymous_id``; neither is nobody in particular.

    With both, the customer counts: what the visitor did joins them by ``POST /v1/users/{user_id}:merge``.
    """

    user_id: UserId | None = None
    anonymous_id: Id | None = None

    @property
    def who(self) -> str | None:
        """The id under which the engine knows them."""
        if self.user_id is not None:
            return self.user_id
        return None if self.anonymous_id is None else guest(self.anonymous_id)


class Somebody(Someone):
    """As `Someone`, and it has to be one."""

    @model_validator(mode="after")
    def _named(self) -> Somebody:
        if self.who is None:
            raise ValueError("needs a user_id or an anonymous_id")
        return self


def guest(anonymous_id: str) -> str:
    """Return the id under which the engine knows a visitor."""
    return f"{GUEST}{anonymous_id}"


def shown(user: str) -> dict[str, str]:
    """Return who a shopper of the engine is, as a body says it."""
    return {"anonymous_id": user.removeprefix(GUEST)} if user.startswith(GUEST) else {"user_id": user}


def rfc3339(second: int) -> str:
    """Return an epoch second as text, "2026-11-20T12:00:00Z"."""
    return datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")
