"""What was done by whom with a key of the service, and proof of erasures that names nobody."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import desc, insert

from recsys.store.sql.rows import Rows, checked_count
from recsys.store.sql.schema import AUDIT, ERASURES, checked


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One act: who (a key's id) did what to what, at which epoch second. A shopper is not named here."""

    seq: int
    at: int
    actor: str
    action: str
    subject: str
    detail: Any


class Audit(Rows):
    """The acts of one tenant: only ever added to."""

    table = AUDIT

    def add(self, actor: str, action: str, subject: str, detail: Any = None) -> int:
        """Keep an act and return its number. Neither ``subject`` nor ``detail`` may name a shopper: it stays."""
        said = {"actor": checked(actor, "actor"), "action": checked(action, "action")}
        with self.database.begin() as connection:
            number = self._counters.take(connection)
            row = {
                "tenant": self.tenant, "seq": number, "at": self.clock(), **said,
                "subject": checked(subject, "subject"), "detail": {} if detail is None else detail,
            }  # fmt: skip
            connection.execute(insert(AUDIT), row)
        return number

    def every(self, limit: int = 100, before: int | None = None) -> list[AuditEntry]:
        """Return the latest acts, latest first; ``before`` is a number of `add` to go on from."""
        query = self._mine().order_by(desc(AUDIT.c.seq)).limit(checked_count(limit))
        return self._every(AuditEntry, query if before is None else query.where(AUDIT.c.seq < before))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That somebody was erased at epoch second ``at``, and how many rows of each kind that were.

    ``receipt`` is for the one who asked and is kept nowhere: with it, and the id, `proves` says whose erasure it was.
    Without it nobody can find out, not even by trying ids.
    """

    proof_id: str
    at: int
    subject_digest: str
    counts: Mapping[str, int]
    receipt: str = ""

    def proves(self, user: str, receipt: str) -> bool:
        """Return whether this is the erasure of ``user``."""
        return hmac.compare_digest(self.subject_digest, _digest(user, receipt))


class Erasures(Rows):
    """The erasures of one tenant."""

    table = ERASURES

    def add(self, user: str, counts: Mapping[str, int]) -> Proof:
        """Keep a proof that ``user`` was erased and return it with its receipt; the id itself is not kept."""
        receipt = secrets.token_urlsafe(24)
        made = Proof(
            proof_id=f"erasure_{secrets.token_hex(12)}", at=self.clock(), subject_digest=_digest(user, receipt),
            counts=dict(counts), receipt=receipt,
        )  # fmt: skip
        kept = {"proof_id": made.proof_id, "at": made.at, "subject_digest": made.subject_digest}
        with self.database.begin() as connection:
            connection.execute(insert(ERASURES), {"tenant": self.tenant, **kept, "counts": dict(counts)})
        return made

    def get(self, proof_id: str) -> Proof | None:
        """Return one proof without its receipt, None if there is none."""
        return self._one(Proof, self._mine().where(ERASURES.c.proof_id == proof_id))


def _digest(user: str, receipt: str) -> str:
    return hmac.new(receipt.encode(), user.encode(), hashlib.sha256).hexdigest()
