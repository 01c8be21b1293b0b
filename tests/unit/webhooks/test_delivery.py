"""Which deliveries succeed, are retried, or are dead-lettered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from imagegen.errors import DeliveryUnavailable, StorageUnavailable
from imagegen.generation.request import GenerateRequest
from imagegen.jobs.backlog import Backlog
from imagegen.jobs.job import Job, JobError
from imagegen.jobs.view import JobRenderer
from imagegen.origin import UNKNOWN, Origin
from imagegen.public_url import NotAllowed
from imagegen.webhooks.delivery import BUSY_DELAYS, DELAYS, JITTER
from imagegen.webhooks.message import WebhookMessage
from imagegen.webhooks.safe_http import Unreachable
from imagegen.webhooks.slots import Slots
from tests.support.fakes import MemoryStore
from tests.support.job_faults import UnavailableQueue, UnavailableTurns
from tests.support.job_states import NOW, RESULT
from tests.support.webhook_world import JOB_ID, MESSAGE, Jobs, StubClient, WebhookWorld
from tools.faults.job_backend import MovableClock
from tools.faults.webhook_deliveries import final_job

HOOK_URL = "https://hooks.example.com/done"
FINISHED = replace(
    final_job(JOB_ID, "failed"),
    attempt=2,
    aws_failures=3,
    error=JobError(code="internal_error", status=500, detail="It failed."),
    metadata={"order": "A-17"},
)

RENDERER = JobRenderer(MemoryStore(), Backlog(UnavailableQueue(), UnavailableTurns(), lambda: NOW), lambda: NOW)


def rendered(job: Job) -> dict[str, Any]:
    return RENDERER.render_delivered(job).model_dump(mode="json")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_success(status: int) -> None:
    assert WebhookWorld(client=StubClient(status)).deliver() == ("delivered", "delivered")


@pytest.mark.parametrize(
    "status", [100, 199, 300, 302, 304, 308, 400, 401, 404, 409, 422, 429, 500, 502, 503, 504, 999]
)
def test_any_other_status_is_retried(status: int) -> None:
    world = WebhookWorld(client=StubClient(status))
    assert world.deliver() == ("retry", f"status_{status}")
    assert len(world.retries.postponed) == 1


def test_410_is_not_retried() -> None:
    world = WebhookWorld(client=StubClient(410))
    assert world.deliver() == ("dead", "status_410")
    assert (world.retries.postponed, world.retries.dead_lettered) == ([], ["status_410"])


def test_a_missing_answer_is_retried_but_an_internal_address_is_not() -> None:
    assert WebhookWorld(client=StubClient(Unreachable("timeout"))).deliver() == ("retry", "timeout")
    assert WebhookWorld(client=StubClient(NotAllowed("resolves to an address that is not public"))).deliver() == (
        "dead",
        "url_not_allowed",
    )


def test_attempts_follow_the_schedule_and_end() -> None:
    world = WebhookWorld(client=StubClient(500))
    verdicts = [world.deliver(attempt=attempt)[0] for attempt in range(1, len(DELAYS) + 2)]
    assert verdicts == ["retry"] * len(DELAYS) + ["dead"]
    for delay, planned in zip(world.retries.postponed, DELAYS, strict=True):
        assert planned <= delay <= planned * (1 + JITTER)
    assert world.retries.dead_lettered == ["status_500"]


def test_a_message_says_how_many_attempts_there_were() -> None:
    """Each attempt is another message, whose receive count begins at 1. A crash counts as an attempt, too."""
    world = WebhookWorld(client=StubClient(500))
    world.deliver(failed=1, attempt=1)
    world.deliver(failed=1, attempt=2)
    world.deliver(attempt=3)
    assert [message.failed for message in world.retries.again] == [2, 3, 3]
    assert world.deliver(failed=len(DELAYS)) == ("dead", "status_500")
    for delay, planned in zip(world.retries.postponed, (DELAYS[1], DELAYS[2], DELAYS[2]), strict=True):
        assert planned <= delay <= planned * (1 + JITTER)


def test_a_dead_letter_that_is_sent_again_gets_all_its_attempts() -> None:
    world = WebhookWorld(client=StubClient(410))
    world.deliver(failed=4, busy=2)
    assert {"failed", "busy"} & json.loads(world.retries.dead_bodies[0]).keys() == set()


class TakenSlots:
    """A SlotStore in which every slot is taken."""

    asked = 0

    def take(self, tenant: str, slots: int, seconds: float) -> None:
        self.asked += 1

    def release(self, tenant: str, token: str) -> None: ...


def test_a_webhook_whose_tenant_has_no_slot_waits_ever_longer_and_not_for_ever() -> None:
    world = WebhookWorld(slots=TakenSlots())
    body = json.dumps(MESSAGE | {"failed": 3})
    for _ in BUSY_DELAYS:
        assert world.deliver(body) == ("busy", "receiver_busy")
        body = world.retries.again[-1].body()
    assert {message.failed for message in world.retries.again} == {3}, "no attempt was made"
    assert world.client.posts == []
    for delay, planned in zip(world.retries.postponed, BUSY_DELAYS, strict=True):
        assert planned <= delay <= planned * (1 + JITTER)
    assert 47 * 3600 < sum(BUSY_DELAYS) < 49 * 3600
    assert world.deliver(body) == ("dead", "receiver_busy")


def test_an_attempt_ends_the_count_of_waits() -> None:
    world = WebhookWorld(client=StubClient(500))
    world.deliver(failed=1, busy=7)
    (again,) = world.retries.again
    assert (again.failed, again.busy) == (2, None)


def test_a_process_that_was_refused_asks_again_only_after_a_while() -> None:
    """The row takes 1,000 writes per second, of all processes."""
    store, clock = TakenSlots(), MovableClock(0)
    slots = Slots(store, clock)
    for _ in range(200):
        with slots.held("alice") as free:
            assert not free
        clock.pass_s(0.01)
    assert store.asked == 4
    clock.pass_s(-3600)
    with slots.held("alice"):
        assert store.asked == 5


def test_a_message_past_its_schedule_after_a_crash_gets_a_last_attempt() -> None:
    world = WebhookWorld()
    assert world.deliver(attempt=len(DELAYS) + 5) == ("delivered", "delivered")
    assert world.retries.dead_lettered == []


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
def test_an_unreadable_message_is_dead_lettered_with_its_reason(body: str, reason: str) -> None:
    world = WebhookWorld()
    assert world.deliver(body) == ("dead", reason)
    assert world.retries.dead_lettered == [reason]
    assert world.client.posts == []


def test_unknown_fields_of_a_message_are_ignored() -> None:
    assert WebhookWorld().deliver(colour="red") == ("delivered", "delivered")


def test_a_missing_job_is_dead_lettered_and_an_unfinished_one_is_retried() -> None:
    assert WebhookWorld(jobs=Jobs(None)).deliver() == ("dead", "job_gone")
    assert WebhookWorld(jobs=Jobs(final_job(JOB_ID, "running"))).deliver() == ("retry", "job_not_final")
    assert WebhookWorld().deliver(tenant="fedcba9876543210") == ("dead", "job_gone")


def test_an_unavailable_store_leaves_the_message_in_the_queue() -> None:
    world = WebhookWorld(jobs=Jobs(failing=StorageUnavailable("The store does not answer.")))
    with pytest.raises(StorageUnavailable):
        world.deliver()
    assert (world.retries.postponed, world.retries.dead_lettered) == ([], [])


def test_a_message_contains_its_job_but_neither_prompt_nor_url_of_an_image() -> None:
    job = replace(FINISHED, request=GenerateRequest(prompt="canary", negative_prompt="canary"))
    body = WebhookMessage.of(job).body()
    assert "canary" not in body
    assert "https" not in body.replace(HOOK_URL, "")
    assert set(json.loads(body)) == {*MESSAGE, "final_job"}


@pytest.mark.parametrize("job", [None, final_job(JOB_ID, "running")])
def test_a_webhook_is_delivered_whatever_became_of_its_row(job: Job | None) -> None:
    """The caller may have deleted the job, or it has expired."""
    world = WebhookWorld(jobs=Jobs(job))
    assert world.deliver(WebhookMessage.of(FINISHED).body()) == ("delivered", "delivered")
    ((url, headers, body),) = world.client.posts
    assert (url, headers["webhook-id"]) == (HOOK_URL, f"msg_{JOB_ID}")
    assert json.loads(body)["data"]["status"] == "failed"


@pytest.mark.parametrize("in_message", [True, False])
def test_an_attempt_says_which_request_its_job_is_of(in_message: bool) -> None:
    """A message of version 0.1.0 does not contain its job."""
    job = replace(final_job(JOB_ID), origin=Origin("r", "t"))
    world = WebhookWorld(jobs=Jobs(None if in_message else job))
    assert world.deliver(WebhookMessage.of(job).body() if in_message else None)[0] == "delivered"
    assert world.about[-1] == (JOB_ID, Origin("r", "t"))


def test_a_webhook_that_waits_for_a_slot_says_which_request_its_job_is_of() -> None:
    job = replace(final_job(JOB_ID), origin=Origin("r", "t"))
    world = WebhookWorld(slots=TakenSlots())
    assert world.deliver(WebhookMessage.of(job).body())[0] == "busy"
    assert world.about == [(JOB_ID, Origin("r", "t"))]
    assert world.deliver(world.retries.again[-1].body())[0] == "busy"
    assert world.about[-1] == (JOB_ID, Origin("r", "t"))


def test_an_attempt_names_its_job_before_the_row_is_read() -> None:
    world = WebhookWorld(jobs=Jobs(failing=StorageUnavailable()))
    with pytest.raises(StorageUnavailable):
        world.deliver()
    assert world.about == [(JOB_ID, UNKNOWN)]


def test_a_result_that_a_newer_version_stored_is_delivered_once_it_can_be_read() -> None:
    readable = replace(final_job(JOB_ID), result=RESULT)
    unreadable = replace(readable, result=None)
    message = WebhookMessage.of(unreadable).body()
    assert "final_job" not in json.loads(message)
    world = WebhookWorld(jobs=Jobs(unreadable), render=rendered)
    assert world.deliver(message) == ("retry", "job_unreadable")
    assert world.client.posts == []
    world.jobs.job = readable
    assert world.deliver(message) == ("delivered", "delivered")


def test_a_result_whose_urls_cannot_be_signed_waits_and_is_not_sent_without_them() -> None:
    images = MemoryStore(failing=DeliveryUnavailable())
    renderer = replace(RENDERER, images=images)
    job = replace(final_job(JOB_ID), result=RESULT)
    world = WebhookWorld(jobs=Jobs(job), render=lambda each: renderer.render_delivered(each).model_dump(mode="json"))
    assert world.deliver() == ("retry", "delivery_unavailable")
    assert world.deliver(attempt=len(DELAYS) + 1) == ("dead", "delivery_unavailable")
    assert world.client.posts == []
    images.failing = None
    assert world.deliver() == ("delivered", "delivered")
    ((_, _, body),) = world.client.posts
    assert json.loads(body)["data"]["result"]["image_url"]


def test_a_job_in_a_message_is_rendered_as_the_row_is() -> None:
    message = WebhookMessage.parse(WebhookMessage.of(FINISHED).body())
    job = message.job()
    assert job is not None
    assert RENDERER.render(job) == RENDERER.render(FINISHED)


def test_a_message_with_fields_of_a_newer_version_is_read() -> None:
    message = json.loads(WebhookMessage.of(FINISHED).body())
    message["final_job"]["new"] = message["new"] = 1
    assert WebhookWorld(jobs=Jobs(None)).deliver(json.dumps(message)) == ("delivered", "delivered")
