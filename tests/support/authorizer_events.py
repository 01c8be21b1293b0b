"""Events of API Gateway for a REQUEST authorizer of a REST API, in the form that AWS documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

ROUTES = [
    ("GET", "/models"), ("POST", "/generate"), ("POST", "/jobs"), ("GET", "/jobs"), ("GET", "/jobs/01KAJ9X2"),
    ("DELETE", "/jobs/01KAJ9X2"), ("POST", "/jobs/01KAJ9X2/cancel"), ("GET", "/jobs/a*b%2F?c"),
]  # fmt: skip


def authorizer_event(
    *headers: tuple[str, str],
    method: str = "GET",
    path: str = "/models",
    query: Iterable[tuple[str, str]] = (),
    partition: str = "aws",
) -> dict[str, Any]:
    """Return the event of a request with these header lines."""
    several: dict[str, list[str]] = {}
    for name, value in headers:
        several.setdefault(name, []).append(value)
    parameters: dict[str, list[str]] = {}
    for name, value in query:
        parameters.setdefault(name, []).append(value)
    return {
        "type": "REQUEST",
        "methodArn": f"arn:{partition}:execute-api:us-east-1:123456789012:abcdef1234/v1/{method}{path}",
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {name: values[-1] for name, values in several.items()} or None,
        "multiValueHeaders": several or None,
        "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
        "multiValueQueryStringParameters": parameters or None,
        "pathParameters": {},
        "stageVariables": {},
        "requestContext": {
            "resourceId": "abc123",
            "resourcePath": path,
            "httpMethod": method,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "accountId": "123456789012",
            "apiId": "abcdef1234",
            "stage": "v1",
            "path": f"/v1{path}",
            "identity": {"sourceIp": "203.0.113.7", "apiKey": None},
        },
    }
