"""People: consent, attributes, profiles, merging, what is known, forgetting."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from recsys.serving.shapes.base import Id, Moment, Shape, Somebody, example
from recsys.serving.shapes.lists import EvidenceOut

Value = bool | float | Annotated[str, Field(max_length=1_000)] | None


class UserIn(Shape):
    """What a shop says of a shopper. Without ``consent`` nothing is stored, nor used beyond the session."""

    model_config = example(consent=True, attributes={"language": "en"})

    consent: bool | None = None
    attributes: (
        Annotated[dict[Annotated[str, Field(min_length=1, max_length=64)], Value], Field(max_length=100)] | None
    ) = None


class UserOut(Shape):
    """What is known of a shopper as such."""

    user_id: str
    consent: bool
    attributes: dict[str, Any]
    events: int


class MergeIn(Somebody):
    """The visitor that a customer turned out to be, or another account of theirs."""

    model_config = example(anonymous_id="a_9")


class MergeOut(Shape):
    """How many events have moved."""

    user_id: str
    moved: int


class ErasedOut(Shape):
    """The proof of an erasure: a record that names nobody. Who keeps ``receipt`` can show later whose it was."""

    proof_id: str | None
    receipt: str | None
    at: str | None
    removed: dict[str, int]


class ExportOut(Shape):
    """All that is known of a shopper."""

    user_id: str
    consent: bool
    attributes: dict[str, Any]
    records: list[dict[str, Any]]


class LineOut(Shape):
    """One line of a profile, with what it rests on."""

    line_id: str
    kind: str
    text: str
    weight: float
    edited: bool
    evidence: list[EvidenceOut]
    item_ids: list[str] = []


class ProfileOut(Shape):
    """What the shop believes about a shopper; ``hidden`` are lines that they had forgotten."""

    user_id: str
    text: str
    lines: list[LineOut]
    hidden: list[str]


class EditOut(Shape):
    """What became of one change; ``item_ids`` are those whose events count no more."""

    line_id: str
    action: str
    changed: bool
    item_ids: list[str]


class ProfileEdited(ProfileOut):
    """A profile after its changes."""

    edits: list[EditOut]


class ProfileEdit(Shape):
    """A change of one line: other words, or forgetting it, or undoing either."""

    line_id: Annotated[str, Field(min_length=1, max_length=256)]
    action: Literal["edit", "forget", "restore"] = "edit"
    text: Annotated[str, Field(min_length=1, max_length=160)] | None = None


class ProfileIn(Shape):
    """Changes of a profile, in order."""

    model_config = example(edits=[{"line_id": "brand:acme", "action": "forget"}])

    edits: Annotated[list[ProfileEdit], Field(min_length=1, max_length=50)]
    now: Moment | None = None


class FeedbackIn(Somebody):
    """What a shopper says of a row: not interested, have it already, or that a reason is to count no more.

    ``item_id`` is the item of the row; of "remove_reason" it is the item of the history that the reason cites.
    """

    model_config = example(user_id="u_42", item_id="B07", action="not_interested")

    item_id: Id
    action: Literal["not_interested", "already_have", "remove_reason"]
    now: Moment | None = None


class FeedbackOut(Shape):
    """The items whose events count no more, or that are hidden."""

    item_ids: list[str]
