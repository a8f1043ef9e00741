"""What a client carries of a list: the attribution token that joins later events to it, and the cursor of a page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

from recsys.errors import DataError

CURSOR = "cursor"


class Tokens(Protocol):
    """Signs plain values; see `recsys.serving.tokens.Signer`."""

    def sign(self, payload: Any) -> str:
        """Return a token that holds ``payload``."""
        ...

    def read(self, token: str) -> dict[str, Any]:
        """Return the payload of a token. Raises `DataError` for one that was not signed here."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What a token says of a list; no shopper is in it. ``issued_at`` is in epoch seconds.

    ``kind`` is what was asked for ("recommend", "search"), or `CURSOR`, then ``page`` is how many pages came before.
    """

    tenant: str
    list_id: str
    kind: str
    bundle: str = ""
    variant: str = ""
    experiment: str = ""
    arm: str = ""
    issued_at: int = 0
    page: int = 0

    def signed(self, tokens: Tokens) -> str:
        """Return the token; what there is nothing to say of is left out."""
        return tokens.sign({name: value for name, value in asdict(self).items() if value})


def read(tokens: Tokens, token: str, tenant: str, *, cursor: bool = False) -> Attribution:
    """Return what a token of ``tenant`` says.

    Raises:
        DataError: it was not signed here, is another tenant's, or is a cursor where a list is wanted, or the reverse.
    """
    said = tokens.read(token)
    if said.get("tenant") != tenant or (said.get("kind") == CURSOR) != cursor:
        raise DataError(f"{'cursor' if cursor else 'attribution_token'}: is not one of ours: send it as it came")
    return Attribution(**said)
