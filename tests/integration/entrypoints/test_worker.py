"""The Worker function and its dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from imagegen import telemetry
from imagegen.entrypoints import worker
from imagegen.errors import StorageUnavailable
from imagegen.jobs.message import VERSION, JobMessage
from tests.support.job_faults import unavailable
from tests.support.job_handlers import PROMPT, UNKNOWN_JOB, JobHandlers, body
from tests.support.job_states import new
from tools.lambda_event import Context


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{", "malformed_message"),
        ("[" * 100_000, "malformed_message"),
        ("7", "malformed_message"),
        ('{"version": 2, "tenant": "a", "job_id": "b"}', "unknown_version"),
        ('{"version": true, "tenant": "a", "job_id": "b"}', "unknown_version"),
        ('{"version": 1, "tenant": "a"}', "malformed_message"),
        ('{"version": 1, "tenant": "a", "job_id": "b"}', "malformed_message"),
        (
            f'{{"version": 1, "tenant": "{"a" * 3000}", "job_id": "{UNKNOWN_JOB}"}}',
            "malformed_message",
        ),
    ],
)
def test_an_unreadable_message_is_dead_lettered_once_with_its_reason(
    handlers: JobHandlers, message: str, reason: str
) -> None:
    assert handlers.work(message) == []
    (dead,) = handlers.world.messages("JobsDeadLetters")
    assert dead["MessageAttributes"]["reason"]["StringValue"] == reason
    assert handlers.dead_letter(message) == []


def test_only_the_failed_record_returns_to_the_queue(handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = body(handlers.submit())["id"], body(handlers.submit())["id"]
    tenant = handlers.world.items("JOB#")[0]["tenant"]
    real = handlers.world.store.get

    def get(tenant: str, job_id: str) -> Any:
        if job_id == bad:
            raise StorageUnavailable("unavailable")
        return real(tenant, job_id)

    monkeypatch.setattr(handlers.world.store, "get", get)
    messages = [JobMessage(version=VERSION, tenant=tenant, job_id=job_id).body() for job_id in (bad, good, UNKNOWN_JOB)]
    assert handlers.work(*messages) == ["0"]


def broken(*_: object) -> None:
    raise ValueError("canary")


@pytest.mark.parametrize("failure", [unavailable, broken])
def test_a_job_that_could_not_start_is_retried_before_the_visibility_timeout(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch, failure: Callable[..., None]
) -> None:
    handlers.submit()
    url = handlers.world.resources["JobsQueue"]
    sqs = boto3.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    postponed = []
    real = handlers.world.queue.postpone

    def postpone(receipt: str, seconds: int) -> None:
        real(receipt, 0)
        postponed.append(seconds)

    monkeypatch.setattr(handlers.world.queue, "postpone", postpone)
    monkeypatch.setattr(handlers.world.store, "get", failure)
    record = {
        "messageId": "0",
        "body": message["Body"],
        "eventSource": "aws:sqs",
        "receiptHandle": message["ReceiptHandle"],
        "attributes": {"ApproximateReceiveCount": "3"},
    }
    answer = worker.handler({"Records": [record]}, Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert postponed == [180]
    assert len(handlers.world.messages()) == 1


def test_an_unexpected_exception_is_logged_counted_and_repeated_by_both_functions(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str]
) -> None:
    job = body(handlers.submit())["id"]
    tenant = handlers.world.items("JOB#")[0]["tenant"]
    message = JobMessage(version=VERSION, tenant=tenant, job_id=job).body()
    monkeypatch.setattr(handlers.world.store, "get", broken)
    assert (handlers.work(message), handlers.dead_letter(message)) == (["0"], ["0"])
    lines = [json.loads(line) for line in printed().splitlines()]
    assert [line["exception"] for line in lines if line.get("message") == "crashed"] == ["ValueError"] * 2
    assert [line["Errors"] for line in lines if "Errors" in line] == [[1.0]] * 2
    assert "canary" not in printed()


def test_a_job_that_a_newer_version_stored_is_logged_and_delivered_again(
    handlers: JobHandlers, printed: Callable[[], str]
) -> None:
    job = body(handlers.submit())
    (item,) = handlers.world.items("JOB#")
    boto3.resource("dynamodb").Table(handlers.world.resources["Table"]).update_item(
        Key={"pk": item["pk"], "sk": "JOB"},
        UpdateExpression="SET created_at = :newer",
        ExpressionAttributeValues={":newer": "canary"},
    )
    message = JobMessage(version=VERSION, tenant=item["tenant"], job_id=job["id"]).body()
    assert handlers.work(message) == ["0"]
    assert handlers.dead_letter(message) == ["0"]
    lines = [json.loads(line) for line in printed().splitlines() if '"failed"' in line]
    assert [(line["code"], line["cause"]) for line in lines] == [("internal_error", "unreadable: created_at")] * 2
    assert "canary" not in str(lines)


def test_the_log_counts_runs_as_the_api_does(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    ended = replace(new(), attempt=1, aws_failures=2, deadline_requeues=3)
    telemetry.ran(ended)
    (line,) = (json.loads(line) for line in printed().splitlines() if '"ran"' in line)
    assert line["attempt"] == ended.runs == 6


def test_the_line_of_a_run_that_loaded_the_model_says_why_how_long_and_for_how_much(
    handlers: JobHandlers, printed: Callable[[], str]
) -> None:
    jobs = [body(handlers.submit())["id"] for _ in range(2)]
    handlers.run_queued_jobs()
    cold, warm = (json.loads(line) for line in printed().splitlines() if '"message":"ran"' in line)
    assert (cold["cold_start_cause"], cold["cold_start_ms"]) == ("new_environment", 1000)
    assert cold["cold_start_usd"] > 0
    assert not [name for name in warm if name.startswith("cold_start_")]
    assert "new_environment" not in "".join(handlers.call("GET", f"/jobs/{job_id}")["body"] for job_id in jobs)


def test_prompts_and_keys_are_not_logged(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    def crash(step: int) -> None:
        raise ValueError("canary")

    canary = PROMPT | {"prompt": "canary", "metadata": {"canary": "canary"}}
    handlers.submit(canary, **{"Idempotency-Key": "canary"})
    handlers.run_queued_jobs()
    handlers.world.engine.during = crash
    job = body(handlers.submit(canary))
    handlers.run_queued_jobs()
    handlers.work('{"canary": "canary"}', "canary")
    handlers.call("GET", "/jobs", queryStringParameters={"cursor": "canary"})
    handlers.dead_letter("canary")
    text = printed()
    assert job["id"] in text
    assert "canary" not in text


def test_the_job_queue_outlasts_a_worker_and_has_dead_letters(resources: dict[str, str]) -> None:
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=resources["JobsQueue"], AttributeNames=["All"])
    assert int(attributes["Attributes"]["VisibilityTimeout"]) >= 900
    assert json.loads(attributes["Attributes"]["RedrivePolicy"])["maxReceiveCount"] == 10
