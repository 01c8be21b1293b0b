"""What a delivery sends, how it is signed, and what becomes of it when it fails."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from imagegen.errors import InvalidRequest, StorageUnavailable
from imagegen.jobs import Job
from imagegen.ports import ReceivedMessage
from imagegen.request import Webhook as WebhookField
from imagegen.targets import Courier, NotAllowed, Unreachable
from imagegen.webhook_message import WebhookMessage
from imagegen.webhooks import DELAYS, JITTER, SigningSecrets, WebhookSender
from tools.faults.webhook_deliveries import TENANT, final_job

JOB_ID = "01KAJ9X2S4QZ8W3V5N7M6K1H0G"
SECRET = SigningSecrets.new()
MESSAGE: dict[str, Any] = {
    "version": 1,
    "tenant": TENANT,
    "job_id": JOB_ID,
    "url": "https://hooks.example.com/done?key=of-the-receiver",
    "event_type": "job.succeeded",
    "final_state": "succeeded",
}


@dataclass
class Jobs:
    """A JobReader of one job."""

    job: Job | None = field(default_factory=lambda: final_job(JOB_ID))
    failing: StorageUnavailable | None = None

    def get(self, tenant: str, job_id: str) -> Job | None:
        if self.failing:
            raise self.failing
        return self.job if (tenant, job_id) == (TENANT, JOB_ID) else None


@dataclass
class Secrets:
    text: str | None = field(default_factory=lambda: str(SECRET))

    def get(self, tenant: str) -> str | None:
        return self.text


@dataclass
class Retries:
    """WebhookRetries that keeps what it was told."""

    postponed: list[float] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)

    def postpone(self, received: ReceivedMessage, seconds: float) -> None:
        self.postponed.append(seconds)

    def bury(self, received: ReceivedMessage, reason: str) -> None:
        self.buried.append(reason)


class Answering(Courier):
    """A courier whose posts arrive nowhere and are answered as told."""

    def __init__(self, answer: int | Exception = 200):
        super().__init__()
        self.answer = answer
        self.posts: list[tuple[str, Mapping[str, str], bytes]] = []

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.posts.append((url, headers, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Bench:
    """A sender and everything around it."""

    courier: Answering = field(default_factory=Answering)
    jobs: Jobs = field(default_factory=Jobs)
    secrets: Secrets = field(default_factory=Secrets)
    retries: Retries = field(default_factory=Retries)

    def deliver(self, body: str | None = None, attempt: int = 1, **changes: Any) -> tuple[str, str]:
        sender = WebhookSender(
            jobs=self.jobs,
            render=lambda job: {"id": JOB_ID, "status": job.state, "image_url": "https://images.example.com/signed"},
            secrets=self.secrets,
            courier=self.courier,
            retries=self.retries,
        )
        text = json.dumps(MESSAGE | changes) if body is None else body
        outcome = sender.deliver(ReceivedMessage("m-1", "r-1", text, attempt))
        return outcome.verdict, outcome.reason


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_a_delivery_verifies_with_the_reference_library() -> None:
    bench = Bench()
    assert bench.deliver() == ("delivered", "delivered")
    ((url, headers, body),) = bench.courier.posts
    assert url == MESSAGE["url"]
    assert Webhook(SECRET.values[0]).verify(body, dict(headers)) == {
        "type": "job.succeeded",
        "timestamp": "2026-11-21T14:00:00.250000Z",
        "data": {"id": JOB_ID, "status": "succeeded", "image_url": "https://images.example.com/signed"},
    }
    assert (headers["webhook-id"], headers["content-type"]) == (f"msg_{JOB_ID}", "application/json")
    assert (bench.retries.postponed, bench.retries.buried) == ([], [])


def test_a_signature_is_what_the_documents_say() -> None:
    """By hand, as a receiver without the library would check it: docs/api.md."""
    sent_at = datetime(2026, 11, 21, 15, 0, 0, 999_999, UTC)
    headers = SECRET.headers("msg_1", sent_at, '{"a":1}')
    key = base64.b64decode(SECRET.values[0].removeprefix("whsec_"))
    digest = hmac.new(key, b'msg_1.1795273200.{"a":1}', hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1795273200",
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_a_changed_body_id_or_time_does_not_verify() -> None:
    bench = Bench()
    bench.deliver()
    ((_, headers, body),) = bench.courier.posts
    for changed, forged in [
        ({}, body.replace(b"succeeded", b"cancelled")),
        ({"webhook-id": "msg_2"}, body),
        ({"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}, body),
    ]:
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET.values[0]).verify(forged, {**headers, **changed})


def test_every_attempt_has_the_same_id() -> None:
    bench = Bench(courier=Answering(500))
    for attempt in (1, 2, 3):
        bench.deliver(attempt=attempt)
    assert {headers["webhook-id"] for _, headers, _ in bench.courier.posts} == {f"msg_{JOB_ID}"}


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_both_secrets_sign_while_they_change_over() -> None:
    old, both = SECRET, SECRET.rotated()
    bench = Bench(secrets=Secrets(str(both)))
    bench.deliver()
    ((_, headers, body),) = bench.courier.posts
    for secret in (*both.values, *old.values):
        Webhook(secret).verify(body, dict(headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(SigningSecrets.new().values[0]).verify(body, dict(headers))


def test_a_rotation_keeps_the_newest_of_the_old_ones() -> None:
    first = SigningSecrets.new()
    second = first.rotated()
    third = second.rotated()
    assert len({*first.values, *second.values, *third.values}) == 3
    assert third.values[1] == second.values[0]
    assert third.retired().values == third.values[:1]
    assert SigningSecrets.parse(str(third)) == third


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "whsec_short", "plain", "whsec_" + "!" * 44, f"{SECRET} {SECRET} {SECRET}", f"{SECRET} x"],
    ids=["empty", "prefix", "short", "no prefix", "not base64", "three", "one and a half"],
)
def test_a_secret_that_is_none_is_not_used(text: str) -> None:
    with pytest.raises(ValueError, match="expected one or two secrets") as caught:
        SigningSecrets.parse(text)
    assert "short" not in str(caught.value)
    bench = Bench(secrets=Secrets(text))
    assert bench.deliver() == ("retry", "secret_missing")
    assert bench.courier.posts == []


# -- what becomes of it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_success(status: int) -> None:
    assert Bench(courier=Answering(status)).deliver() == ("delivered", "delivered")


@pytest.mark.parametrize(
    "status", [100, 199, 300, 302, 304, 308, 400, 401, 404, 409, 422, 429, 500, 502, 503, 504, 999]
)
def test_any_other_status_is_tried_again(status: int) -> None:
    bench = Bench(courier=Answering(status))
    assert bench.deliver() == ("retry", f"status_{status}")
    assert len(bench.retries.postponed) == 1


def test_410_ends_it_at_once() -> None:
    bench = Bench(courier=Answering(410))
    assert bench.deliver() == ("dead", "status_410")
    assert (bench.retries.postponed, bench.retries.buried) == ([], ["status_410"])


def test_no_answer_is_tried_again_and_an_inner_address_is_not() -> None:
    assert Bench(courier=Answering(Unreachable("timeout"))).deliver() == ("retry", "timeout")
    assert Bench(courier=Answering(NotAllowed("leads inside"))).deliver() == ("dead", "url_not_allowed")


def test_attempts_follow_the_schedule_and_end() -> None:
    bench = Bench(courier=Answering(500))
    verdicts = [bench.deliver(attempt=attempt)[0] for attempt in range(1, len(DELAYS) + 2)]
    assert verdicts == ["retry"] * len(DELAYS) + ["dead"]
    for delay, planned in zip(bench.retries.postponed, DELAYS, strict=True):
        assert planned <= delay <= planned * (1 + JITTER)
    assert bench.retries.buried == ["status_500"]


def test_what_a_crash_left_over_gets_its_last_attempt() -> None:
    bench = Bench()
    assert bench.deliver(attempt=len(DELAYS) + 5) == ("delivered", "delivered")
    assert bench.retries.buried == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "malformed_message"), ("{", "malformed_message"), ("[]", "malformed_message"),
        ("null", "malformed_message"),
        ("NaN", "malformed_message"), ("\ud800", "malformed_message"), ("[" * 100_000, "malformed_message"),
        ("{}", "unknown_version"),
        (json.dumps(MESSAGE | {"version": 2}), "unknown_version"),
        (json.dumps(MESSAGE | {"version": "1"}), "unknown_version"),
        (json.dumps(MESSAGE | {"version": True}), "unknown_version"),
        (json.dumps(MESSAGE | {"job_id": "../secrets"}), "malformed_message"),
        (json.dumps(MESSAGE | {"job_id": JOB_ID + "\n"}), "malformed_message"),
        (json.dumps(MESSAGE | {"tenant": "../other"}), "malformed_message"),
        (json.dumps(MESSAGE | {"tenant": 7}), "malformed_message"),
        (json.dumps(MESSAGE | {"event_type": "job.exploded"}), "malformed_message"),
        (json.dumps({key: value for key, value in MESSAGE.items() if key != "url"}), "malformed_message"),
    ],
)  # fmt: skip
def test_a_message_that_says_nothing_is_buried_with_the_reason(body: str, reason: str) -> None:
    bench = Bench()
    assert bench.deliver(body) == ("dead", reason)
    assert bench.retries.buried == [reason]
    assert bench.courier.posts == []


def test_a_later_version_may_add_to_the_message() -> None:
    assert Bench().deliver(colour="red") == ("delivered", "delivered")


def test_a_job_that_is_gone_is_buried_and_one_that_is_not_final_waits() -> None:
    assert Bench(jobs=Jobs(None)).deliver() == ("dead", "job_gone")
    assert Bench(jobs=Jobs(final_job(JOB_ID, "running"))).deliver() == ("retry", "job_not_final")
    assert Bench().deliver(tenant="fedcba9876543210") == ("dead", "job_gone")


def test_a_store_that_is_down_leaves_the_message_in_the_queue() -> None:
    bench = Bench(jobs=Jobs(failing=StorageUnavailable("The store does not answer.")))
    with pytest.raises(StorageUnavailable):
        bench.deliver()
    assert (bench.retries.postponed, bench.retries.buried) == ([], [])


def test_the_message_holds_no_more_than_it_must() -> None:
    assert set(WebhookMessage.model_fields) == set(MESSAGE)


# -- the field of a request --------------------------------------------------------------------------------------------


def test_the_field_defaults_to_every_final_state() -> None:
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
def test_each_wrong_part_of_the_field_is_named(body: dict[str, Any], wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        WebhookField.parse(body)
    assert {error.field: error.code for error in caught.value.errors} == wrong
    assert "169.254" not in str(caught.value)
