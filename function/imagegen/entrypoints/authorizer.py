"""The REST API's authorizer (REQUEST): it finds the caller, and leaves to the functions what the caller may do.

Its policy is the same for every route, so that an answer never opens or closes another route. A raised "Unauthorized"
is the gateway's 401, anything else that is raised its 503.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from imagegen import origin, telemetry
from imagegen.access.caller import Caller
from imagegen.access.credentials import Pair
from imagegen.authorizer_wiring import AuthorizerContainer
from imagegen.entrypoints import initialized
from imagegen.errors import InvalidCredentials, ServiceError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_CHECKED_AGAIN: Final = ("POST", "/generate")
"""The only route for which a key may be remembered: its function checks the key in a call that it makes anyway. Any
other function would check it in a call of its own (api/scope.py)."""

container = AuthorizerContainer.from_environment()


class Refused(Exception):
    """Its text decides the gateway's response, and Lambda logs it: it is only ever one of two words."""


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the policy and the caller. Raises Refused, without a cause, whose text Lambda would log."""
    try:
        request_id = origin.request_id(event["requestContext"].get("requestId"), context.aws_request_id)
        telemetry.logger.append_keys(request_id=request_id)
        may_remember = (event.get("httpMethod"), event.get("resource")) == _CHECKED_AGAIN
        caller = container.authenticator.caller(*_request(event), may_remember=may_remember)
    except InvalidCredentials as error:
        telemetry.failed(error)
        raise Refused("Unauthorized") from None
    except ServiceError as error:
        telemetry.failed(error)
        raise Refused(error.public_code) from None
    except Exception as error:
        telemetry.aborted(error)
        raise Refused("internal_error") from None
    telemetry.authenticated(caller)
    return _allowed(caller, event["methodArn"])


def _request(event: Mapping[str, Any]) -> tuple[list[Pair], list[Pair]]:
    """Return every header line and every query parameter."""
    headers = _pairs(event.get("multiValueHeaders"), event.get("headers"))
    query = _pairs(event.get("multiValueQueryStringParameters"), event.get("queryStringParameters"))
    return list(headers), list(query)


def _pairs(several: Mapping[str, list[str]] | None, single: Mapping[str, str] | None) -> Iterable[Pair]:
    if several is None:
        return (single or {}).items()
    return ((name, value) for name, values in several.items() for value in values)


def _allowed(caller: Caller, method_arn: str) -> dict[str, Any]:
    """Allow the whole stage: arn:aws:execute-api:<region>:<account>:<api>/<stage>/<method>/<path>."""
    stage = "/".join(method_arn.split("/")[:2])
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": f"{stage}/*"}
    return {
        "principalId": caller.principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": caller.to_context(),
    }


initialized()
