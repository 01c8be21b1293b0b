"""Which caller may use a route: it is checked before the request's parameters and body are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.middlewares import BaseMiddlewareHandler, NextMiddleware

from imagegen import telemetry
from imagegen.access import tenant
from imagegen.access.caller import Caller, Scope
from imagegen.api import scope
from imagegen.errors import InvalidCredentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.event_handler import Response

SAM_LOCAL: Final = Caller.of(tenant.LOCAL, "sam-local", ["user"])
"""Caller of a request that `sam local` passes on without an authorizer: it may do what a direct invocation may."""


class RequireScope(BaseMiddlewareHandler[APIGatewayRestResolver]):
    """Lets only callers with the scope through, and tells the route who the caller is.

    A caller without a valid credential gets 401 and no other error: before another error is the answer, a key that the
    authorizer only remembered is checked. Raises InvalidCredentials and ForbiddenScope.
    """

    def __init__(self, needed: Scope):
        self.needed: Final = needed

    def handler(self, app: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[Any]:
        """Check the scope, then go on with the request."""
        current = scope.current()
        current.named = _caller(app.current_event["requestContext"])
        telemetry.called(current.named)
        try:
            current.named.require(self.needed)
            return next_middleware(app)
        except InvalidCredentials:
            raise
        except Exception:
            current.check_key()
            raise


def _caller(context: Mapping[str, Any]) -> Caller:
    """Return the caller that the gateway's authorizer found. `sam local` may run without an authorizer."""
    found = context.get("authorizer")
    if not found and scope.current().container.settings.aws_sam_local:
        return SAM_LOCAL
    return Caller.from_context(found)
