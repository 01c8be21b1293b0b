"""What routes share: the check of the caller's scope, 405 responses, and the Idempotency-Key."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aws_lambda_powertools.event_handler.middlewares.openapi_validation import OpenAPIRequestValidationMiddleware
from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from imagegen.access.caller import Scope
from imagegen.api import scope
from imagegen.api.authorization import RequireScope
from imagegen.api.openapi.responses import ANY_CREDENTIAL
from imagegen.errors import IdempotencyKeyInvalid, MethodNotAllowed
from imagegen.jobs.idempotency import IdempotencyFingerprint, check_key

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

    from imagegen.generation.request import GenerateRequest
    from imagegen.generation.spec import GenerationSpec

Function = TypeVar("Function", bound=Callable[..., Any])

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""HEAD arrives here as GET."""
OPEN: Final = None
"""In place of a scope: the route needs no caller."""

Access = Mapping[str, Mapping[str, Scope | None]]
"""The scope that each method of each path needs, or OPEN."""

_VALIDATION: Final = OpenAPIRequestValidationMiddleware()  # type: ignore[no-untyped-call]
_ROUTE: Final = inspect.signature(APIGatewayRouter.route)


class Router(APIGatewayRouter):
    """A router that checks a route's scope before it reads the request, and documents it.

    Only routes of `access` can be added: another one raises KeyError when its module is imported. The other methods of
    these paths, which the gateway forwards by `ANY`, are 405 with Allow.
    """

    def __init__(self, access: Access):
        super().__init__()  # type: ignore[no-untyped-call]
        self._access = access
        for path, allowed in access.items():
            others = [method for method in METHODS if method not in allowed]
            super().route(path, others, include_in_schema=False)(_method_not_allowed(_with_implied([*allowed])))

    def route(self, *positional: Any, **named: Any) -> Callable[[Function], Function]:
        """Add a route, as Powertools' decorators for each method do."""
        options = _ROUTE.bind(self, *positional, **named).arguments
        needed = self._access[options["rule"]][options["method"]]
        return super().route(**_without_self(options) | ({} if needed is None else _protected(needed, options)))


def fingerprint(
    event: APIGatewayProxyEvent, request: GenerateRequest, spec: GenerationSpec
) -> IdempotencyFingerprint | None:
    """Return the fingerprint of the request, or None without an Idempotency-Key. Raises IdempotencyKeyInvalid."""
    return IdempotencyFingerprint.of(_idempotency_key(event), event.path, scope.current().body, request, spec)


def check_unused_key(event: APIGatewayProxyEvent) -> None:
    """Raise IdempotencyKeyInvalid for an invalid key on a naturally idempotent route, where a key has no effect."""
    check_key(_idempotency_key(event))


def base_path(event: APIGatewayProxyEvent) -> str:
    """Return what precedes the path in the URL: the stage, or a custom domain's base path.

    Only for routes without parameters.
    """
    return event.request_context.path.rstrip("/").removesuffix(event.path)


def _without_self(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "self"}


def _protected(needed: Scope, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a route that needs a scope. Powertools' own validation would run before the check."""
    return {
        "description": f"{options.get('description') or ''} Needs the scope `{needed}`.".lstrip(),
        "security": ANY_CREDENTIAL,
        "enable_validation": False,
        "middlewares": [RequireScope(needed), _VALIDATION],
    }


def _idempotency_key(event: APIGatewayProxyEvent) -> str | None:
    """Return the key, or None. Raises IdempotencyKeyInvalid for several: no rule says which of them counts."""
    lines = event["multiValueHeaders"].get("idempotency-key", [])
    if len(lines) > 1:
        raise IdempotencyKeyInvalid("Send the Idempotency-Key header once.")
    return lines[0] if lines else None


def _with_implied(allowed: Sequence[str]) -> list[str]:
    head = ["HEAD"] if "GET" in allowed else []
    return [*allowed, *head, "OPTIONS"]


def _method_not_allowed(allowed: Sequence[str]) -> Callable[[], None]:
    def reject() -> None:
        raise MethodNotAllowed(allowed)

    return reject
