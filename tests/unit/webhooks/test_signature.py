"""What a delivery sends, and how it is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from imagegen.webhooks.delivery import DELAYS
from imagegen.webhooks.signature import SigningSecrets
from tests.support.webhook_world import JOB_ID, MESSAGE, SECRET, Secrets, StubClient, WebhookWorld


def test_a_delivery_verifies_with_the_reference_library() -> None:
    world = WebhookWorld()
    assert world.deliver() == ("delivered", "delivered")
    ((url, headers, body),) = world.client.posts
    assert url == MESSAGE["url"]
    assert Webhook(SECRET.values[0]).verify(body, dict(headers)) == {
        "type": "job.succeeded",
        "timestamp": "2026-11-21T14:00:00.250000Z",
        "data": {"id": JOB_ID, "status": "succeeded", "image_url": "https://images.example.com/signed"},
    }
    assert (headers["webhook-id"], headers["content-type"]) == (f"msg_{JOB_ID}", "application/json")
    assert (world.retries.postponed, world.retries.dead_lettered) == ([], [])


def test_a_signature_matches_the_documentation() -> None:
    """Computed as docs/api.md describes it, without the library."""
    sent_at = datetime(2026, 11, 21, 15, 0, 0, 999_999, UTC)
    headers = SECRET.headers("msg_1", sent_at, '{"a":1}')
    key = base64.b64decode(SECRET.values[0].removeprefix("whsec_"))
    digest = hmac.new(key, b'msg_1.1795273200.{"a":1}', hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1795273200",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_a_changed_body_id_or_timestamp_does_not_verify() -> None:
    world = WebhookWorld()
    world.deliver()
    ((_, headers, body),) = world.client.posts
    for changed, forged in [
        ({}, body.replace(b"succeeded", b"cancelled")),
        ({"webhook-id": "msg_2"}, body),
        ({"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}, body),
    ]:
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET.values[0]).verify(forged, {**headers, **changed})


def test_every_attempt_has_the_same_id() -> None:
    world = WebhookWorld(client=StubClient(500))
    for attempt in (1, 2, 3):
        world.deliver(attempt=attempt)
    assert {headers["webhook-id"] for _, headers, _ in world.client.posts} == {f"msg_{JOB_ID}"}


def test_both_secrets_sign_during_a_rotation() -> None:
    old, both = SECRET, SECRET.rotated()
    world = WebhookWorld(secrets=Secrets(str(both)))
    world.deliver()
    ((_, headers, body),) = world.client.posts
    for secret in (*both.values, *old.values):
        Webhook(secret).verify(body, dict(headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(SigningSecrets.new().values[0]).verify(body, dict(headers))


def test_a_rotation_keeps_the_most_recent_secret() -> None:
    first = SigningSecrets.new()
    second = first.rotated()
    third = second.rotated()
    assert len({*first.values, *second.values, *third.values}) == 3
    assert third.values[1] == second.values[0]
    assert third.retired().values == third.values[:1]
    assert SigningSecrets.parse(str(third)) == third


@pytest.mark.parametrize(
    "text",
    [
        *("", "whsec_", "whsec_short", "plain", "whsec_" + "!" * 44, f"{SECRET} {SECRET} {SECRET}", f"{SECRET} x"),
        *("whsec_" + "a" * 33, f"{SECRET}=", "whsec_" + "a" * 30 + "==", "whsec_" + "a" * 88, "whsec_" + "é" * 32),
        str(SECRET).removeprefix("whsec_"),
    ],
    ids=[
        *("empty", "prefix", "short", "no prefix", "not base64", "three", "one and a half"),
        *("33 characters", "wrong padding", "22 bytes", "66 bytes", "not ASCII", "only base64"),
    ],
)
def test_an_invalid_secret_is_not_used(text: str) -> None:
    with pytest.raises(ValueError, match="expected one or two secrets") as caught:
        SigningSecrets.parse(text)
    assert "short" not in str(caught.value)
    world = WebhookWorld(secrets=Secrets(text))
    assert world.deliver() == ("retry", "secret_invalid")
    assert world.deliver(attempt=len(DELAYS) + 1) == ("dead", "secret_invalid")
    assert world.client.posts == []


def test_a_missing_secret_is_waited_for() -> None:
    world = WebhookWorld(secrets=Secrets(None))
    assert world.deliver() == ("retry", "secret_missing")
    assert world.deliver(attempt=len(DELAYS) + 1) == ("dead", "secret_missing")
    assert world.client.posts == []
