"""Lambda inputs for tests and benchmarks: API Gateway REST proxy events and an invocation context."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imagegen.access import tenant
from imagegen.access.caller import Caller, Role

_USER: Final[tuple[Role, ...]] = ("user",)


@dataclass
class Context:
    """The attributes of Lambda's context object that the handlers read."""

    seconds: float = 900.0
    """Time limit, counted from when the context was created."""
    function_name: str = "Generator"
    memory_limit_in_mb: int = 10240
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:Generator:live"
    aws_request_id: str = "3f0b8c55-0000-4000-8000-000000000000"
    _started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left of the time limit."""
        return int(1000 * (self.seconds - (time.monotonic() - self._started)))

    def end_in(self, seconds: float) -> None:
        """Set the time left."""
        self.seconds = time.monotonic() - self._started + seconds


def authorizer(
    key: str = "key-of-alice", roles: Collection[Role] = _USER, scopes: Collection[str] | None = None
) -> dict[str, Any]:
    """Return `requestContext.authorizer` as API Gateway passes it on for a caller with this key, roles and scopes."""
    caller = Caller.of(tenant.of_api_key(key), f"key:{key}", roles, scopes)
    return {"principalId": caller.principal, "integrationLatency": 12, **caller.to_context()}


def api_event(body: object, *, method: str = "POST", path: str = "/generate", **changes: Any) -> dict[str, Any]:
    """Return a proxy event with `body` base64-encoded: the API lists JSON as a binary media type.

    `bytes` are sent as they are, anything else as JSON. `changes` override top-level keys of the event. `headers` are
    added to the default content type: a list is a repeated header, None leaves the header out.
    """
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = _header_lines(changes.pop("headers", {}))
    event = {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in lines.items()},  # API Gateway keeps the last line here
        "multiValueHeaders": lines,
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e800000000",
            "requestTimeEpoch": int(time.time() * 1000),
            "stage": "v1",
            "path": f"/v1{path}",
            "authorizer": authorizer(),
            "identity": {"apiKey": None, "sourceIp": "203.0.113.7"},
        },
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
    }
    return event | changes


def _header_lines(headers: Mapping[str, str | list[str] | None]) -> dict[str, list[str]]:
    given = {name: value for name, value in headers.items() if value is not None}
    has_content_type = any(name.lower() == "content-type" for name in headers)
    default = {} if has_content_type else {"Content-Type": ["application/json"]}
    return default | {name: [value] if isinstance(value, str) else value for name, value in given.items()}
