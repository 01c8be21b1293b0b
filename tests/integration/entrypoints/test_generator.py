"""The Generator handler with a real store and a fake engine: answers, logs, and metrics."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imagegen.api.body_size import MAX_BODY_BYTES, MAX_OTHER_BYTES
from imagegen.entrypoints import generator
from imagegen.generation.single_flight import SingleFlight
from imagegen.wiring import Container
from tests.support.expectations import outcome
from tests.support.fakes import FakeEngine, FakeEngines, MemoryLeases
from tests.support.job_handlers import body
from tests.support.openapi_contract import checked
from tests.support.slept_time import SleptTime
from tools.lambda_event import Context, api_event, authorizer


@dataclass
class Function:
    """The handler with a fake engine and moto's S3 and DynamoDB behind it."""

    engine: FakeEngine
    bucket: str

    def __call__(self, event: dict[str, Any], seconds: float = 900) -> dict[str, Any]:
        return checked(event, generator.handler(event, Context(seconds)))

    def generate(self, seconds: float = 900, **body: Any) -> dict[str, Any]:
        return self(api_event({"prompt": "a red circle", **body}), seconds)


@pytest.fixture
def function(resources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Function:
    engine = FakeEngine()
    container = container_of(resources)
    container.engines = FakeEngines(engine)
    container.single_flight = SingleFlight(MemoryLeases(), lease_s=20, renew_s=5)
    monkeypatch.setattr(generator, "container", container)
    return Function(engine, resources["Bucket"])


def container_of(resources: dict[str, str], **settings: Any) -> Container:
    names = {"bucket_name": resources["Bucket"], "table_name": resources["Table"]}
    return Container(generator.container.settings.model_copy(update={**names, **settings}))


def test_an_answer_has_every_documented_member(function: Function) -> None:
    answer = function.generate(seed=7, metadata={"order": "A-17"})
    assert answer["statusCode"] == 200
    result = body(answer)
    assert set(result) == {
        "id", "status", "model", "model_version", "image_url", "images", "cached", "cold_start", "timings", "cost",
        "warnings", "metadata",
    }  # fmt: skip
    assert set(result["images"][0]) == {
        "url", "seed", "width", "height", "content_type", "bytes", "sha256", "pixels_sha256", "expires_at",
        "content_credentials",
    }  # fmt: skip
    assert result["image_url"] == result["images"][0]["url"]
    assert answer["multiValueHeaders"]["x-request-id"] == ["c6af9ac6-7b61-11e6-9a41-93e800000000"]


def test_a_repeated_request_is_answered_from_s3(function: Function) -> None:
    first, second = body(function.generate(seed=7)), body(function.generate(seed=7))
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["images"][0]["sha256"] == second["images"][0]["sha256"]
    assert function.engine.generations == 1


def test_api_keys_and_direct_invocations_do_not_share_images(function: Function) -> None:
    function.generate(seed=7)
    other = api_event({"prompt": "a red circle", "seed": 7})
    other["requestContext"]["authorizer"] = authorizer("key-of-bob")
    assert not body(function(other))["cached"]
    assert not function({"prompt": "a red circle", "seed": 7})["cached"]
    assert function({"prompt": "a red circle", "seed": 7})["cached"]


@pytest.mark.parametrize("epoch", [None, 0, 1_795_000_000, 99_999_999_999_999])
def test_an_implausible_request_time_is_ignored(function: Function, epoch: int | None) -> None:
    event = api_event({"prompt": "a red circle"})
    event["requestContext"]["requestTimeEpoch"] = epoch
    assert function(event)["statusCode"] == 200


@pytest.mark.parametrize(
    "content_type",
    [
        None, "", "text/plain", "application/jsonp", "application/json; charset=utf-16", "multipart/form-data",
        "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json, text/plain", "*/*",
        ";", "\u00ff", "text/json", "application/vnd.api+json", "application/json; charset=",
        "application/json; charset=utf-8; charset=latin-1", "application/json; charset=latin-1; charset=utf-8",
        "application/json; CHARSET=utf-16", "application/json, application/json",
    ],
)  # fmt: skip
def test_only_json_is_accepted(function: Function, content_type: str | None) -> None:
    for raw in (b'{"prompt": "a red circle"}', b"prompt=a+red+circle", b"--x\r\n\r\n"):
        assert function(api_event(raw, headers={"Content-Type": content_type}))["statusCode"] == 415
    assert function.engine.generations == 0


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"',
        "application/json; charset=utf8", "application/json;charset=UTF8", "APPLICATION/JSON", "application/json;",
        "application/json; charset=utf-8; charset=UTF-8", "application/json; odata.metadata=minimal",
        "application/json; profile=x; Charset=utf-8", " application/json ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", [None, "identity", "Identity", ""])
def test_json_may_name_its_charset_and_the_identity_encoding(
    function: Function, content_type: str, encoding: str | None
) -> None:
    headers = {"content-type": content_type, "content-encoding": encoding}
    assert function(api_event({"prompt": "a red circle"}, headers=headers))["statusCode"] == 200


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        (["text/html", "application/json"], 200),
        (["application/json", "text/html"], 200),
        (["text/html", "*/*;q=0"], 406),
    ],
)
def test_all_lines_of_a_repeated_accept_header_count(function: Function, accept: list[str], status: int) -> None:
    assert function(api_event({"prompt": "a red circle"}, headers={"Accept": accept}))["statusCode"] == status


def test_a_body_with_a_lone_surrogate_is_malformed(function: Function) -> None:
    plain = api_event(None) | {"isBase64Encoded": False, "body": '{"prompt": "\ud800"}'}
    assert outcome(function(plain)) == (400, "malformed_json")


def test_a_body_beyond_the_limit_is_413_and_names_the_limit(function: Function) -> None:
    raw = json.dumps({"prompt": "x" * MAX_BODY_BYTES}).encode()
    answer = function(api_event(raw))
    assert outcome(answer) == (413, "payload_too_large")
    assert body(answer)["detail"] == (
        f"The body has {len(raw)} bytes and must have at most 4500000 (4.5 MB), a picture of 3.3 MB. Send a larger "
        "picture with POST /uploads, and its id here."
    )
    largest = b'{"prompt": "a red circle"}'.ljust(MAX_OTHER_BYTES)
    assert function(api_event(largest))["statusCode"] == 200
    assert outcome(function(api_event(largest + b" "))) == (413, "payload_too_large")
    picture = b'{"picture": "%s"}'
    assert outcome(function(api_event(picture % (b"A" * (MAX_BODY_BYTES - len(picture) + 2))))) == (
        422,
        "missing_field",
    )


def test_a_byte_order_mark_is_ignored(function: Function) -> None:
    assert function(api_event(b'\xef\xbb\xbf{"prompt": "a red circle"}'))["statusCode"] == 200


@pytest.mark.parametrize(
    "raw",
    [
        b'\\"' * 500_000,
        b'{"prompt": "' + b'\\"' * 500_000,
        b'{"prompt": "' + b"x" * 1_000_000 + b'"}',
        b'{"prompt": "' + b" " * 1_000_000 + b'"}',
        b"{" + b",".join(b'"%d": 0' % key for key in range(90_000)) + b"}",
        b'{"prompt": "x", "metadata": {' + b",".join(b'"%d": 0' % key for key in range(80_000)) + b"}}",
        b"[" * 1_000_000,
    ],
    ids=["quotes", "open string", "long prompt", "blank prompt", "many fields", "much metadata", "brackets"],
)
def test_hostile_bodies_get_a_short_answer(function: Function, raw: bytes) -> None:
    answer = function(api_event(raw))
    assert answer["statusCode"] in (400, 422)
    assert len(json.dumps(answer)) < 20_000


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200), ("application/*;q=0.1", 200), ("text/html, application/json;q=0.5", 200), ("", 200),
        ("application/problem+json, application/json", 200), ("text/html", 406), ("application/json;q=0", 406),
        ("application/json;q=0.000, */*", 406), ("*/*;q=0.00", 406), ("application/json;charset=utf-8;q=0", 406),
        ("application/json;q=high", 406), (";;,", 406),
    ],
)  # fmt: skip
def test_the_most_specific_media_range_decides(function: Function, accept: str, status: int) -> None:
    assert function(api_event({"prompt": "a red circle"}, headers={"Accept": accept}))["statusCode"] == status


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"warmup": 1}, "wrong_type"),
        ({"seed": 7}, "missing_field"),
        ({"prompt": "x", "colour": "red"}, "unknown_field"),
    ],
)
def test_an_invalid_direct_request_gets_a_problem_document(
    function: Function, event: dict[str, Any], code: str
) -> None:
    answer = function(event)
    assert (answer["status"], answer["code"]) == (422, code)
    assert answer["instance"] == f"urn:imagegen:request:{Context().aws_request_id}"


@pytest.mark.parametrize(
    ("make", "message", "waited_s"),
    [
        (lambda: api_event({"prompt": "x"}), "generated", 1.0),
        (lambda: api_event({"prompt": "x"}, headers={"Idempotency-Key": "k"}), "generated", 1.0),
        (lambda: api_event({"prompt": "x"}, headers={"Accept": "image/png"}), "generated", 1.0),
        (lambda: {"prompt": "x"}, "generated", 1.0),
        (lambda: {"prompt": "x", "idempotency_key": "k"}, "generated", 1.0),
        (lambda: {"warmup": True}, "warmed", 1.25),
    ],
)
def test_the_log_says_why_a_request_waited_for_the_model(
    function: Function, printed: Callable[[], str], make: Callable[[], dict[str, Any]], message: str, waited_s: float
) -> None:
    """The load takes one second and each step a quarter. A warm-up loads what its one step loads, too."""
    time = SleptTime()
    generator.container.stopwatch = time.monotonic
    function.engine.during = lambda _step: time.sleep(0.25)
    answer = function(make())
    (line,) = [json.loads(line) for line in printed().splitlines() if f'"message":"{message}"' in line]
    assert (line["cold_start_cause"], line["cold_start_ms"]) == ("new_environment", 1000 * waited_s)
    assert line["cold_start_usd"] == float(generator.container.pricing.usd(waited_s)) > 0
    assert "new_environment" not in json.dumps(answer)


def test_the_base_path_of_a_custom_domain_is_ignored(function: Function) -> None:
    event = api_event({"prompt": "a red circle"}) | {"path": "/images/generate"}
    assert function(event)["statusCode"] == 200


def test_provisioned_concurrency_loads_the_model_during_init(
    monkeypatch: pytest.MonkeyPatch, bucket: str, printed: Callable[[], str], tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency")
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    spec = importlib.util.find_spec("imagegen.entrypoints.generator")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert f"{tmp_path}/demo/openvino/manifest.json is missing" in printed()


def test_a_missing_bucket_is_a_retryable_503(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator.container.image_store, "_bucket", "another-bucket")
    answer = function.generate(seed=7)
    assert outcome(answer) == (503, "storage_unavailable")
    assert answer["multiValueHeaders"]["Retry-After"] == ["5"]


def test_a_crash_is_a_500_without_its_message(function: Function, printed: Callable[[], str]) -> None:
    def crash(_: int) -> None:
        raise ZeroDivisionError("canary-secret")

    function.engine.during = crash
    for answer in (function.generate(), function({"prompt": "x"})):
        assert outcome(answer) == (500, "internal_error")
        assert "canary" not in json.dumps(answer)
    text = printed()
    assert "ZeroDivisionError" in text
    assert "canary" not in text


def test_prompts_and_keys_are_in_no_log_or_metric(function: Function, printed: Callable[[], str]) -> None:
    canary = "canary-4711"
    bodies: list[dict[str, Any]] = [
        {"prompt": canary, "seed": 1}, {"prompt": canary, "seed": 1}, {"prompt": canary * 200}, {"prompt": [canary]},
        {"prompt": canary, "model": canary}, {"prompt": canary, "scheduler": canary},
        {"prompt": canary, "seed": canary},
        {"prompt": canary, "negative_prompt": canary, "metadata": {canary: canary}},
    ]  # fmt: skip
    for each in bodies:
        event = api_event(each, headers={"x-api-key": canary, "Authorization": f"Bearer {canary}"})
        event["requestContext"]["identity"]["apiKey"] = canary
        function(event)
        function(dict(each))
    function(api_event(f'{{"prompt": "{canary}",'.encode()))
    text = printed()
    assert text.count("\n") > 2 * len(bodies)
    assert canary not in text


def test_failures_are_counted_and_logged_with_route_and_code(function: Function, printed: Callable[[], str]) -> None:
    function.generate(seed=-1)
    text = printed()
    (metrics,) = [json.loads(line) for line in text.splitlines() if '"_aws"' in line]
    assert (metrics["Requests"], metrics["Refusals"]) == ([1.0], [1.0])
    (line,) = [json.loads(line) for line in text.splitlines() if '"failed"' in line]
    assert (line["route"], line["code"], line["status"]) == ("POST /generate", "out_of_range", 422)


def test_a_missing_model_is_a_503_and_its_path_is_only_logged(
    resources: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, printed: Callable[[], str]
) -> None:
    monkeypatch.setattr(generator, "container", container_of(resources, models_dir=tmp_path))
    answers = [
        generator.handler(api_event({"prompt": "a red circle"}), Context()),
        generator.handler({"warmup": True}, Context()),
    ]
    assert [outcome(answer) for answer in answers] == [(503, "model_unavailable")] * 2
    assert "Retry-After" not in answers[0]["multiValueHeaders"]
    assert str(tmp_path) not in json.dumps(answers)
    lines = [json.loads(line) for line in printed().splitlines() if '"failed"' in line]
    assert lines[0]["cause"] == f"{tmp_path}/demo/openvino/manifest.json is missing"
