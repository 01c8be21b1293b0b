"""POST /generate where it creates a job: idempotency keys, `Prefer: respond-async`, webhooks, and timeouts."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from imagegen.api import picture
from imagegen.deadline import Deadline
from imagegen.entrypoints import generator
from imagegen.errors import ModelUnavailable, StorageUnavailable
from imagegen.generation import speed_estimate
from imagegen.generation.speed_estimate import SpeedEstimate
from imagegen.jobs.message import VERSION, JobMessage
from tests.support.expectations import outcome
from tests.support.job_handlers import HOOK, PROMPT, JobHandlers, body, header, queued_webhooks
from tests.support.workloads import SD15
from tools.lambda_event import Context, api_event

PICTURE = {"Accept": "image/png"}


def test_an_idempotency_key_makes_generate_repeatable(handlers: JobHandlers) -> None:
    first, again = (handlers.call("POST", "/generate", PROMPT, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first["statusCode"], again["statusCode"]) == (200, 200)
    assert body(first)["id"] == body(again)["id"]
    assert header(again, "Idempotency-Replayed") == "true"
    assert handlers.world.engine.generations == 1


@pytest.mark.parametrize(
    ("seconds", "waited", "headers"),
    [(0, 0, {}), (0.5, 0, {}), (900, 20, {}), (900, 0, {"Prefer": "respond-async"})],
)
def test_generate_accepts_a_job_if_time_is_short_or_the_caller_prefers_it(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch, seconds: float, waited: float, headers: dict[str, str]
) -> None:
    # Nine seconds are left after a wait of 20, so that a slow machine does not reach the end of the grace period.
    monkeypatch.setattr(speed_estimate, "FINISHING_SECONDS", 10.0)
    event = api_event(PROMPT, headers=headers)
    event["requestContext"]["requestTimeEpoch"] -= int(waited * 1000)
    answer = generator.handler(event, Context(seconds))
    assert (answer["statusCode"], body(answer)["status"]) == (202, "queued")
    assert handlers.world.engine.generations == 0
    handlers.run_queued_jobs()
    assert {each["status"] for each in body(handlers.call("GET", "/jobs"))["jobs"]} == {"succeeded"}


@pytest.mark.parametrize("changes", [{}, {"key": "k"}, {"hook": True}])
def test_a_cold_generator_hands_work_that_should_not_fit_over_before_it_starts(
    handlers: JobHandlers, printed: Callable[[], str], changes: dict[str, str]
) -> None:
    """202 at once, and neither a run nor a requeue of the job is used up."""
    handlers.world.container.images._estimate = SpeedEstimate(lambda _model, _backend: SD15)
    request = PROMPT | {"num_inference_steps": 100} | (HOOK if "hook" in changes else {})
    headers = {"Idempotency-Key": changes["key"]} if "key" in changes else {}
    first, *again = (handlers.call("POST", "/generate", request, headers=headers) for _ in range(1 + len(headers)))
    assert (first["statusCode"], body(first)["status"], body(first)["attempt"]) == (202, "queued", 0)
    assert [body(each)["id"] for each in again] == [body(first)["id"]] * len(again)
    assert handlers.world.engine.steps == 0
    assert printed().count('"HandOvers":[1.0]') == 1
    (row,) = handlers.world.items("JOB#")
    assert (row["attempt"], row["hand_ons"], row["sent"]) == (0, 0, True)
    handlers.run_queued_jobs()  # a worker tries: it has nobody to hand over to
    assert body(handlers.call("GET", f"/jobs/{body(first)['id']}"))["status"] == "succeeded"


def test_a_stored_image_is_returned_however_long_it_would_take(handlers: JobHandlers) -> None:
    handlers.call("POST", "/generate", PROMPT | {"seed": 7})
    handlers.world.container.images._estimate = SpeedEstimate(lambda _model, _backend: SD15)
    for headers in ({}, {"Idempotency-Key": "k"}):
        assert handlers.call("POST", "/generate", PROMPT | {"seed": 7}, headers=headers)["statusCode"] == 200
    assert handlers.world.engine.generations == 1


def test_generate_creates_no_job_after_the_gateway_has_timed_out(handlers: JobHandlers) -> None:
    event = api_event(PROMPT)
    event["requestContext"]["requestTimeEpoch"] -= 40_000
    assert generator.handler(event, Context(900))["statusCode"] == 504
    assert body(handlers.call("GET", "/jobs"))["jobs"] == []


def test_a_keyed_request_that_the_service_failed_can_be_repeated_once_it_is_repaired(handlers: JobHandlers) -> None:
    key = {"Idempotency-Key": "k"}
    handlers.world.engines.failing = ModelUnavailable("The model cannot be loaded.")
    for _ in range(2):
        failed = handlers.call("POST", "/generate", PROMPT, headers=key)
        assert outcome(failed) == (503, "model_unavailable")
        assert header(failed, "Idempotency-Replayed") is None
    handlers.world.engines.failing = None
    repaired, again = (handlers.call("POST", "/generate", PROMPT, headers=key) for _ in range(2))
    assert (repaired["statusCode"], header(repaired, "Idempotency-Replayed")) == (200, None)
    assert (again["statusCode"], header(again, "Idempotency-Replayed")) == (200, "true")
    assert body(repaired)["id"] == body(again)["id"]
    states = [each["status"] for each in body(handlers.call("GET", "/jobs"))["jobs"]]
    assert sorted(states) == ["failed", "failed", "succeeded"]
    assert len(handlers.world.items("BILL#")) == 1


def test_a_keyed_request_whose_job_crashed_until_the_limit_can_be_repeated(handlers: JobHandlers) -> None:
    def crash(step: int) -> None:
        raise ValueError("canary")

    key = {"Idempotency-Key": "k"}
    handlers.world.engine.during = crash
    first = handlers.call("POST", "/generate", PROMPT, headers=key)
    assert (first["statusCode"], body(first)["status"]) == (202, "queued")
    tenant = handlers.world.items("JOB#")[0]["tenant"]
    for _ in range(5):
        handlers.work(JobMessage(version=VERSION, tenant=tenant, job_id=body(first)["id"]).body())
    assert body(handlers.call("GET", f"/jobs/{body(first)['id']}"))["status"] == "failed"
    handlers.world.engine.during = lambda step: None
    assert handlers.call("POST", "/generate", PROMPT, headers=key)["statusCode"] == 200


def test_a_keyed_request_that_is_too_large_returns_the_same_error_when_repeated(handlers: JobHandlers) -> None:
    key, left = {"Idempotency-Key": "k", "Prefer": "respond-async"}, 10.0
    large = PROMPT | {"num_inference_steps": 100}

    def use_up_the_time(step: int) -> None:
        nonlocal left
        left = 0.0

    handlers.world.engine.during = use_up_the_time
    handlers.call("POST", "/generate", large, headers=key)
    (item,) = handlers.world.items("JOB#")
    job, deadline = handlers.world.jobs.get(item["tenant"], item["job_id"]), Deadline(lambda: left)
    while not job.final:
        left = 10.0
        job = handlers.world.run(job, deadline)
    again = handlers.call("POST", "/generate", large, headers={"Idempotency-Key": "k"})
    assert (outcome(again), header(again, "Idempotency-Replayed")) == ((504, "generation_timeout"), "true")


@pytest.mark.parametrize("change", [{"prompt": "a red circle "}, {"width": 128, "cache": "use", "metadata": {}}])
@pytest.mark.parametrize("route", ["/generate", "/jobs"])
def test_an_equal_request_with_the_same_key_is_repeated(
    handlers: JobHandlers, route: str, change: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": "k"}
    first = handlers.call("POST", route, PROMPT, headers=key)
    again = handlers.call("POST", route, PROMPT | change, headers=key)
    assert (again["statusCode"], body(again)["id"]) == (first["statusCode"], body(first)["id"])
    assert header(again, "Idempotency-Replayed") == "true"


@pytest.mark.parametrize(
    ("change", "expected"), [({"seed": -1}, (422, "out_of_range")), ({"model": "none"}, (404, "model_not_found"))]
)
def test_an_invalid_request_with_a_known_key_gets_its_own_error(
    handlers: JobHandlers, change: dict[str, Any], expected: tuple[int, str]
) -> None:
    key = {"Idempotency-Key": "k"}
    assert handlers.call("POST", "/generate", PROMPT, headers=key)["statusCode"] == 200
    assert outcome(handlers.call("POST", "/generate", PROMPT | change, headers=key)) == expected
    again = handlers.call("POST", "/generate", PROMPT, headers=key)
    assert (again["statusCode"], header(again, "Idempotency-Replayed")) == (200, "true")


def test_a_cancelled_keyed_generate_returns_the_same_error_when_repeated(handlers: JobHandlers) -> None:
    key = {"Idempotency-Key": "k"}
    first = generate_and_cancel(handlers, key)
    again = handlers.call("POST", "/generate", PROMPT, headers=key)
    assert outcome(first) == outcome(again) == (409, "job_already_final")
    assert "cancelled" in body(first)["detail"]
    assert (header(again, "Idempotency-Replayed"), header(again, "Retry-After")) == ("true", None)


def generate_and_cancel(handlers: JobHandlers, headers: dict[str, str]) -> dict[str, Any]:
    """Send PROMPT, and cancel its job during the first step."""

    def cancel(step: int) -> None:
        (job,) = handlers.world.items("JOB#")
        handlers.world.jobs.cancel(job["tenant"], job["job_id"])

    handlers.world.engine.during = cancel
    return handlers.call("POST", "/generate", PROMPT, headers=headers)


@pytest.mark.parametrize("end", ["succeeded", "cancelled"])
@pytest.mark.parametrize("first_prefers", ["", "respond-async"])
def test_respond_async_always_yields_202_with_the_job(handlers: JobHandlers, first_prefers: str, end: str) -> None:
    """Also for the repetition of a request whose job is final, and of one that was answered directly."""
    key = {"Idempotency-Key": "k"}
    if end == "cancelled":
        generate_and_cancel(handlers, key | {"Prefer": first_prefers})
    else:
        handlers.call("POST", "/generate", PROMPT, headers=key | {"Prefer": first_prefers})
    if first_prefers:
        handlers.run_queued_jobs()
    again = handlers.call("POST", "/generate", PROMPT, headers=key | {"Prefer": "respond-async"})
    assert (again["statusCode"], body(again)["status"]) == (202, end)
    assert header(again, "Location") == f"/v1/jobs/{body(again)['id']}"
    assert (header(again, "Preference-Applied"), header(again, "Idempotency-Replayed")) == ("respond-async", "true")


def test_respond_async_yields_202_even_if_a_worker_has_already_finished(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker may be done before the message is recorded as sent, for example with a cached image."""
    queue = handlers.world.container.job_queue
    put = queue.put

    def put_and_run(*arguments: Any) -> None:
        put(*arguments)
        handlers.run_queued_jobs()

    monkeypatch.setattr(queue, "put", put_and_run)
    answer = handlers.call("POST", "/generate", PROMPT, headers={"Prefer": "respond-async"})
    assert (answer["statusCode"], body(answer)["status"]) == (202, "succeeded")
    assert header(answer, "Preference-Applied") == "respond-async"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("respond-async", True), ("Respond-Async", True), ('respond-async=""', True), ("respond-async; a=b", True),
        ("handling=lenient, respond-async", True), ('a="b, c" , respond-async,wait=1', True), ("=,respond-async", True),
        ("respond-asynchronously", False), ('a="b, respond-async, c"', False), ("a; respond-async", False),
        ("respond-async=no", False), ('a="\\", respond-async"', False), ("handling=lenient", False), (",;=", False),
    ],
)  # fmt: skip
def test_only_the_preference_respond_async_yields_202(handlers: JobHandlers, prefer: str, applied: bool) -> None:
    answer = handlers.call("POST", "/generate", PROMPT, headers={"Prefer": prefer})
    assert answer["statusCode"] == (202 if applied else 200)
    assert header(answer, "Preference-Applied") == ("respond-async" if applied else None)


def test_generate_with_a_webhook_runs_a_job_immediately(handlers: JobHandlers) -> None:
    answer = handlers.call("POST", "/generate", PROMPT | HOOK)
    assert (answer["statusCode"], body(answer)["status"]) == (200, "succeeded")
    assert queued_webhooks(handlers) == [(HOOK["webhook"]["url"], "job.succeeded", "succeeded")]
    assert body(handlers.call("GET", f"/jobs/{body(answer)['id']}"))["status"] == "succeeded"


def test_a_direct_invocation_rejects_a_webhook(handlers: JobHandlers) -> None:
    assert outcome(generator.handler(PROMPT | HOOK, Context())) == (422, "unknown_field")


def picture_of(answer: dict[str, Any]) -> Image.Image:
    """Return the picture that the gateway would send."""
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    return Image.open(io.BytesIO(base64.b64decode(answer["body"])))


def test_accept_answers_the_picture_with_what_json_would_say_in_headers(handlers: JobHandlers) -> None:
    answer = handlers.call("POST", "/generate", PROMPT | {"seed": 7}, headers={"Accept": "image/webp, */*;q=0.1"})
    picture = picture_of(answer)
    assert (picture.format, picture.size) == ("WEBP", (128, 128))
    assert header(answer, "Content-Type") == "image/webp"
    assert header(answer, "Content-Disposition") == 'inline; filename="demo-7.webp"'
    names = ("Image-Seed", "Image-Cached", "Image-Warnings", "cache-control")
    assert [header(answer, name) for name in names] == ["7", "false", None, "no-store"]
    (bill,) = handlers.world.items("BILL#")
    assert bill["pk"].endswith(f"#{header(answer, 'Image-Id')}")
    assert float(header(answer, "Image-Cost-Usd") or "") == pytest.approx(float(bill["usd"]), abs=1e-8)


def test_the_picture_is_the_file_behind_the_url_of_the_same_request(handlers: JobHandlers) -> None:
    answer = handlers.call("POST", "/generate", PROMPT | {"seed": 7}, headers=PICTURE)
    again = handlers.call("POST", "/generate", PROMPT | {"seed": 7})
    (image,) = body(again)["images"]
    assert body(again)["cached"]
    assert hashlib.sha256(base64.b64decode(answer["body"])).hexdigest() == image["sha256"]
    assert "key" not in image


def test_a_picture_from_the_cache_costs_nothing_and_says_so(handlers: JobHandlers) -> None:
    request = PROMPT | {"seed": 7, "output_quality": 50}
    first, cached = (handlers.call("POST", "/generate", request, headers=PICTURE) for _ in range(2))
    assert (header(first, "Image-Cached"), header(cached, "Image-Cached")) == ("false", "true")
    assert first["body"] == cached["body"]
    assert header(cached, "Image-Warnings") == "output_quality_ignored"
    assert handlers.world.engine.generations == 1


def test_a_picture_is_repeatable_with_a_key(handlers: JobHandlers) -> None:
    headers = PICTURE | {"Idempotency-Key": "k"}
    first, again = (handlers.call("POST", "/generate", PROMPT, headers=headers) for _ in range(2))
    assert picture_of(first).size == (128, 128)
    assert (first["body"], header(first, "Image-Id")) == (again["body"], header(again, "Image-Id"))
    assert header(again, "Idempotency-Replayed") == "true"
    other = handlers.call("POST", "/generate", PROMPT, headers=headers | {"Accept": "image/webp"})
    assert outcome(other) == (422, "idempotency_key_reuse")
    assert handlers.world.engine.generations == 1


@pytest.mark.parametrize(
    ("seconds", "headers"), [(0, {}), (0, {"Idempotency-Key": "k"}), (900, {"Prefer": "respond-async"})]
)
def test_work_that_becomes_a_job_is_json_also_for_a_caller_of_a_picture(
    handlers: JobHandlers, seconds: float, headers: dict[str, str]
) -> None:
    answer = generator.handler(api_event(PROMPT, headers=PICTURE | headers), Context(seconds))
    assert (answer["statusCode"], body(answer)["status"]) == (202, "queued")
    handlers.run_queued_jobs()
    (image,) = body(handlers.call("GET", f"/jobs/{body(answer)['id']}"))["result"]["images"]
    assert image["content_type"] == "image/png"


def test_a_picture_that_may_not_fit_is_refused_before_it_is_drawn(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "MAX_BYTES", 100_000)
    refused = handlers.call("POST", "/generate", PROMPT, headers=PICTURE)
    assert outcome(refused) == (413, "response_too_large")
    assert "Accept application/json" in body(refused)["detail"]
    assert (handlers.world.engine.generations, handlers.world.items("BILL#")) == (0, [])
    assert handlers.call("POST", "/generate", PROMPT)["statusCode"] == 200


def test_a_picture_that_cannot_be_read_costs_nothing(handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_key: str) -> bytes:
        raise StorageUnavailable("S3 is unavailable.")

    monkeypatch.setattr(handlers.world.container.image_store, "read", fail)
    assert outcome(handlers.call("POST", "/generate", PROMPT, headers=PICTURE)) == (503, "storage_unavailable")
    assert handlers.world.engine.generations == 1
    assert [handlers.world.items(prefix) for prefix in ("BILL#", "RESERVATION#")] == [[], []]


def test_the_errors_of_a_picture_are_problem_documents(handlers: JobHandlers) -> None:
    refused = handlers.call("POST", "/generate", PROMPT | {"width": 9}, headers=PICTURE)
    assert (outcome(refused), header(refused, "Content-Type")) == ((422, "size_invalid"), "application/problem+json")
