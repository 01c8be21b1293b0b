"""What routes share: 405 responses, the caller and the Idempotency-Key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from aws_lambda_powertools.event_handler.router import APIGatewayRouter

from imagegen.access import tenant
from imagegen.api import scope
from imagegen.errors import IdempotencyKeyInvalid, MethodNotAllowed
from imagegen.jobs.idempotency import IdempotencyFingerprint, check_key

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

    from imagegen.generation.request import GenerateRequest
    from imagegen.generation.spec import GenerationSpec

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""HEAD arrives here as GET."""


def build_router(routes: Mapping[str, Sequence[str]]) -> APIGatewayRouter:
    """Return a router that responds 405 with Allow to the other methods of its paths; the gateway forwards `ANY`."""
    router = APIGatewayRouter()  # type: ignore[no-untyped-call]
    for path, allowed in routes.items():
        others = [method for method in METHODS if method not in allowed]
        router.route(path, method=others, include_in_schema=False)(_method_not_allowed(_with_implied(allowed)))
    return router


def caller(event: APIGatewayProxyEvent) -> str:
    """Return the tenant of the API key that the gateway has checked. Raises InvalidApiKey if the event has none.

    `sam local start-api` checks no keys and passes none on: its requests are those of direct invocations.
    """
    identity = event.request_context.get("identity") or {}
    if not identity.get("apiKey") and scope.current().container.settings.aws_sam_local:
        return tenant.LOCAL
    return tenant.of_api_key(identity.get("apiKey"))


def fingerprint(
    event: APIGatewayProxyEvent, request: GenerateRequest, spec: GenerationSpec
) -> IdempotencyFingerprint | None:
    """Return the fingerprint of the request, or None without an Idempotency-Key. Raises IdempotencyKeyInvalid."""
    return IdempotencyFingerprint.of(_idempotency_key(event), event.path, scope.current().body, request, spec)


def repeatable_caller(event: APIGatewayProxyEvent) -> str:
    """Return the tenant of a request to a naturally idempotent route, which needs no Idempotency-Key.

    Raises IdempotencyKeyInvalid: a key is ignored, but must be valid.
    """
    check_key(_idempotency_key(event))
    return caller(event)


def base_path(event: APIGatewayProxyEvent) -> str:
    """Return what precedes the path in the URL: the stage, or a custom domain's base path.

    Only for routes without parameters.
    """
    return event.request_context.path.rstrip("/").removesuffix(event.path)


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
