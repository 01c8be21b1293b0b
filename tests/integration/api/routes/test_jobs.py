"""The routes below /jobs, on the table, queue, and bucket of the template."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from imagegen.api import app, strict_json
from imagegen.api.routes import jobs as job_routes
from imagegen.entrypoints import api
from tests.support.expectations import outcome
from tests.support.job_faults import unavailable
from tests.support.job_handlers import PROMPT, UNKNOWN_JOB, JobHandlers, body, header
from tests.support.slept_time import SleptTime
from tools.lambda_event import Context, api_event, authorizer


def test_a_job_is_submitted_run_listed_and_deleted(handlers: JobHandlers) -> None:
    answer = handlers.submit()
    job = body(answer)
    assert (answer["statusCode"], job["status"]) == (202, "queued")
    assert header(answer, "Location") == f"/v1/jobs/{job['id']}"
    assert header(answer, "Retry-After") == "3"
    handlers.world.clock.pass_s(20)
    for path in (f"/jobs/{job['id']}", "/jobs"):
        assert header(handlers.call("GET", path), "Retry-After") == "8"
    handlers.run_queued_jobs()
    for path in (f"/jobs/{job['id']}", "/jobs"):
        assert header(handlers.call("GET", path), "Retry-After") is None
    done = body(handlers.call("GET", f"/jobs/{job['id']}"))
    assert (done["status"], done["result"]["status"]) == ("succeeded", "succeeded")
    assert done["result"]["image_url"].startswith("https://")
    assert [each["id"] for each in body(handlers.call("GET", "/jobs"))["jobs"]] == [job["id"]]
    assert handlers.call("DELETE", f"/jobs/{job['id']}")["statusCode"] == 204
    assert outcome(handlers.call("GET", f"/jobs/{job['id']}")) == (404, "job_not_found")


def test_a_job_that_has_not_changed_is_304_until_its_urls_must_be_renewed(handlers: JobHandlers) -> None:
    path = f"/jobs/{body(handlers.submit())['id']}"
    seen: list[str] = []

    def poll() -> dict[str, Any]:
        answer = handlers.call("GET", path, headers={"If-None-Match": ", ".join(seen)} if seen else {})
        tag = header(answer, "ETag")
        assert tag is not None
        seen.append(tag)
        return answer

    assert poll()["statusCode"] == 200
    handlers.world.clock.pass_s(20)
    unchanged = poll()
    assert (unchanged["statusCode"], unchanged["body"], header(unchanged, "Retry-After")) == (304, "", "8")
    handlers.run_queued_jobs()
    done = poll()
    assert (done["statusCode"], body(done)["status"]) == (200, "succeeded")
    assert header(done, "Retry-After") is None
    handlers.world.clock.pass_s(api.container.settings.url_expires_seconds / 2)
    renewed = poll()
    assert (renewed["statusCode"], body(renewed)["result"]["image_url"][:8]) == (200, "https://")
    assert poll()["statusCode"] == 304
    assert len(set(seen)) == 3


def test_a_foreign_job_is_404_whatever_its_tag(handlers: JobHandlers) -> None:
    assert outcome(handlers.call("GET", f"/jobs/{UNKNOWN_JOB}", headers={"If-None-Match": "*"})) == (
        404,
        "job_not_found",
    )


@pytest.mark.parametrize("base", ["", "/v1", "/images", "/a/b"])
@pytest.mark.parametrize("route", ["/jobs", "/generate"])
def test_the_location_keeps_the_base_path_of_the_request(handlers: JobHandlers, base: str, route: str) -> None:
    context = {"requestContext": {"path": base + route, "authorizer": authorizer()}}
    answer = handlers.call("POST", route, PROMPT, headers={"Prefer": "respond-async"}, **context)
    assert (answer["statusCode"], header(answer, "Location")) == (202, f"{base}/jobs/{body(answer)['id']}")


def test_a_cancelled_job_is_not_run(handlers: JobHandlers) -> None:
    job = body(handlers.submit())
    assert outcome(handlers.call("DELETE", f"/jobs/{job['id']}")) == (409, "job_not_final")
    for _ in range(2):
        answer = handlers.call("POST", f"/jobs/{job['id']}/cancel")
        assert (answer["statusCode"], body(answer)["status"]) == (200, "cancelled")
    handlers.run_queued_jobs()
    assert handlers.world.engine.generations == 0
    done = body(handlers.submit())
    handlers.run_queued_jobs()
    assert outcome(handlers.call("POST", f"/jobs/{done['id']}/cancel")) == (409, "job_already_final")


@pytest.mark.parametrize(
    "job_id", [UNKNOWN_JOB, "1", "%00", "%2500", "a%2Fb", "%2F", "ü" * 26, "x" * 2000, "JOB#alice"]
)
def test_every_unknown_job_gets_the_same_404(handlers: JobHandlers, job_id: str) -> None:
    bodies = []
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/cancel")]:
        answer = handlers.call(method, f"/jobs/{job_id}{path}")
        assert outcome(answer) == (404, "job_not_found")
        bodies.append({key: value for key, value in body(answer).items() if key != "instance"})
    assert bodies[0] == bodies[1] == bodies[2]


def test_the_job_of_another_api_key_gets_the_same_404(handlers: JobHandlers) -> None:
    job = body(handlers.submit())
    bob = {"requestId": "1", "authorizer": authorizer("key-of-bob")}
    assert outcome(handlers.call("GET", f"/jobs/{job['id']}", requestContext=bob)) == (404, "job_not_found")


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "x"}, {"limit": "٣"}, {"status": "done"}],
)
def test_invalid_list_parameters_are_rejected(handlers: JobHandlers, query: dict[str, str]) -> None:
    answer = handlers.call("GET", "/jobs", queryStringParameters=query)
    assert outcome(answer) == (422, "out_of_range")


def test_jobs_are_listed_in_pages_and_forged_cursors_are_rejected(handlers: JobHandlers) -> None:
    ids: list[str] = []
    for _ in range(3):
        handlers.world.clock.pass_s(1)
        ids.insert(0, body(handlers.submit())["id"])
    first = body(handlers.call("GET", "/jobs", queryStringParameters={"limit": "2"}))
    rest = body(handlers.call("GET", "/jobs", queryStringParameters={"limit": "2", "cursor": first["cursor"]}))
    assert [each["id"] for each in first["jobs"] + rest["jobs"]] == ids
    assert rest["cursor"] is None
    forged = [first["cursor"][:-2] + "AA", first["cursor"][1:], "", "null", "é", UNKNOWN_JOB, first["cursor"] + "=="]
    for cursor in forged:
        answer = handlers.call("GET", "/jobs", queryStringParameters={"cursor": cursor})
        assert outcome(answer) == (400, "invalid_cursor")
    event = api_event(b"", method="GET", path="/jobs", queryStringParameters={"cursor": first["cursor"]})
    event["requestContext"]["authorizer"] = authorizer("key-of-bob")
    assert outcome(api.handler(event, Context())) == (400, "invalid_cursor")


def test_the_largest_valid_metadata_is_stored_and_listed(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits are 400 KB for a DynamoDB item, which moto enforces, and 6 MB for a Lambda response.

    moto counts whole items toward the 1 MB of a query page even if the index projects less, so the test uses a smaller
    page limit.
    """
    monkeypatch.setattr(job_routes, "MAX_PAGE_BYTES", 1_000_000)
    face = "\U0001f600"
    metadata = {chr(ord(face) + i) * 512: face * 512 for i in range(16)}
    ids: list[str] = []
    for _ in range(5):
        handlers.world.clock.pass_s(1)
        ids.insert(0, body(handlers.submit({**PROMPT, "prompt": face * 2000, "metadata": metadata}))["id"])
    handlers.run_queued_jobs()
    listed, pages, query = [], 0, {"limit": "100"}
    while query:
        answer = handlers.call("GET", "/jobs", queryStringParameters=query)
        assert len(json.dumps(answer)) < 1_010_000
        page = body(answer)
        assert all(each["metadata"] == each["result"]["metadata"] == metadata for each in page["jobs"])
        listed += [each["id"] for each in page["jobs"]]
        pages += 1
        query = {"limit": "100", "cursor": page["cursor"]} if page["cursor"] else {}
    assert (listed, pages) == (ids, 3)


def test_an_idempotency_key_makes_a_submission_repeatable(handlers: JobHandlers) -> None:
    first, again = (handlers.submit(**{"Idempotency-Key": "k"}) for _ in range(2))
    assert body(first)["id"] == body(again)["id"]
    assert (header(first, "Idempotency-Replayed"), header(again, "Idempotency-Replayed")) == (None, "true")
    other = handlers.submit(PROMPT | {"seed": 1}, **{"Idempotency-Key": "k"})
    assert outcome(other) == (422, "idempotency_key_reuse")
    for key in ("", "x" * 256, "ü", "a\nb"):
        assert outcome(handlers.submit(**{"Idempotency-Key": key})) == (400, "idempotency_key_invalid")


@pytest.mark.parametrize(("method", "path"), [("POST", "/cancel"), ("DELETE", "")])
def test_an_idempotent_write_still_rejects_an_invalid_key(handlers: JobHandlers, method: str, path: str) -> None:
    job = body(handlers.submit())
    handlers.call("POST", f"/jobs/{job['id']}/cancel")

    def status(key: str) -> tuple[int, str | None]:
        return outcome(handlers.call(method, f"/jobs/{job['id']}{path}", headers={"Idempotency-Key": key}))

    for key in ("", "x" * 256, "ü", "a\nb"):
        assert status(key) == (400, "idempotency_key_invalid")
    assert status("x" * 255) in [(200, None), (204, None)]


def test_prefer_wait_returns_the_result_if_the_job_finishes_in_time(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = handlers.submit(Prefer="wait=0")
    assert (pending["statusCode"], header(pending, "Preference-Applied")) == (202, "wait")
    monkeypatch.setattr(job_routes, "time", SleptTime(lambda _: handlers.run_queued_jobs()))
    done = handlers.submit(Prefer="wait=5")
    assert (done["statusCode"], body(done)["status"]) == (200, "succeeded")


@pytest.mark.parametrize(
    "lines", [["wait=0", "handling=lenient"], ["handling=lenient", "wait=0"], ["wait=0", "wait=9"]]
)
def test_all_lines_of_a_repeated_prefer_header_count(handlers: JobHandlers, lines: list[str]) -> None:
    answer = handlers.call("POST", "/jobs", PROMPT, headers={"Prefer": lines})
    assert (answer["statusCode"], header(answer, "Preference-Applied")) == (202, "wait")


@pytest.mark.parametrize("ends", [0.1, 0.9, 25])
@pytest.mark.parametrize(
    ("wait", "longest"), [("1", 1), ('"1"', 1), ("1; a=b", 1), ("25", 25), ("26", 25), ("9" * 99, 25)]
)
def test_wait_responds_when_the_job_is_final_at_the_latest_after_its_seconds(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch, wait: str, longest: float, ends: float
) -> None:
    clock = SleptTime(lambda now: handlers.run_queued_jobs() if now >= ends else None)
    monkeypatch.setattr(job_routes, "time", clock)
    answer = handlers.submit(Prefer=f"wait={wait}")
    assert header(answer, "Preference-Applied") == "wait"
    if ends > longest:
        assert (answer["statusCode"], body(answer)["status"], clock.now) == (202, "queued", longest)
    else:
        assert (answer["statusCode"], body(answer)["status"]) == (200, "succeeded")
        assert ends <= clock.now <= min(ends + job_routes.POLL_S, longest)


@pytest.mark.parametrize("wait", ["", "-1", "1.5", "x", "1 2", '"', "²"])
def test_an_invalid_wait_is_ignored(handlers: JobHandlers, wait: str) -> None:
    answer = handlers.submit(Prefer=f"wait={wait}")
    assert (answer["statusCode"], header(answer, "Preference-Applied")) == (202, None)


@pytest.mark.parametrize("prefer", ["", "wait=5", "return=minimal"])
def test_a_repeated_submission_gets_the_first_status(handlers: JobHandlers, prefer: str) -> None:
    """With `wait`, the status depends on when the job finishes, as for a new request."""
    headers = {"Idempotency-Key": "k", "Prefer": prefer}
    first = handlers.submit(**headers | {"Prefer": ""})
    handlers.run_queued_jobs()
    again = handlers.submit(**headers)
    assert (first["statusCode"], again["statusCode"]) == (202, 200 if "wait" in prefer else 202)
    assert (header(first, "Location"), body(first)["status"]) == (f"/v1/jobs/{body(first)['id']}", "queued")
    assert (body(again)["id"], body(again)["status"]) == (body(first)["id"], "succeeded")
    assert header(again, "Idempotency-Replayed") == "true"
    if again["statusCode"] == 202:
        assert header(again, "Location") == header(first, "Location")
        assert header(again, "Retry-After")


def test_respond_async_counts_beside_another_preference(handlers: JobHandlers) -> None:
    answer = handlers.call("POST", "/generate", PROMPT, headers={"Prefer": ["respond-async", "wait=5"]})
    assert (answer["statusCode"], header(answer, "Preference-Applied")) == (202, "respond-async")


@pytest.mark.parametrize("keys", [["a", "b"], ["a", "a"]])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/jobs"), ("POST", "/generate"), ("DELETE", f"/jobs/{UNKNOWN_JOB}")]
)
def test_several_idempotency_keys_are_rejected(handlers: JobHandlers, method: str, path: str, keys: list[str]) -> None:
    answer = handlers.call(method, path, PROMPT, headers={"Idempotency-Key": keys})
    assert outcome(answer) == (400, "idempotency_key_invalid")
    assert handlers.world.items("JOB#") == []


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ({"queryStringParameters": {"limit": "1"}, "multiValueQueryStringParameters": {"limit": ["1"]}}, 1),
        ({"queryStringParameters": {"limit": "1"}, "multiValueQueryStringParameters": None}, 1),
        ({"queryStringParameters": None, "multiValueQueryStringParameters": {"limit": ["1"]}}, 1),
        ({"queryStringParameters": {}, "multiValueQueryStringParameters": {}}, 2),
    ],
)
def test_a_parameter_is_read_from_either_member_of_the_event(
    handlers: JobHandlers, query: dict[str, Any], listed: int
) -> None:
    for _ in range(2):
        handlers.submit()
    assert len(body(handlers.call("GET", "/jobs", **query))["jobs"]) == listed


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/docs"), ("GET", "/openapi.json"), ("HEAD", "/health")]
)
def test_documents_and_health_ignore_cache_busters(handlers: JobHandlers, method: str, path: str) -> None:
    query = {"queryStringParameters": {"_": "1"}, "multiValueQueryStringParameters": {"_": ["0", "1"]}}
    assert handlers.call(method, path, **query)["statusCode"] == 200


def test_a_misspelled_parameter_gets_the_known_ones(handlers: JobHandlers) -> None:
    answer = handlers.call("GET", "/jobs", queryStringParameters={"page": "2"})
    (error,) = body(answer)["errors"]
    assert error["message"] == "is not a query parameter of this route; the parameters are limit, cursor, status"


@pytest.mark.parametrize("change", [{"unknown": 1}, {"seed": -1}, {"width": 7}, {"scheduler": "none"}])
def test_an_invalid_job_is_rejected_at_submission(handlers: JobHandlers, change: dict[str, Any]) -> None:
    assert handlers.submit(PROMPT | change)["statusCode"] == 422
    assert handlers.world.items("JOB#") == []


def test_expired_images_are_410_for_one_job_and_an_error_in_lists(handlers: JobHandlers) -> None:
    job = body(handlers.submit(PROMPT, **{"Idempotency-Key": "k"}))
    handlers.run_queued_jobs()
    (item,) = handlers.world.items("JOB#")
    handlers.world.clock.pass_s(7 * 24 * 3600 - 1)
    kept = {"expires_at": int(item["expires_at"]) + 3600}
    table = boto3.resource("dynamodb").Table(handlers.world.resources["Table"])
    table.put_item(Item=item | kept)
    handlers.world.clock.pass_s(1800)
    assert outcome(handlers.call("GET", f"/jobs/{job['id']}")) == (410, "result_expired")
    (listed,) = body(handlers.call("GET", "/jobs"))["jobs"]
    assert (listed["status"], listed["result"], listed["error"]["code"]) == ("succeeded", None, "result_expired")


def test_prefer_wait_tolerates_an_unavailable_table(handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers.world.store, "get", unavailable)
    assert handlers.submit(Prefer="wait=1")["statusCode"] == 202


@pytest.mark.parametrize("route", ["/jobs", "/generate"])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_a_body_is_parsed_once(
    handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch, route: str, headers: dict[str, str]
) -> None:
    parsed: list[bytes] = []

    def parse(raw: bytes) -> dict[str, Any]:
        parsed.append(raw)
        return strict_json.parse_object(raw)

    monkeypatch.setattr(app, "parse_object", parse)
    assert handlers.call("POST", route, PROMPT, headers=headers)["statusCode"] in (200, 202)
    assert len(parsed) == 1


def test_a_body_with_numbers_of_equal_value_is_the_same_request(handlers: JobHandlers) -> None:
    first = handlers.submit(PROMPT | {"guidance_scale": 2}, **{"Idempotency-Key": "k"})
    again = handlers.submit(PROMPT | {"guidance_scale": 2.0}, **{"Idempotency-Key": "k"})
    other = handlers.submit(PROMPT | {"guidance_scale": 2.5}, **{"Idempotency-Key": "k"})
    assert body(first)["id"] == body(again)["id"]
    assert outcome(other) == (422, "idempotency_key_reuse")


@pytest.mark.parametrize("path", ["/health", "/models", "/openapi.json", "/docs", "/jobs"])
def test_head_is_get_without_the_body(handlers: JobHandlers, path: str) -> None:
    """Uptime monitors and link checkers send HEAD."""
    get, head = (handlers.call(method, path) for method in ("GET", "HEAD"))
    assert (get["statusCode"], head["statusCode"], head["body"]) == (200, 200, "")
    assert get["body"]
    assert head["multiValueHeaders"] == get["multiValueHeaders"]


def test_head_of_a_route_without_get_is_405_without_a_body(handlers: JobHandlers) -> None:
    answer = handlers.call("HEAD", "/generate")
    assert (answer["statusCode"], answer["body"], header(answer, "Allow")) == (405, "", "POST, OPTIONS")
    assert header(handlers.call("PUT", "/jobs"), "Allow") == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/jobs", "no-store"), ("GET", "/health", "no-store"), ("POST", "/jobs", "no-store"),
        ("POST", "/generate", "no-store"), ("GET", f"/jobs/{UNKNOWN_JOB}", "no-store"),
        ("PUT", "/models", "no-store"), ("GET", "/models", "private, max-age=300"),
        ("GET", "/openapi.json", "public, max-age=300"), ("GET", "/docs", "public, max-age=300"),
    ],
)  # fmt: skip
def test_only_documents_are_cached(handlers: JobHandlers, method: str, path: str, expected: str) -> None:
    answer = handlers.call(method, path, PROMPT if method == "POST" else b"")
    assert header(answer, "cache-control") == expected
    assert header(answer, "vary") is None


def test_models_are_not_cached_if_their_versions_roll(handlers: JobHandlers) -> None:
    container = handlers.world.container
    container.settings = container.settings.model_copy(update={"model_rollout": "/stack/models"})
    assert header(handlers.call("GET", "/models"), "cache-control") == "no-store"


def test_responses_vary_by_origin_with_several_origins(handlers: JobHandlers) -> None:
    container = handlers.world.container
    origins = ("https://a.example", "https://b.example")
    container.settings = container.settings.model_copy(update={"allowed_origins": origins})
    assert header(handlers.call("GET", "/health"), "vary") == "Origin"
