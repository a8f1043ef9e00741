"""The error of a filter that cannot be read, with the place where it went wrong."""

from __future__ import annotations

from recsys.errors import DataError


class FilterError(DataError):
    """A filter is wrong; the message names the place and what was expected there.

    Attributes:
        problem: the message without the place.
        path: of the JSON form: where, for example "and[1].lte[1]"; "" else.
        position: of the string form: the 0-based character; None else. The message counts from 1.
    """

    def __init__(self, problem: str, *, path: str = "", position: int | None = None) -> None:
        place = f" at {path}" if path else "" if position is None else f" at character {position + 1}"
        super().__init__(f"filter{place}: {problem}")
        self.problem = problem
        self.path = path
        self.position = position

    def at(self, *, path: str = "", position: int | None = None) -> FilterError:
        """Return the same error with a place, unless it has one."""
        if self.path or self.position is not None:
            return self
        return FilterError(self.problem, path=path, position=position)


def shown(value: object, limit: int = 60) -> str:
    """Return ``repr`` of a value from outside, cut: a message must not be as long as an attacker likes."""
    text = repr(value[: limit + 1] if isinstance(value, str) else value)
    return text if len(text) <= limit else f"{text[:limit]}..."
