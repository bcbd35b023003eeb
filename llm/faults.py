"""What can go wrong with one call to a model that another try may mend."""

from __future__ import annotations

from typing import Literal

from lemonade_es.errors import ExecutorError

FaultCode = Literal["rate_limit", "overloaded", "server_error", "timeout", "connection", "protocol"]


class CallFault(ExecutorError):
    """One call failed in a way that may pass: the caller may try again.

    Whatever no second try can mend (a wrong key, an unknown model, a refused request) is a plain
    :class:`~lemonade_es.errors.ExecutorError`.

    Args:
        code: the kind of fault.
        message: what is wrong, without any key.
        retry_after: seconds that the server asks to wait; ``None`` if it does not say.
    """

    def __init__(
        self,
        code: FaultCode,
        message: str,
        *,
        retry_after: float | None = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.code = code
        self.retry_after = retry_after
