"""The body of a request in bytes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from imagegen.errors import MalformedJson

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent


def raw_body(event: APIGatewayProxyEvent) -> bytes:
    """Return the body, empty if there is none. Raises MalformedJson or binascii.Error for events written by hand."""
    body: object = event.body or ""
    if not isinstance(body, str):  # API Gateway always sends text
        raise MalformedJson("The event's body must be a string that contains JSON.")
    return base64.b64decode(body) if event.is_base64_encoded else body.encode("utf-8", "surrogatepass")
