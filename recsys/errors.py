"""Every error that recsys raises on purpose.

::

    RecsysError
    ├── ConfigError          a setting, a TOML file or an argument is wrong
    │   └── PromptError          a prompt's template file is wrong
    ├── PluginError          a plug-in cannot be used
    │   ├── UnknownPlugin        no plug-in of that kind has that name
    │   ├── DuplicatePlugin      two packages claim one name
    │   ├── PluginUnavailable    it needs an extra that is not installed
    │   └── ContractError        the class does not fit its protocol
    ├── DataError            an event, item, file or line cannot be used
    ├── NotFittedError       fit() or load() has to come first
    ├── ModelError           a bundle or model artifact cannot be used
    │   ├── ArtifactMissing      a file of it is not there
    │   ├── ArtifactDamaged      a file of it is not the one that was written
    │   ├── ShapeMismatch        arrays of it do not fit together
    │   └── QuantisationRefused  it loses more than the stated bounds allow
    ├── StoreDown            the database cannot be used now: asked again later, it may be
    ├── ServiceError         the service refused a request, or could not be reached
    └── StageError           a stage failed while it served a request (strict mode)
        └── BudgetExceeded       the time that a request had for it is over
"""

from __future__ import annotations


class RecsysError(Exception):
    """Base of all errors below: catching it catches everything raised on purpose."""


class ConfigError(RecsysError):
    """A setting is wrong; the message gives its path and the allowed values."""


class PromptError(ConfigError):
    """A prompt's template file is wrong; the message names the file and the field or line."""


class PluginError(RecsysError):
    """A plug-in cannot be used."""


class UnknownPlugin(PluginError):
    """No plug-in of that kind has that name; the message lists those that exist."""


class DuplicatePlugin(PluginError):
    """Two packages register one name; the message names both."""


class PluginUnavailable(PluginError):
    """A plug-in exists but something that it imports is missing."""


class ContractError(PluginError):
    """A class or an answer breaks the protocol of its kind."""


class DataError(RecsysError, ValueError):
    """Input data is wrong; the message names the field or the line."""


class NotFittedError(RecsysError):
    """The component or engine has not been fitted or loaded."""


class ModelError(RecsysError):
    """A bundle or model artifact cannot be used."""


class ArtifactMissing(ModelError):
    """A file that a bundle or model lists is not there."""


class ArtifactDamaged(ModelError):
    """A file differs from what its manifest records, or is not ours at all."""


class ShapeMismatch(ModelError):
    """Arrays of an artifact do not fit together or do not fit the catalogue."""


class QuantisationRefused(ModelError):
    """A quantised model loses more than the stated bounds allow; the message gives bounds and figures."""


class StoreDown(RecsysError):
    """The database is not reached, full, read-only or locked for too long; of the call that failed nothing is stored.

    It may be sent again: events with an ``event_id`` are never stored twice.
    """

    retryable = True


class ServiceError(RecsysError):
    """A service refused a request, or did not answer; raised by `recsys.Client`.

    Attributes:
        status: of HTTP; None where no answer came.
        type: the kind of problem, "scope" or "too-many-requests" say; "unreachable" where no answer came,
            "unreadable" for an answer that is not the service's.
        field: what of the request is wrong, as ``body.items.0.price``.
        request_id: names the request in the service's log.
        retry_after: seconds after which it may be sent again.
    """

    def __init__(
        self, message: str, *, status: int | None = None, type: str = "", field: str | None = None,
        request_id: str | None = None, retry_after: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status, self.type, self.field = status, type, field
        self.request_id, self.retry_after = request_id, retry_after


class StageError(RecsysError):
    """A stage failed in strict mode; ``__cause__`` is the original error."""

    def __init__(self, stage: str, plugin: str, message: str) -> None:
        super().__init__(f"{stage} '{plugin}' failed: {message}")
        self.stage = stage
        self.plugin = plugin


class BudgetExceeded(StageError):
    """The time that a request had is over; what was reached by then is dropped.

    ``stage`` and ``plugin`` are "" where whoever looks at the clock, such as a model, does not know who asked.
    """

    def __init__(self, message: str, stage: str = "", plugin: str = "") -> None:
        super().__init__(stage, plugin, message)
        who = " ".join(part for part in (stage, plugin and f"'{plugin}'") if part)
        self.args = (f"{who} failed: {message}" if who else message,)
