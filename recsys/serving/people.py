"""People: consent and attributes, profiles, merging, what is known of somebody, and forgetting it.

Each function takes a tenant and returns the body of a response. ``user`` is the engine's id of a customer or a visitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recsys.engine import Engine
from recsys.errors import DataError
from recsys.profile.lines import Profile
from recsys.serving.shapes.base import rfc3339
from recsys.serving.shapes.people import FeedbackIn, ProfileEdit, ProfileIn, UserIn
from recsys.serving.shelf import shelf_of
from recsys.serving.tenant import Tenant
from recsys.types import Event


def put(tenant: Tenant, user: str, body: UserIn) -> dict[str, Any]:
    """Say what is given of a shopper, and return what is known; attributes replace those before.

    Consent that is taken back forgets what was stored.

    Raises:
        DataError: attributes of a shopper without consent.
    """
    return _said(tenant, user, body, {})


def patch(tenant: Tenant, user: str, body: UserIn) -> dict[str, Any]:
    """Change what is given of a shopper, and return what is known; an attribute that is None is taken away.

    Raises:
        DataError: as in `put`.
    """
    with tenant.changing:
        return _said(tenant, user, body, shelf_of(tenant).store.attributes(user))


def _said(tenant: Tenant, user: str, body: UserIn, before: Mapping[str, Any]) -> dict[str, Any]:
    store = shelf_of(tenant).store
    if body.consent is False:
        forget(tenant, user)
    if body.consent is not None:
        store.set_consent(user, body.consent)
    if body.attributes is not None:
        if not store.consent(user):
            raise DataError("attributes: nothing is kept of a shopper without consent")
        both = {**before, **body.attributes}
        store.set_attributes(user, {name: value for name, value in both.items() if value is not None})
    return get(tenant, user)


def get(tenant: Tenant, user: str) -> dict[str, Any]:
    """Return what is known of a shopper as such."""
    store = shelf_of(tenant).store
    return {
        "user_id": user, "consent": store.consent(user), "attributes": dict(store.attributes(user)),
        "events": len(store.history(user)),
    }  # fmt: skip


def merge(tenant: Tenant, user: str, guest: str) -> dict[str, Any]:
    """Give all that is known of a visitor to the customer that they turned out to be."""
    moved = tenant.engine.merge(guest, user)
    tenant.lists.forget(guest)
    return {"user_id": user, "moved": moved}


def export(tenant: Tenant, user: str) -> dict[str, Any]:
    """Return all that is known of a shopper."""
    said = None if tenant.shelf is None else get(tenant, user)
    return {
        "user_id": user, "consent": said is None or said["consent"],
        "attributes": {} if said is None else said["attributes"], "records": tenant.engine.export(user),
    }  # fmt: skip


def erase(tenant: Tenant, user: str) -> dict[str, Any]:
    """Forget a shopper for good and return the proof of it: a record that names nobody."""
    removed = forget(tenant, user)
    shelf = tenant.shelf
    if shelf is None:
        return {"proof_id": None, "receipt": None, "at": None, "removed": removed}
    proof = shelf.erasures.add(user, removed)
    shelf.database.compact()
    return {"proof_id": proof.proof_id, "receipt": proof.receipt, "at": rfc3339(proof.at), "removed": removed}


def forget(tenant: Tenant, user: str) -> dict[str, int]:
    """Drop what is stored and kept of a shopper; return how many records of each kind are gone."""
    before = _counts(tenant, user)
    shadow = tenant.generation.shadow
    tenant.engine.erase(user)
    if shadow is not None:
        shadow.engine.erase(user)  # of what it keeps in memory
    tenant.lists.forget(user)
    return dict(before)


def _counts(tenant: Tenant, user: str) -> Mapping[str, int]:
    if tenant.shelf is not None:
        return tenant.shelf.store.counts(user)
    kinds = [str(one["type"]) for one in tenant.engine.export(user)]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def profile(tenant: Tenant, user: str, now: int | None = None) -> dict[str, Any]:
    """Return what the shop believes about a shopper, line by line, each with what it rests on."""
    found: Profile = tenant.engine.profile(user, now)
    lines = [{**line.to_dict(), "item_ids": list(line.item_ids)} for line in found]
    return {"user_id": user, "text": str(found), "lines": lines, "hidden": list(found.hidden)}


def edit_profile(tenant: Tenant, user: str, body: ProfileIn) -> dict[str, Any]:
    """Change lines of a profile, in order, and return it with what became of each change."""
    edits = [_edited(tenant.engine, user, edit, body.now) for edit in body.edits]
    return profile(tenant, user, body.now) | {"edits": edits}


def _edited(engine: Engine, user: str, edit: ProfileEdit, now: int | None) -> dict[str, Any]:
    changed, item_ids = True, tuple[str, ...]()
    if edit.action == "forget":
        item_ids = engine.forget(user, edit.line_id, now)
    elif edit.action == "restore":
        changed = engine.restore_line(user, edit.line_id)
    elif edit.text is None:
        raise DataError("text: the words that the line is to say are missing")
    else:
        engine.edit_profile(user, edit.line_id, edit.text, now)
    return {"line_id": edit.line_id, "action": edit.action, "changed": changed, "item_ids": list(item_ids)}


def forget_profile(tenant: Tenant, user: str) -> dict[str, Any]:
    """Take every line out of a profile, and what it rests on out of the next list; return what is left."""
    engine = tenant.engine
    for line in engine.profile(user).lines:
        engine.forget(user, line.line_id)
    return profile(tenant, user)


def feedback(tenant: Tenant, body: FeedbackIn) -> dict[str, Any]:
    """Take in what a shopper says of a row: it changes the next list."""
    engine, who = tenant.engine, body.who or ""
    if body.action == "remove_reason":
        return {"item_ids": list(engine.remove_reason(who, body.item_id, body.now))}
    if body.action == "not_interested":
        engine.not_interested(who, body.item_id, body.now)
    else:
        # Had already, from wherever: it says as much of their taste as a purchase here, and is not shown again.
        engine.add_events([Event(user_id=who, item_id=body.item_id, kind="interaction", time=body.now)])
    return {"item_ids": [body.item_id]}
