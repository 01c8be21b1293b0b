"""The `webhook` field of a request."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen.errors import InvalidRequest
from imagegen.generation.request import Webhook as WebhookField


def test_events_default_to_every_final_state() -> None:
    field = WebhookField.parse({"url": "https://example.com/hook"})
    assert field.events == ["job.succeeded", "job.failed", "job.cancelled"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"url": "missing_field"}),
        ({"url": None}, {"url": "wrong_type"}),
        ({"url": 5}, {"url": "wrong_type"}),
        ({"url": "http://example.com"}, {"url": "url_not_allowed"}),
        ({"url": "https://169.254.169.254/"}, {"url": "url_not_allowed"}),
        ({"url": "https://example.com", "events": []}, {"events": "out_of_range"}),
        ({"url": "https://example.com", "events": ["job.queued"]}, {"events.0": "out_of_range"}),
        ({"url": "https://example.com", "events": "job.failed"}, {"events": "wrong_type"}),
        ({"url": "https://example.com", "secret": "x"}, {"secret": "unknown_field"}),
    ],
)
def test_each_invalid_part_of_the_webhook_is_named(body: dict[str, Any], wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        WebhookField.parse(body)
    assert {error.field: error.code for error in caught.value.errors} == wrong
    assert "169.254" not in str(caught.value)
