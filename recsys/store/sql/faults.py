"""What a database says when it cannot do its work, in words of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError as WrongValueError
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from recsys.errors import DataError, RecsysError, StoreDown

_DOWN = (PoolTimeoutError, TimeoutError, OSError)
_READ_ONLY = "25006"  # PostgreSQL: a standby, or a server that was told so
_DAMAGED = ("malformed", "not a database")


@contextmanager
def faults(url: str) -> Iterator[None]:
    """Run a block and raise `StoreDown` where the database fails in it.

    What the database says is cut to its first line: no value of a row is in that.
    """
    try:
        yield
    except RecsysError:
        raise
    except (UnicodeEncodeError, OverflowError, WrongValueError) as error:  # of ids and times that are asked for
        said = getattr(error, "orig", None) or "half a character, NUL, or a number beyond 64 bits"
        raise DataError(f"a value that the database cannot hold: {_first_line(said)}") from None
    except StatementError as error:
        if isinstance(error.orig, RecsysError):  # a value that could not be written, found while it was bound
            raise error.orig from None
        if _is_down(error):
            raise StoreDown(f"the database {url} cannot be used: {_first_line(error.orig)}") from error
        raise
    except _DOWN as error:
        raise StoreDown(f"the database {url} cannot be used: {_first_line(error)}") from error


def _is_down(error: StatementError) -> bool:
    """Return whether the database fails, and not a statement of ours."""
    said = error.orig
    if isinstance(error, InternalError):
        return getattr(said, "sqlstate", "") == _READ_ONLY
    if isinstance(error, OperationalError | InterfaceError):
        return getattr(said, "sqlite_errorname", "") != "SQLITE_ERROR"  # no such table, a wrong statement
    return isinstance(error, DBAPIError) and (
        error.connection_invalidated or any(word in str(said) for word in _DAMAGED)
    )


def _first_line(error: BaseException | str | None) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
