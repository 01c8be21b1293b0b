"""Forms that a test's server receives."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

from tests.support.api_server import Received


def parts(request: Received) -> dict[str, tuple[str, bytes]]:
    """Return content type and content of each part of a form, in order, by its name."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    found: dict[str, tuple[str, bytes]] = {}
    for part in form.iter_parts():
        assert isinstance(part, EmailMessage)
        name = str(part.get_param("name", header="content-disposition"))
        found[name] = (part.get_content_type(), bytes(part.get_payload(decode=True) or b""))
    return found
