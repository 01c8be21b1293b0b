"""Every log line about a job names the job and the request that created it, in whichever function, and no other's."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from imagegen import job_log, telemetry
from imagegen.entrypoints import api, generator, webhooks, worker
from imagegen.errors import StorageUnavailable
from imagegen.generation import speed_estimate
from imagegen.jobs.message import VERSION, JobMessage
from imagegen.origin import Origin
from imagegen.telemetry import logger
from imagegen.webhooks.delivery import WebhookSender
from tests.conftest import ROOT
from tests.support.job_faults import unavailable
from tests.support.job_handlers import HOOK, PROMPT, JobHandlers, body, header
from tests.support.log_lines import ids, lines, request_id, sent, submitted, trace
from tests.support.webhook_world import Retries, Secrets, StubClient
from tools.lambda_event import Context, api_event

Printed = Callable[[], str]


def crash(_: int) -> None:
    raise ValueError("canary")


def test_each_line_of_a_run_names_its_job_and_no_line_another(handlers: JobHandlers, printed: Printed) -> None:
    expected = [submitted(handlers, number) for number in range(3)]
    old = handlers.world.submit("0123456789abcdef", seed=9)  # without a request, as those of earlier versions
    assert [ids(line) for line in lines(printed(), "submitted")][:3] == expected
    before = len(lines(printed()))
    handlers.run_queued_jobs()
    run = lines(printed())[before:]
    assert {ids(line) for line in run} == {*expected, (old.job_id, None, None)}
    assert {line["message"] for line in run} == {"ran"}
    logger.info("after")
    assert ids(lines(printed(), "after")[0]) == (None, None, None)


def test_a_run_that_crashes_names_its_job(handlers: JobHandlers, printed: Printed) -> None:
    runner = handlers.world.container.job_runner
    object.__setattr__(runner, "on_crash", telemetry.crashed)
    handlers.world.engine.during = crash
    expected = submitted(handlers, 1)
    handlers.run_queued_jobs()
    assert [ids(line) for line in lines(printed(), "crashed", "ran")] == [expected] * 2
    assert "canary" not in printed()


def test_threads_of_a_gpu_batch_do_not_mix_their_jobs(handlers: JobHandlers, printed: Printed) -> None:
    expected = {submitted(handlers, number) for number in range(4)}
    messages = [json.dumps(message["Body"]) for message in handlers.world.messages()]
    records = [{"body": each, "attributes": {}, "receiptHandle": "r"} for each in messages]

    async def run() -> None:
        _ = (handlers.world.container.job_runner, handlers.world.container.job_queue)
        await asyncio.gather(*(worker.run_in_thread(SQSRecord(each), Context()) for each in records))  # type: ignore[arg-type]

    asyncio.run(run())
    ran = lines(printed(), "ran")
    assert {ids(line) for line in ran} == expected
    assert len(ran) == len(expected)


def test_a_run_that_cannot_start_names_the_job_of_its_message(
    handlers: JobHandlers, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, *_ = submitted(handlers, 1)
    monkeypatch.setattr(handlers.world.store, "get", unavailable)
    message = JobMessage(version=VERSION, tenant="alice", job_id=job_id).body()
    assert handlers.work(message) == ["0"]
    assert handlers.dead_letter(message) == ["0"]
    assert [ids(line) for line in lines(printed(), "failed")] == [(job_id, None, None)] * 2


@pytest.mark.parametrize(
    ("path", "seconds", "headers", "changes"),
    [
        ("/jobs", 900, {}, {}),
        ("/generate", 900, {"Prefer": "respond-async"}, {}),
        ("/generate", 0.5, {}, {}),
        ("/generate", 0.5, {"Idempotency-Key": "k"}, {}),
        ("/generate", 900, {"Idempotency-Key": "k"}, {}),
        ("/generate", 900, {}, HOOK),
    ],
)
def test_every_request_that_stores_a_job_leaves_its_ids(
    handlers: JobHandlers,
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    seconds: float,
    headers: dict[str, str | list[str]],
    changes: dict[str, Any],
) -> None:
    monkeypatch.setattr(speed_estimate, "FINISHING_SECONDS", 10.0)
    event = api_event(PROMPT | changes, path=path, **sent(1, **headers))
    handler = generator.handler if path == "/generate" else api.handler
    answer = handler(event, Context(seconds))
    expected = (body(answer)["id"], request_id(1), trace(1))
    assert header(answer, "x-request-id") == request_id(1)
    about = lines(printed(), "submitted", "became a job", "generated")
    assert {ids(line) for line in about} == {expected}
    assert "submitted" in {line["message"] for line in about}
    (job,) = handlers.world.items("JOB#")
    assert json.loads(job["origin"]) == {"request_id": request_id(1), "trace_id": trace(1)}
    if job["state"] == "queued":  # otherwise it was run in place
        handlers.run_queued_jobs()
        assert [ids(line) for line in lines(printed(), "ran")] == [expected]


def test_a_repeated_request_stores_nothing_and_changes_no_ids(handlers: JobHandlers, printed: Printed) -> None:
    for number in range(2):
        handlers.call("POST", "/jobs", PROMPT, **sent(number, **{"Idempotency-Key": "k"}))
    handlers.run_queued_jobs()
    assert [line["request_id"] for line in lines(printed(), "submitted", "ran")] == [request_id(0)] * 2


def test_a_direct_invocation_names_its_job_by_lambdas_request_id(handlers: JobHandlers, printed: Printed) -> None:
    result = generator.handler({"prompt": "a red circle", "idempotency_key": "k"}, Context())
    assert [ids(line) for line in lines(printed(), "submitted")] == [(result["id"], Context().aws_request_id, None)]


@pytest.mark.parametrize(
    ("sent_header", "logged"),
    [
        (f"Root={trace(1)}", trace(1)),
        (f"Self=1-6a1b2c3d-000000000000000000000009; Root={trace(1)} ;Parent=53995c3f42cd8ad8;Sampled=1", trace(1)),
        ([f"Root={trace(1)}", f"Root={trace(1)};Sampled=0"], trace(1)),
        ([f"Root={trace(1)}", f"Root={trace(2)}"], None),
        (f"Root={trace(1)};Root={trace(2)}", None),
        (trace(1), None),
        (f"Root={trace(1)}0", None),
        (f"Root={trace(1).replace('1-', '2-', 1)}", None),
        ("Root=1-6a1b2c3d-canary", None),
        (f"Root={trace(1)}\ncanary", None),
        ("Root=\uff11-6a1b2c3d-000000000000000000000001", None),
        ("canary" * 1000, None),
        ("Root=" * 10_000, None),
        ("", None),
    ],
)
def test_only_a_valid_trace_is_stored_and_logged(
    handlers: JobHandlers, printed: Printed, sent_header: str | list[str], logged: str | None
) -> None:
    answer = handlers.call("POST", "/jobs", PROMPT, **sent(1, **{"X-Amzn-Trace-Id": sent_header}))
    (line,) = lines(printed(), "submitted")
    assert ids(line) == (body(answer)["id"], request_id(1), logged)
    assert "canary" not in printed() + str(handlers.world.items("JOB#"))


@pytest.mark.parametrize("given", [None, "", "x" * 129, "canary of two words", 'canary"\n', "canaryä", 7, ["canary"]])
def test_a_request_id_that_must_not_be_logged_is_replaced(handlers: JobHandlers, printed: Printed, given: Any) -> None:
    """A caller can choose the gateway's id, by X-Amzn-RequestId."""
    event = sent(1)
    event["requestContext"]["requestId"] = given
    answer = handlers.call("POST", "/jobs", PROMPT, **event)
    assert header(answer, "x-request-id") == Context().aws_request_id
    (line,) = lines(printed(), "submitted")
    assert line["request_id"] == Context().aws_request_id
    assert "canary" not in printed() + str(handlers.world.items("JOB#"))


def test_a_dead_letter_names_its_job(handlers: JobHandlers, printed: Printed) -> None:
    job_id, *expected = submitted(handlers, 1)
    (item,) = handlers.world.items("JOB#")
    handlers.dead_letter(JobMessage(version=VERSION, tenant=item["tenant"], job_id=job_id).body())
    handlers.dead_letter("{")
    dead = lines(printed(), "dead letter")
    assert [ids(line) for line in dead] == [(job_id, *expected), (None, None, None)]


def test_a_webhook_names_its_job_however_the_attempt_ends(
    handlers: JobHandlers, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [submitted(handlers, number, HOOK) for number in range(2)]
    handlers.run_queued_jobs()
    secrets = Secrets()
    sender = WebhookSender(
        jobs=handlers.world.store,
        render=lambda job: {"id": job.job_id},
        secrets=secrets,
        client=StubClient(),
        retries=Retries(),
        slots=handlers.world.container.webhook_slots,
        about=job_log.about,
    )
    monkeypatch.setattr(handlers.world.container, "webhook_sender", sender, raising=False)
    received = {"ApproximateReceiveCount": "1"}
    records = [
        {
            "messageId": str(index),
            "body": text,
            "eventSource": "aws:sqs",
            "receiptHandle": "r",
            "attributes": received,
        }
        for index, text in enumerate([*handlers.world.webhooks.bodies, "{"])
    ]
    webhooks.handler({"Records": records}, Context())
    attempts = lines(printed(), "webhook delivered", "webhook dead")
    assert [ids(line) for line in attempts] == [*expected, (None, None, None)]
    for failure, message in ((StorageUnavailable(), "failed"), (ValueError("canary"), "crashed")):
        monkeypatch.setattr(secrets, "get", _raising(failure))
        webhooks.handler({"Records": records[:1]}, Context())
        assert [ids(line) for line in lines(printed(), message)] == [expected[0]]
    assert "canary" not in printed()


def test_the_ids_of_a_block_end_with_it(printed: Printed) -> None:
    @job_log.one_job()
    def fail() -> None:
        job_log.about("inner")
        logger.info("inner")
        raise ValueError("failed")

    with job_log.one_job():
        job_log.about("outer", Origin("r", "t"))
        with pytest.raises(ValueError, match="failed"):
            fail()
        logger.info("outer")
    logger.info("none")
    found = {line["message"]: ids(line) for line in lines(printed(), "inner", "outer", "none")}
    assert found == {"inner": ("inner", None, None), "outer": ("outer", "r", "t"), "none": (None, None, None)}


def test_the_documented_query_asks_for_fields_that_lines_have(handlers: JobHandlers, printed: Printed) -> None:
    submitted(handlers, 1)
    handlers.run_queued_jobs()
    handlers.dead_letter("{")
    section = (ROOT / "docs" / "operations.md").read_text().split("### One job in the logs\n", 1)[1].split("\n#", 1)[0]
    asked = re.findall(r"\w+", section.split("fields @timestamp", 1)[1].split("\n", 1)[0])
    assert {"message", "job_id", "request_id", "trace_id"} <= set(asked)
    assert set(asked) - {"code", "cause"} <= {name for line in lines(printed()) for name in line}
    assert re.search(r'filter job_id = "\w+" or request_id = "[\w-]+"', section)


def _raising(error: Exception) -> Callable[[str], None]:
    def get(_: str) -> None:
        raise error

    return get
