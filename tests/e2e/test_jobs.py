"""Jobs end to end: gateway, table, queue, worker and webhook; on a local stack also dead letters.

Waits are limited by a number of polls, not by wall-clock time: a suspended process must not fail on resume.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urljoin

import pytest
from standardwebhooks import Webhook

from tests.e2e.conftest import Aws, small_request
from tests.support.openapi_contract import contract
from tools.local.client import ApiError, Client
from tools.local.endpoint import Endpoint
from tools.local.webhook_receiver import HOST, Authority, Receiver, receiver, status

T = TypeVar("T")
Json = dict[str, Any]
RECEIVER_PORT = 8443
MAX_POLLS, POLL_SECONDS = 900, 0.1


def until(poll: Callable[[], T | None]) -> T:
    """Call `poll` until it returns a truthy value, and return that."""
    for _ in range(MAX_POLLS):
        found = poll()
        if found:
            return found
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"no result after {MAX_POLLS} polls")


def long_request(**changes: Any) -> Json:
    """Return a request that takes seconds and 400 steps, so that tests can see progress and cancel it."""
    return small_request(num_inference_steps=50, num_images_per_prompt=8, **changes)


def submit(client: Client, body: Json, **headers: str) -> Json:
    """Submit a job, check the response's headers, and return the job."""
    response = client.call("POST", "/jobs", body, **headers)
    job: Json = response.json()
    assert urljoin(response.url, response.headers["location"]) == f"{client.base_url}/jobs/{job['id']}"
    assert int(response.headers["retry-after"]) > 0
    return job


def final_job(client: Client, job_id: str) -> Json:
    """Poll until the job's status is final, and return the job."""

    def poll() -> Json | None:
        job = client.job(job_id)
        return job if job["status"] not in ("queued", "running") else None

    return until(poll)


def api_error(call: Callable[[], object]) -> tuple[int, str]:
    """Return the status and code of the ApiError that `call` raises."""
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.status, caught.value.problem["code"]


@pytest.fixture
def hook(stack: Endpoint, authority: Authority) -> Iterator[Receiver]:
    if not stack.webhook_secret:
        pytest.skip("a deployed stack cannot reach a receiver on this machine")
    with receiver(status(204), authority=authority, port=RECEIVER_PORT) as running:
        yield running


def test_a_job_from_submission_through_progress_to_its_images(client: Client) -> None:
    body = long_request(metadata={"order": "A-17"})
    job = submit(client, body)
    assert job["status"] in ("queued", "running")  # a worker may claim it before the response
    seen: list[Json] = []

    def poll() -> Json | None:
        found = client.job(job["id"])
        seen.append(found)
        return found if found["status"] == "succeeded" else None

    done = until(poll)

    ranks = {"queued": 0, "running": 1, "succeeded": 2}
    assert [ranks[each["status"]] for each in seen] == sorted(ranks[each["status"]] for each in seen)
    progress = [each["progress"] for each in seen if each["progress"]]
    assert any(0 < each["step"] < 400 for each in progress)
    assert all(each["step"] <= each["of"] == 400 for each in progress)
    assert [each["percent"] for each in progress] == sorted(each["percent"] for each in progress)
    assert any(each["eta_ms"] for each in progress)
    assert done["metadata"] == body["metadata"]
    assert [image["seed"] for image in done["result"]["images"]] == [(body["seed"] + i) % 2**32 for i in range(8)]
    for image in done["result"]["images"]:
        client.download(image)
    assert job["id"] in [each["id"] for each in client.call("GET", "/jobs?limit=100").json()["jobs"]]


def test_a_running_job_is_cancelled_and_then_deleted(client: Client) -> None:
    job = submit(client, long_request())
    until(lambda: client.job(job["id"])["status"] == "running")

    assert api_error(lambda: client.call("DELETE", f"/jobs/{job['id']}")) == (409, "job_not_final")
    cancelled = [client.call("POST", f"/jobs/{job['id']}/cancel").json() for _ in range(2)]

    assert [each["status"] for each in cancelled] == ["cancelled", "cancelled"]
    assert client.job(job["id"])["status"] == "cancelled"
    assert client.call("DELETE", f"/jobs/{job['id']}").status_code == 204
    assert api_error(lambda: client.job(job["id"])) == (404, "job_not_found")


def test_a_queued_job_is_cancelled_at_once_and_never_runs(client: Client) -> None:
    before, waiting = submit(client, long_request()), submit(client, small_request())

    cancelled = client.call("POST", f"/jobs/{waiting['id']}/cancel").json()

    assert (cancelled["status"], cancelled["attempt"]) == ("cancelled", 0)
    client.call("POST", f"/jobs/{before['id']}/cancel")
    after = submit(client, small_request())
    # The queue's worker takes one message at a time, so it has already received the cancelled job's.
    assert final_job(client, after["id"])["status"] == "succeeded"
    assert client.job(waiting["id"]) == cancelled


def test_the_same_idempotency_key_returns_the_same_job(client: Client) -> None:
    body, key = small_request(), secrets.token_hex(8)
    first, again = (client.call("POST", "/jobs", body, **{"Idempotency-Key": key}) for _ in range(2))

    assert first.json()["id"] == again.json()["id"]
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    other = body | {"num_inference_steps": 3}
    error = api_error(lambda: client.call("POST", "/jobs", other, **{"Idempotency-Key": key}))
    assert error == (422, "idempotency_key_reuse")
    done = final_job(client, first.json()["id"])
    assert done["status"] == "succeeded"
    late = client.call("POST", "/jobs", body, **{"Idempotency-Key": key})
    assert (late.status_code, late.json()["result"]["images"][0]["sha256"]) == (
        202,
        done["result"]["images"][0]["sha256"],
    )


def test_generate_with_respond_async_returns_a_job(client: Client) -> None:
    response = client.call("POST", "/generate", small_request(), Prefer="respond-async")

    assert (response.status_code, response.headers["preference-applied"]) == (202, "respond-async")
    assert final_job(client, response.json()["id"])["result"]["image_url"]


def test_a_submission_with_prefer_wait_returns_the_result(client: Client) -> None:
    def poll() -> Json | None:
        response = client.call("POST", "/jobs", small_request(), Prefer="wait=20")
        return response.json() if response.status_code == 200 else None

    assert until(poll)["status"] == "succeeded"


def test_the_webhook_of_a_succeeded_job_verifies(client: Client, stack: Endpoint, hook: Receiver) -> None:
    body = small_request(webhook={"url": f"https://{HOST}:{RECEIVER_PORT}/hook"}, metadata={"order": "A-18"})
    job = submit(client, body)

    arrived = until(lambda: hook.requests[:1])[0]

    payload = Webhook(stack.webhook_secret).verify(arrived.body, arrived.headers)
    contract().check_webhook(arrived.headers, payload)
    assert arrived.headers["webhook-id"] == f"msg_{job['id']}"
    assert payload["type"] == "job.succeeded"
    assert (payload["data"]["id"], payload["data"]["metadata"]) == (job["id"], body["metadata"])
    image = payload["data"]["result"]["images"][0]
    assert hashlib.sha256(client.download(image)).hexdigest() == image["sha256"]


def test_the_webhook_of_a_cancelled_job_verifies(client: Client, stack: Endpoint, hook: Receiver) -> None:
    wanted = {"url": f"https://{HOST}:{RECEIVER_PORT}/hook", "events": ["job.cancelled"]}
    job = submit(client, long_request(webhook=wanted))
    client.call("POST", f"/jobs/{job['id']}/cancel")

    arrived = until(lambda: hook.requests[:1])[0]

    payload = Webhook(stack.webhook_secret).verify(arrived.body, arrived.headers)
    contract().check_webhook(arrived.headers, payload)
    assert (payload["type"], payload["data"]["status"]) == ("job.cancelled", "cancelled")


@pytest.mark.parametrize("url", ["http://example.com", "https://127.0.0.1/", "https://localhost:8443/", "ftp://x"])
def test_a_disallowed_webhook_url_is_422_on_submission(client: Client, url: str) -> None:
    assert api_error(lambda: client.call("POST", "/jobs", small_request(webhook={"url": url}))) == (
        422,
        "url_not_allowed",
    )


@pytest.mark.parametrize("job_id", ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "1", "x" * 200, "%F0%9F%94%B4"])
def test_an_unknown_job_is_404_for_every_method(client: Client, job_id: str) -> None:
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/cancel")]:
        with pytest.raises(ApiError) as caught:
            client.call(method, f"/jobs/{job_id}{path}")
        assert (caught.value.status, caught.value.problem["code"]) == (404, "job_not_found")


def test_an_unreadable_message_is_dead_lettered_and_not_logged(aws: Aws) -> None:
    aws.send("JobsQueue", '{"version": 99, "canary": "canary-4711"}')

    until(lambda: "unknown_version" in aws.log() and aws.message_count("JobsQueue", "JobsDeadLetters") == 0)

    assert "canary-4711" not in aws.log()


def test_a_job_with_a_dead_lettered_message_fails_and_sends_its_webhook(
    client: Client, aws: Aws, hook: Receiver
) -> None:
    """A dead letter for a queued job is what a crashing worker leaves. Another job keeps the worker busy meanwhile."""
    before = submit(client, long_request())
    job = submit(client, small_request(webhook={"url": f"https://{HOST}:{RECEIVER_PORT}/hook"}))
    tenant = hashlib.sha256(aws.endpoint.api_key.encode()).hexdigest()[:16]
    aws.send("JobsDeadLetters", json.dumps({"version": 1, "tenant": tenant, "job_id": job["id"]}))

    done = final_job(client, job["id"])

    assert (done["status"], done["error"]["code"]) == ("failed", "internal_error")
    assert json.loads(until(lambda: hook.requests[:1])[0].body)["type"] == "job.failed"
    client.call("POST", f"/jobs/{before['id']}/cancel")


def test_the_log_follows_a_job_from_its_request_to_its_webhook(client: Client, aws: Aws, hook: Receiver) -> None:
    """Each line about it has the ids of its request, in three functions; another job's lines have others."""
    expected = {}
    for number in range(2):
        trace = f"1-6a1b2c3d-{number:024x}"
        request = small_request(webhook={"url": f"https://{HOST}:{RECEIVER_PORT}/hook"})
        response = client.call("POST", "/jobs", request, **{"X-Amzn-Trace-Id": f"Root={trace};Sampled=1"})
        expected[response.json()["id"]] = (response.headers["x-request-id"], trace)

    for job_id, ids in expected.items():
        final_job(client, job_id)
        until(lambda job_id=job_id: "webhook delivered" in {line["message"] for line in aws.lines(job_id)})  # type: ignore[misc]
        lines = aws.lines(job_id)
        assert {"submitted", "ran", "webhook delivered"} <= {line["message"] for line in lines}
        assert {(line["request_id"], line["trace_id"]) for line in lines} == {ids}


def test_the_sweeper_runs_with_its_schedules_event(aws: Aws) -> None:
    assert set(aws.invoke("Sweeper")) == {"swept", "given_up", "webhooks", "released"}
