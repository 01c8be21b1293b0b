"""The jobs' handlers around table, queue and bucket made from the template."""

from __future__ import annotations

import io
import json
import logging
from typing import Any
from urllib.parse import unquote

import boto3
import pytest

from imagegen import telemetry
from imagegen.entrypoints import api, dead_letters, generator, job_routes, sweeper, worker
from imagegen.errors import ModelUnavailable, StorageUnavailable
from imagegen.job_message import JobMessage
from tests.support.expectations import outcome
from tests.support.job_world import JobWorld
from tools.lambda_event import Context, api_event

NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
PROMPT = {"prompt": "a red circle", "num_inference_steps": 4}


class Api:
    """The handlers with a world of ours behind them."""

    def __init__(self, world: JobWorld):
        self.world = world

    def call(self, method: str, path: str, body: object = b"", **changes: Any) -> dict[str, Any]:
        parts = path.split("/")
        route: dict[str, Any] = {"resource": "/".join("{job_id}" if i == 2 else part for i, part in enumerate(parts))}
        if len(parts) > 2:
            route |= {"pathParameters": {"job_id": unquote(parts[2])}}
        event = api_event(body, method=method, path=unquote(path), **changes) | route
        handler = generator.handler if path == "/generate" else api.handler
        answer: dict[str, Any] = handler(event, Context())
        return answer

    def submit(self, body: object = PROMPT, **headers: str) -> dict[str, Any]:
        return self.call("POST", "/jobs", body, headers=headers)

    def work(self, *bodies: str) -> list[str]:
        """Ids of the messages that the worker wants again."""
        records = [
            {"messageId": str(index), "body": body, "eventSource": "aws:sqs", "receiptHandle": "r", "attributes": {}}
            for index, body in enumerate(bodies)
        ]
        answer = worker.handler({"Records": records}, Context())
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def work_off(self) -> None:
        assert self.work(*(json.dumps(message["Body"]) for message in self.world.messages())) == []


@pytest.fixture
def function(resources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Api:
    world = JobWorld(resources)
    for module in (job_routes, generator, worker, sweeper, dead_letters):
        monkeypatch.setattr(module, "jobs", lambda: world.jobs)
    for module in (generator, worker):
        monkeypatch.setattr(module, "service", lambda: world.service)
    monkeypatch.setattr(worker, "queue", lambda: world.queue)
    return Api(world)


def body(answer: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer["body"])
    return document


def header(answer: dict[str, Any], name: str) -> str | None:
    values = answer["multiValueHeaders"].get(name)
    return values[0] if values else None


def test_submit_look_delete(function: Api) -> None:
    answer = function.submit()
    job = body(answer)
    assert (answer["statusCode"], job["status"]) == (202, "queued")
    assert header(answer, "Location") == f"/v1/jobs/{job['id']}"
    assert header(answer, "Retry-After") == "2"
    function.work_off()
    done = body(function.call("GET", f"/jobs/{job['id']}"))
    assert (done["status"], done["result"]["status"]) == ("succeeded", "succeeded")
    assert done["result"]["image_url"].startswith("https://")
    assert [each["id"] for each in body(function.call("GET", "/jobs"))["jobs"]] == [job["id"]]
    assert function.call("DELETE", f"/jobs/{job['id']}")["statusCode"] == 204
    assert outcome(function.call("GET", f"/jobs/{job['id']}")) == (404, "job_not_found")


@pytest.mark.parametrize("base", ["", "/v1", "/images", "/a/b"])
@pytest.mark.parametrize("route", ["/jobs", "/generate"])
def test_the_location_is_below_what_was_called(function: Api, base: str, route: str) -> None:
    asked = {"requestContext": {"path": base + route, "identity": {"apiKey": "key-of-alice"}}}
    answer = function.call("POST", route, PROMPT, headers={"Prefer": "respond-async"}, **asked)
    assert (answer["statusCode"], header(answer, "Location")) == (202, f"{base}/jobs/{body(answer)['id']}")


def test_cancel(function: Api) -> None:
    job = body(function.submit())
    assert outcome(function.call("DELETE", f"/jobs/{job['id']}")) == (409, "job_not_final")
    for _ in range(2):
        answer = function.call("POST", f"/jobs/{job['id']}/cancel")
        assert (answer["statusCode"], body(answer)["status"]) == (200, "cancelled")
    function.work_off()
    assert function.world.engine.generations == 0
    done = body(function.submit())
    function.work_off()
    assert outcome(function.call("POST", f"/jobs/{done['id']}/cancel")) == (409, "job_already_final")


@pytest.mark.parametrize("job_id", [NOBODY, "1", "%00", "%2500", "a%2Fb", "%2F", "ü" * 26, "x" * 2000, "JOB#alice"])
def test_every_unknown_job_is_the_same_404(function: Api, job_id: str) -> None:
    bodies = []
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/cancel")]:
        answer = function.call(method, f"/jobs/{job_id}{path}")
        assert outcome(answer) == (404, "job_not_found")
        bodies.append({key: value for key, value in body(answer).items() if key != "instance"})
    assert bodies[0] == bodies[1] == bodies[2]


def test_another_keys_job_is_the_same_404(function: Api) -> None:
    job = body(function.submit())
    bob = {"requestId": "1", "identity": {"apiKey": "key-of-bob"}}
    assert outcome(function.call("GET", f"/jobs/{job['id']}", requestContext=bob)) == (404, "job_not_found")


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "x"}, {"limit": "٣"}, {"status": "done"}],
)
def test_bad_list_parameters(function: Api, query: dict[str, str]) -> None:
    answer = function.call("GET", "/jobs", queryStringParameters=query)
    assert outcome(answer) == (422, "out_of_range")


def test_pages_and_forged_cursors(function: Api) -> None:
    ids: list[str] = []
    for _ in range(3):
        function.world.clock.pass_s(1)
        ids.insert(0, body(function.submit())["id"])
    first = body(function.call("GET", "/jobs", queryStringParameters={"limit": "2"}))
    rest = body(function.call("GET", "/jobs", queryStringParameters={"limit": "2", "cursor": first["cursor"]}))
    assert [each["id"] for each in first["jobs"] + rest["jobs"]] == ids
    assert rest["cursor"] is None
    forged = [first["cursor"][:-2] + "AA", first["cursor"][1:], "", "null", "é", NOBODY, first["cursor"] + "=="]
    for cursor in forged:
        answer = function.call("GET", "/jobs", queryStringParameters={"cursor": cursor})
        assert outcome(answer) == (400, "invalid_cursor")
    event = api_event(b"", method="GET", path="/jobs", queryStringParameters={"cursor": first["cursor"]})
    event["requestContext"]["identity"]["apiKey"] = "key-of-bob"
    assert outcome(api.handler(event, Context())) == (400, "invalid_cursor")


def test_the_largest_legal_metadata_is_kept_and_listed(function: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """An item of DynamoDB has 400 KB at most (moto refuses more), an answer of Lambda 6 MB.

    moto gives 1 MB of whole items a page, whatever the index holds; so ours is made smaller here.
    """
    monkeypatch.setattr(job_routes, "MAX_PAGE_BYTES", 1_000_000)
    face = "\U0001f600"
    metadata = {chr(ord(face) + i) * 512: face * 512 for i in range(16)}
    ids: list[str] = []
    for _ in range(5):
        function.world.clock.pass_s(1)
        ids.insert(0, body(function.submit({**PROMPT, "prompt": face * 2000, "metadata": metadata}))["id"])
    function.work_off()
    listed, pages, query = [], 0, {"limit": "100"}
    while query:
        answer = function.call("GET", "/jobs", queryStringParameters=query)
        assert len(json.dumps(answer)) < 1_010_000
        page = body(answer)
        assert all(each["metadata"] == each["result"]["metadata"] == metadata for each in page["jobs"])
        listed += [each["id"] for each in page["jobs"]]
        pages += 1
        query = {"limit": "100", "cursor": page["cursor"]} if page["cursor"] else {}
    assert (listed, pages) == (ids, 3)


def test_an_idempotency_key_on_jobs(function: Api) -> None:
    first, again = (function.submit(**{"Idempotency-Key": "k"}) for _ in range(2))
    assert body(first)["id"] == body(again)["id"]
    assert (header(first, "Idempotency-Replayed"), header(again, "Idempotency-Replayed")) == (None, "true")
    other = function.submit(PROMPT | {"seed": 1}, **{"Idempotency-Key": "k"})
    assert outcome(other) == (422, "idempotency_key_reuse")
    for key in ("", "x" * 256, "ü", "a\nb"):
        assert outcome(function.submit(**{"Idempotency-Key": key})) == (400, "idempotency_key_invalid")


@pytest.mark.parametrize(("method", "path"), [("POST", "/cancel"), ("DELETE", "")])
def test_a_write_that_repeats_by_itself_still_refuses_a_bad_key(function: Api, method: str, path: str) -> None:
    job = body(function.submit())
    function.call("POST", f"/jobs/{job['id']}/cancel")

    def status(key: str) -> tuple[int, str | None]:
        return outcome(function.call(method, f"/jobs/{job['id']}{path}", headers={"Idempotency-Key": key}))

    for key in ("", "x" * 256, "ü", "a\nb"):
        assert status(key) == (400, "idempotency_key_invalid")
    assert status("x" * 255) in [(200, None), (204, None)]


def test_an_idempotency_key_on_generate(function: Api) -> None:
    first, again = (function.call("POST", "/generate", PROMPT, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first["statusCode"], again["statusCode"]) == (200, 200)
    assert body(first)["id"] == body(again)["id"]
    assert header(again, "Idempotency-Replayed") == "true"
    assert function.world.engine.generations == 1


@pytest.mark.parametrize(
    ("seconds", "waited", "headers"),
    [(0, 0, {}), (0.5, 0, {}), (900, 28.2, {}), (900, 0, {"Prefer": "respond-async"})],
)
def test_generate_hands_over_what_does_not_fit_and_what_may_wait(
    function: Api, seconds: float, waited: float, headers: dict[str, str]
) -> None:
    event = api_event(PROMPT, headers=headers)
    event["requestContext"]["requestTimeEpoch"] -= int(waited * 1000)
    answer = generator.handler(event, Context(seconds))
    assert (answer["statusCode"], body(answer)["status"]) == (202, "queued")
    assert function.world.engine.generations == 0
    function.work_off()
    assert {each["status"] for each in body(function.call("GET", "/jobs"))["jobs"]} == {"succeeded"}


def test_generate_makes_no_job_for_a_caller_whom_the_gateway_has_sent_away(function: Api) -> None:
    event = api_event(PROMPT)
    event["requestContext"]["requestTimeEpoch"] -= 40_000
    assert generator.handler(event, Context(900))["statusCode"] == 504
    assert body(function.call("GET", "/jobs"))["jobs"] == []


def test_a_keyed_generate_that_fails_says_why_each_time(function: Api) -> None:
    def crash(step: int) -> None:
        raise ValueError("canary")

    function.world.engine.during = crash
    first = function.call("POST", "/generate", PROMPT, headers={"Idempotency-Key": "k"})
    assert (first["statusCode"], body(first)["status"]) == (202, "queued")
    for _ in range(6):
        function.work(JobMessage(function.world.items("JOB#")[0]["tenant"], body(first)["id"]).body())
    again = function.call("POST", "/generate", PROMPT, headers={"Idempotency-Key": "k"})
    assert outcome(again) == (500, "internal_error")


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}])
def test_a_keyed_generate_that_was_cancelled_says_so_each_time(function: Api, headers: dict[str, str]) -> None:
    def cancel(step: int) -> None:
        (job,) = function.world.items("JOB#")
        function.world.jobs.cancel(job["tenant"], job["job_id"])

    function.world.engine.during = cancel
    key = {"Idempotency-Key": "k"}
    first = function.call("POST", "/generate", PROMPT, headers=key)
    again = function.call("POST", "/generate", PROMPT, headers=key | headers)
    assert outcome(first) == outcome(again) == (409, "job_already_final")
    assert "cancelled" in body(first)["detail"]
    assert (header(again, "Idempotency-Replayed"), header(again, "Retry-After")) == ("true", None)


def test_prefer_wait(function: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_routes, "POLL_S", 0.01)
    pending = function.submit(Prefer="wait=0")
    assert (pending["statusCode"], header(pending, "Preference-Applied")) == (202, "wait")
    monkeypatch.setattr("time.sleep", lambda _: function.work_off())
    done = function.submit(Prefer="wait=5")
    assert (done["statusCode"], body(done)["status"]) == (200, "succeeded")


def test_what_comes_twice_is_no_error(function: Api) -> None:
    headers = {"multiValueHeaders": {"Prefer": ["wait=0", "handling=lenient"], "Idempotency-Key": ["a", "a"]}}
    answer = function.call("POST", "/jobs", PROMPT, headers={"Prefer": "wait=0", "Idempotency-Key": "a"}, **headers)
    assert (answer["statusCode"], header(answer, "Preference-Applied")) == (202, "wait")
    query = {"queryStringParameters": {"limit": "1"}, "multiValueQueryStringParameters": {"limit": ["2", "1"]}}
    assert function.call("GET", "/jobs", **query)["statusCode"] == 200


@pytest.mark.parametrize("change", [{"unknown": 1}, {"seed": -1}, {"width": 7}, {"scheduler": "none"}])
def test_a_job_is_refused_when_it_is_submitted(function: Api, change: dict[str, Any]) -> None:
    assert function.submit(PROMPT | change)["statusCode"] == 422
    assert function.world.items("JOB#") == []


HOOK = {"webhook": {"url": "https://example.com/hook", "events": ["job.succeeded", "job.cancelled"]}}


def told(function: Api) -> list[tuple[str, ...]]:
    return [message[2:] for message in function.world.webhooks.told]


def test_a_webhook_is_told_of_each_end_that_was_asked_for(function: Api) -> None:
    done, cancelled = (body(function.submit(PROMPT | HOOK)) for _ in range(2))
    assert told(function) == []
    function.call("POST", f"/jobs/{cancelled['id']}/cancel")
    function.work_off()
    assert told(function) == [(HOOK["webhook"]["url"], f"job.{end}", end) for end in ("cancelled", "succeeded")]
    function.world.engines.failing = ModelUnavailable("The model cannot be loaded.")
    failed = body(function.submit(PROMPT | HOOK | {"seed": 1}))
    function.work_off()
    assert body(function.call("GET", f"/jobs/{failed['id']}"))["status"] == "failed"
    assert len(told(function)) == 2
    assert "webhook" not in json.dumps(body(function.call("GET", f"/jobs/{done['id']}")))


def test_generate_with_a_webhook_is_a_job_that_is_run_at_once(function: Api) -> None:
    answer = function.call("POST", "/generate", PROMPT | HOOK)
    assert (answer["statusCode"], body(answer)["status"]) == (200, "succeeded")
    assert told(function) == [(HOOK["webhook"]["url"], "job.succeeded", "succeeded")]
    assert body(function.call("GET", f"/jobs/{body(answer)['id']}"))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("webhook", "field", "code"),
    [
        ({"url": "http://example.com/hook"}, "webhook.url", "url_not_allowed"),
        ({"url": "https://169.254.169.254/latest"}, "webhook.url", "url_not_allowed"),
        ({"url": "https://127.1/"}, "webhook.url", "url_not_allowed"),
        ({"url": 7}, "webhook.url", "wrong_type"),
        ({}, "webhook.url", "missing_field"),
        ({"url": "https://example.com", "secret": "x"}, "webhook.secret", "unknown_field"),
        ({"url": "https://example.com", "events": ["job.running"]}, "webhook.events.0", "out_of_range"),
        ({"url": "https://example.com", "events": []}, "webhook.events", "out_of_range"),
        ("https://example.com", "webhook", "wrong_type"),
        (None, "webhook", "wrong_type"),
    ],
)
def test_a_webhook_is_judged_at_submission(function: Api, webhook: object, field: str, code: str) -> None:
    answer = function.submit(PROMPT | {"webhook": webhook})
    assert outcome(answer) == (422, code)
    assert [each["field"] for each in body(answer)["errors"]] == [field]
    assert function.world.items("JOB#") == []


def test_a_direct_invocation_takes_no_webhook(function: Api) -> None:
    assert outcome(generator.handler(PROMPT | HOOK, Context())) == (422, "unknown_field")


def test_images_that_have_expired_are_410_and_in_lists_an_error(function: Api) -> None:
    job = body(function.submit(PROMPT, **{"Idempotency-Key": "k"}))
    function.work_off()
    (item,) = function.world.items("JOB#")
    function.world.clock.pass_s(7 * 24 * 3600 - 1)
    kept = {"expires_at": int(item["expires_at"]) + 3600}
    table = boto3.resource("dynamodb").Table(function.world.resources["Table"])
    table.put_item(Item=item | kept)
    function.world.clock.pass_s(1800)
    assert outcome(function.call("GET", f"/jobs/{job['id']}")) == (410, "result_expired")
    (listed,) = body(function.call("GET", "/jobs"))["jobs"]
    assert (listed["status"], listed["result"], listed["error"]["code"]) == ("succeeded", None, "result_expired")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{", "malformed: not JSON"),
        ("[" * 100_000, "malformed: not JSON"),
        ("7", "malformed: not an object"),
        ('{"version": 2, "tenant": "a", "job_id": "b"}', "unknown version"),
        ('{"version": true, "tenant": "a", "job_id": "b"}', "unknown version"),
        ('{"version": 1, "tenant": "a"}', "malformed: tenant or job_id is missing"),
        ('{"version": 1, "tenant": "a", "job_id": "b"}', "malformed: tenant or job_id is none"),
        (f'{{"version": 1, "tenant": "{"a" * 3000}", "job_id": "{NOBODY}"}}', "malformed: tenant or job_id is none"),
    ],
)
def test_what_nobody_can_read_is_buried_with_its_reason_and_no_loop(function: Api, message: str, reason: str) -> None:
    assert function.work(message) == []
    (buried,) = function.world.messages("JobsDeadLetters")
    assert buried["MessageAttributes"]["reason"]["StringValue"] == reason
    records = [{"messageId": "1", "body": message, "eventSource": "aws:sqs", "attributes": {}}]
    assert dead_letters.handler({"Records": records}, Context()) == {"batchItemFailures": []}


def test_waiting_for_a_job_outlasts_a_table_that_is_silent(function: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(tenant: str, job_id: str) -> None:
        raise StorageUnavailable("silent")

    monkeypatch.setattr(function.world.store, "get", silent)
    assert function.submit(Prefer="wait=1")["statusCode"] == 202


def test_only_the_failed_record_comes_back(function: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = body(function.submit())["id"], body(function.submit())["id"]
    tenant = function.world.items("JOB#")[0]["tenant"]
    real = function.world.store.get

    def get(asked: str, job_id: str) -> Any:
        if job_id == bad:
            raise StorageUnavailable("silent")
        return real(asked, job_id)

    monkeypatch.setattr(function.world.store, "get", get)
    messages = [JobMessage(tenant, job_id).body() for job_id in (bad, good, NOBODY)]
    assert function.work(*messages) == ["0"]


def test_a_message_that_could_not_begin_comes_again_in_a_minute_not_in_sixteen(
    function: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    function.submit()
    url = function.world.resources["JobsQueue"]
    sqs = boto3.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    postponed = []
    real = function.world.queue.postpone

    def postpone(receipt: str, seconds: int) -> None:
        real(receipt, 0)
        postponed.append(seconds)

    def silent(tenant: str, job_id: str) -> None:
        raise StorageUnavailable("silent")

    monkeypatch.setattr(function.world.queue, "postpone", postpone)
    monkeypatch.setattr(function.world.store, "get", silent)
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
    assert len(function.world.messages()) == 1


def test_no_prompt_and_no_key_reaches_a_log(function: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(log)

    def crash(step: int) -> None:
        raise ValueError("canary")

    try:
        canary = PROMPT | {"prompt": "canary", "metadata": {"canary": "canary"}}
        function.submit(canary, **{"Idempotency-Key": "canary"})
        function.work_off()
        function.world.engine.during = crash
        job = body(function.submit(canary))
        function.work_off()
        function.work('{"canary": "canary"}', "canary")
        function.call("GET", "/jobs", queryStringParameters={"cursor": "canary"})
        records = [{"messageId": "1", "body": "canary", "eventSource": "aws:sqs", "attributes": {}}]
        dead_letters.handler({"Records": records}, Context())
    finally:
        handler.setStream(before)
    assert job["id"] in log.getvalue()
    assert "canary" not in log.getvalue()


def test_the_sweepers_handler(function: Api) -> None:
    function.submit()
    function.world.clock.pass_s(3601)
    assert sweeper.handler({}, Context()) == {"swept": 1, "given_up": 0}


def test_the_queue_and_its_dead_letters_are_as_lambda_wants_them(resources: dict[str, str]) -> None:
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=resources["JobsQueue"], AttributeNames=["All"])
    assert int(attributes["Attributes"]["VisibilityTimeout"]) >= 900
    assert json.loads(attributes["Attributes"]["RedrivePolicy"])["maxReceiveCount"] == 10
