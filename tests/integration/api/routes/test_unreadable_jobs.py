"""Jobs of a newer version, after a deployment was rolled back: one row must not hide the others."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from imagegen.errors import ModelUnavailable
from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, JobHandlers, body

NEWER = "A newer version of the service stored this job"


def store(handlers: JobHandlers, job_id: str, attribute: str, value: Any) -> None:
    (tenant,) = {item["tenant"] for item in handlers.world.items("JOB#")}
    boto3.resource("dynamodb").Table(handlers.world.resources["Table"]).update_item(
        Key={"pk": f"JOB#{tenant}#{job_id}", "sk": "JOB"},
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": attribute},
        ExpressionAttributeValues={":value": value},
    )


@pytest.mark.parametrize(
    ("attribute", "value", "status"),
    [
        ("result", '{"pictures": []}', "succeeded"), ("result", "not JSON", "succeeded"),
        ("state", "archived", "running"), ("created_at", "yesterday", "succeeded"), ("webhook", "[]", "succeeded"),
        ("attempt", "one", "succeeded"),
    ],
)  # fmt: skip
def test_an_unreadable_job_is_listed_with_an_error_among_the_others(
    handlers: JobHandlers, attribute: str, value: str, status: str
) -> None:
    jobs = [body(handlers.submit(PROMPT | {"seed": seed})) for seed in range(3)]
    handlers.run_queued_jobs()
    store(handlers, jobs[1]["id"], attribute, value)
    answer = handlers.call("GET", "/jobs")
    assert answer["statusCode"] == 200
    newest, unreadable, oldest = body(answer)["jobs"]
    assert [newest["id"], unreadable["id"], oldest["id"]] == [job["id"] for job in reversed(jobs)]
    assert newest["result"]["images"]
    assert oldest["result"]["images"]
    assert (unreadable["status"], unreadable["result"]) == (status, None)
    assert (unreadable["error"]["code"], unreadable["error"]["status"]) == ("internal_error", 500)
    assert unreadable["error"]["detail"].startswith(NEWER)
    assert unreadable["expires_at"] == newest["expires_at"]

    one = handlers.call("GET", f"/jobs/{jobs[1]['id']}")
    assert outcome(one) == (500, "internal_error")
    assert body(one)["detail"].startswith(NEWER)


def test_an_unreadable_error_is_listed_as_one(handlers: JobHandlers) -> None:
    handlers.world.engines.failing = ModelUnavailable("gone")
    job = body(handlers.submit())
    handlers.run_queued_jobs()
    store(handlers, job["id"], "error", '{"reason": 1}')
    (listed,) = body(handlers.call("GET", "/jobs"))["jobs"]
    assert (listed["status"], listed["error"]["code"]) == ("failed", "internal_error")
    assert listed["error"]["detail"].startswith(NEWER)


@pytest.mark.parametrize(
    ("attribute", "value", "shown"),
    [("phase", "upscale", "queue"), ("progress", '{"parts": 2}', "queue"), ("metadata", '{"a": 1, "b": "2"}', "queue")],
)
def test_what_only_informs_the_caller_does_not_make_a_job_unreadable(
    handlers: JobHandlers, attribute: str, value: str, shown: str
) -> None:
    job = body(handlers.submit())
    store(handlers, job["id"], attribute, value)
    one = body(handlers.call("GET", f"/jobs/{job['id']}"))
    assert (one["status"], one["error"], one["progress"]["phase"]) == ("queued", None, shown)
    assert one["metadata"] == ({"b": "2"} if attribute == "metadata" else {})
    handlers.run_queued_jobs()
    assert body(handlers.call("GET", f"/jobs/{job['id']}"))["status"] == "succeeded"
