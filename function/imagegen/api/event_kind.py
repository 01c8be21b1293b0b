"""Which kind of event invoked a function, and the response to every other kind.

Covered: a function that is connected to the wrong source, or invoked with the sample event of another service: it
responds 400 and logs that, without a traceback. Not covered: a source that does not look at the response, such as a
queue, which takes its messages for processed (docs/decisions/http.md).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from imagegen import telemetry
from imagegen.errors import UnsupportedEvent
from imagegen.problem_details import MEDIA_TYPE, reason_phrase

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

REST_API: Final = "proxy events of an API Gateway REST API"
SQS: Final = "events of an SQS queue"

_FOREIGN: Final = frozenset({"methodArn", "version"})
_TEXTS: Final = ("resource", "httpMethod")
_MAPPINGS: Final = ("headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters")


def is_rest_api(event: object) -> bool:
    """Return whether it is a proxy event of a REST API.

    A load balancer's event has no resource, and an authorizer's has the ARN of a method. The events of HTTP APIs and
    function URLs have a version. Format 1.0 is otherwise the same, but an HTTP API checks no keys: all of its callers
    would be one tenant.
    """
    return (
        isinstance(event, dict)
        and isinstance(event.get("requestContext"), dict)
        and _FOREIGN.isdisjoint(event)
        and all(isinstance(event.get(name), str) for name in _TEXTS)
        and all(isinstance(event.get(name) or {}, dict) for name in (*_MAPPINGS, "pathParameters"))
    )


def is_sqs(event: object) -> bool:
    """Return whether the event is a batch of SQS messages."""
    records = event.get("Records") if isinstance(event, dict) else None
    return isinstance(records, list) and len(records) > 0 and all(map(_is_message, records))


def refusal(context: LambdaContext, *supported: str) -> dict[str, Any]:
    """Log that the event is none of `supported`, and return a response that API Gateway, function URLs and load
    balancers understand: 400 with a problem document."""
    error = UnsupportedEvent(f"This function handles {' and '.join(supported)}, and this event is something else.")
    telemetry.failed(error)
    return {
        "statusCode": error.status,
        "statusDescription": f"{error.status} {reason_phrase(error.status)}",  # for load balancers
        "headers": {"content-type": MEDIA_TYPE, "cache-control": "no-store", "x-request-id": context.aws_request_id},
        "isBase64Encoded": False,
        "body": json.dumps(error.problem(request_id=context.aws_request_id)),
    }


def _is_message(record: object) -> bool:
    return (
        isinstance(record, dict)
        and record.get("eventSource") == "aws:sqs"
        and all(isinstance(record.get(name), str) for name in ("messageId", "receiptHandle", "body"))
    )
