"""Components with other settings, fitted again only where the fit depends on them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from recsys.tune.study import Values

# Settings that only act when a request is answered: trying them needs no new fit.
AT_REQUEST = frozenset({"decay", "limit", "prior", "weights"})
KEPT = 3  # fitted components at a time: some hold a matrix of all items by all items


class Trials:
    """Makes components by their values; ``first`` is the one of the present settings."""

    def __init__(self, made: Callable[[Values], Any], first: Any) -> None:
        self._made, self._first = made, first
        self._kept: OrderedDict[tuple[tuple[str, Any], ...], Any] = OrderedDict()

    def component(self, values: Values) -> Any:
        """Return the component with ``values``, fitted before where only settings of requests differ."""
        fit = {key: value for key, value in values.items() if key not in AT_REQUEST}
        key = tuple(sorted(fit.items()))
        if all(getattr(self._first.config, name) == value for name, value in fit.items()):
            found = self._first
        else:
            found = self._kept.get(key) or self._made(fit)
            self._kept[key] = found
            self._kept.move_to_end(key)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        at_request = {key: value for key, value in values.items() if key in AT_REQUEST}
        found.config = found.config.model_copy(update=at_request)
        return found
