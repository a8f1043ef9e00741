"""Users: consent, attributes, merging, export, erasure; profiles and feedback."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from recsys.serving import people
from recsys.serving.calls import told
from recsys.serving.keys import Caller
from recsys.serving.service import Shared, needs
from recsys.serving.shapes.base import Moment, PathUserId, guest
from recsys.serving.shapes.people import (
    ErasedOut,
    ExportOut,
    FeedbackIn,
    FeedbackOut,
    MergeIn,
    MergeOut,
    ProfileEdited,
    ProfileIn,
    ProfileOut,
    UserIn,
    UserOut,
)

router = APIRouter(prefix="/v1", tags=["users"])
Sends = Annotated[Caller, needs("ingest")]
Asks = Annotated[Caller, needs("query")]
Anonymous = Annotated[bool, Query(description="The id is that of a visitor (`anonymous_id`).")]


def _who(user_id: str, anonymous: bool) -> str:
    return guest(user_id) if anonymous else user_id


@router.put("/users/{user_id}", response_model=UserOut)
async def put(user_id: PathUserId, body: UserIn, caller: Sends, service: Shared, anonymous: Anonymous = False) -> Any:
    """Say whether a shopper agrees to be remembered, and what else the shop knows of them.

    Without consent nothing is stored; what comes in counts for the session. Taken back, what was stored is forgotten.
    """
    return await told(service, caller, people.put, _who(user_id, anonymous), body)


@router.patch("/users/{user_id}", response_model=UserOut)
async def patch(user_id: PathUserId, body: UserIn, caller: Sends, service: Shared, anonymous: Anonymous = False) -> Any:
    """Change what is given and leave the rest; an attribute that is null is taken away."""
    return await told(service, caller, people.patch, _who(user_id, anonymous), body)


@router.get("/users/{user_id}", response_model=UserOut)
async def get(user_id: PathUserId, caller: Sends, service: Shared, anonymous: Anonymous = False) -> Any:
    """Return what is known of a shopper as such."""
    return await told(service, caller, people.get, _who(user_id, anonymous))


@router.delete("/users/{user_id}", response_model=ErasedOut)
async def erase(user_id: PathUserId, caller: Sends, service: Shared, anonymous: Anonymous = False) -> Any:
    """Forget a shopper for good: events, profile, memory, lists, reasons. Returns a proof that names nobody."""
    return await told(service, caller, people.erase, _who(user_id, anonymous))


@router.get("/users/{user_id}/export", response_model=ExportOut)
async def export(user_id: PathUserId, caller: Sends, service: Shared, anonymous: Anonymous = False) -> Any:
    """Return all that is known of a shopper."""
    return await told(service, caller, people.export, _who(user_id, anonymous))


@router.post("/users/{user_id}:merge", response_model=MergeOut)
async def merge(
    user_id: PathUserId, body: MergeIn, caller: Sends, service: Shared, anonymous: Anonymous = False
) -> Any:
    """Give all that is known of a visitor to the customer that they turned out to be."""
    return await told(service, caller, people.merge, _who(user_id, anonymous), body.who)


@router.get("/users/{user_id}/profile", response_model=ProfileOut)
async def profile(
    user_id: PathUserId, caller: Asks, service: Shared, anonymous: Anonymous = False, now: Moment | None = None
) -> Any:
    """Return what the shop believes about a shopper, line by line, each with what it rests on."""
    return await told(service, caller, people.profile, _who(user_id, anonymous), now)


@router.put("/users/{user_id}/profile", response_model=ProfileEdited)
async def edit(
    user_id: PathUserId, body: ProfileIn, caller: Sends, service: Shared, anonymous: Anonymous = False
) -> Any:
    """Say a line in other words, have it forgotten, or undo either; what is forgotten leaves the next list."""
    return await told(service, caller, people.edit_profile, _who(user_id, anonymous), body)


@router.delete("/users/{user_id}/profile", response_model=ProfileOut)
async def forget(user_id: PathUserId, caller: Sends, service: Shared, anonymous: Anonymous = False) -> Any:
    """Have every line of a profile forgotten; events stay, and count no more for what the lines rested on."""
    return await told(service, caller, people.forget_profile, _who(user_id, anonymous))


@router.post("/feedback", response_model=FeedbackOut)
async def feedback(body: FeedbackIn, caller: Sends, service: Shared) -> Any:
    """Take in what a shopper says of a row of a list: not interested, have it already, remove this reason."""
    return await told(service, caller, people.feedback, body)
