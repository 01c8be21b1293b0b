"""Which limit a route has, and the check of it: after the caller is known, before the request is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.middlewares import BaseMiddlewareHandler, NextMiddleware

from imagegen.api import scope
from imagegen.limits.rate_limit import RouteClass

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response


def route_class(method: str, rule: str) -> RouteClass:
    """Return the class of a route, whose routes share a limit."""
    if method == "GET":
        return "looking"
    return "drawing" if rule == "/generate" else "submitting"


def count(of: RouteClass) -> None:
    """Count the current request, whose response gets the RateLimit headers. Raises RateLimited, StorageUnavailable."""
    current = scope.current()
    current.headers |= current.container.limiter.take(current.caller.tenant, of)


class CountRequest(BaseMiddlewareHandler[APIGatewayRestResolver]):
    """Counts each request of a route, except of the class `drawing`: such a route decides whether to reserve as well.

    Raises RateLimited and StorageUnavailable.
    """

    def __init__(self, of: RouteClass):
        self.of: Final = of

    def handler(self, app: APIGatewayRestResolver, next_middleware: NextMiddleware) -> Response[Any]:
        """Count the request, then go on with it."""
        if self.of != "drawing":
            count(self.of)
        return next_middleware(app)
