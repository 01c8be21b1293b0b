"""What the routes need while they handle one request: the process's container, the request's ids, caller and body.

A context variable, because Powertools' router context belongs to the last app that a router was included in. The router
of POST /generate is in two: the generator's and the API's.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from imagegen.origin import Origin

if TYPE_CHECKING:
    from imagegen.access.caller import Caller
    from imagegen.wiring import Container


@dataclass
class RequestScope:
    """The container, the ids, the caller and the body of one request."""

    container: Container
    request_id: str
    trace_id: str | None
    named: Caller = field(init=False)
    """Whom the authorizer named. Set by the check of the route's scope; a public route has none.

    A key that the authorizer remembered may have ended. Only what checks that itself may use this instead of `caller`.
    """
    body: Mapping[str, Any] = field(default_factory=dict)
    """The whole JSON body, for the Idempotency-Key; empty for a route without a body."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers of the response, whatever it is: those of the rate limit."""

    @property
    def now(self) -> datetime:
        """The time of the container's clock."""
        return datetime.fromtimestamp(self.container.clock() / 1000, UTC)

    @property
    def caller(self) -> Caller:
        """The caller, after `check_key`."""
        self.check_key()
        return self.named

    def check_key(self) -> None:
        """Check the caller's key, unless the authorizer or an earlier call did. One call.

        Raises InvalidCredentials if it has ended, and StorageUnavailable.
        """
        if self.named.remembered_key is not None:
            self.container.key_ends.require_unended(self.named.tenant, self.named.remembered_key)
            self.key_checked()

    def key_checked(self) -> None:
        """Note that a transaction has checked the key."""
        self.named = replace(self.named, remembered_key=None)

    @property
    def origin(self) -> Origin:
        """What a job keeps of the request that created it."""
        return Origin(self.request_id, self.trace_id)


_CURRENT: Final[ContextVar[RequestScope]] = ContextVar("request_scope")


def enter(container: Container, request_id: str, trace_id: str | None = None) -> RequestScope:
    """Start the scope of a new request in this context, and return it."""
    scope = RequestScope(container, request_id, trace_id)
    _CURRENT.set(scope)
    return scope


def current() -> RequestScope:
    """Return the scope of the current request. Raises LookupError outside of a request."""
    return _CURRENT.get()
