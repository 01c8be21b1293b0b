"""Prompts that are blocked, on every way into the service, on the table, queue and bucket of the template."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest

from imagegen import __version__
from imagegen.access import tenant
from imagegen.entrypoints import generator
from imagegen.limits.quota import Amount, month_of
from imagegen.limits.rate_limit import RatePolicy
from imagegen.limits.tenant_limits import TenantLimits
from imagegen.moderation.word_lists import packaged
from imagegen.settings import Settings
from imagegen.wiring import Container
from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, JobHandlers, body, header
from tools.lambda_event import Context

ALICE = tenant.of_api_key("key-of-alice")
CANARY = "canary4711"
FORBIDDEN: dict[str, Any] = {"prompt": f"{CANARY} n u d e woman", "seed": 7}
MODERATION = {"code": "moderation_blocked", "stage": "prompt", "category": "sexual"}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def records(text: str) -> list[dict[str, Any]]:
    return [line for line in lines(text) if line.get("message") == "moderation_blocked"]


def assert_untouched(handlers: JobHandlers) -> None:
    """Nothing is drawn, stored, queued or reserved."""
    world = handlers.world
    assert world.engine.generations == 0
    assert world.messages() == []
    assert [str(row["pk"]) for row in world.items("") if not str(row["pk"]).startswith("RATE#")] == []
    assert boto3.client("s3").list_objects_v2(Bucket=world.resources["Bucket"])["KeyCount"] == 0


@pytest.mark.parametrize(
    "headers", [{}, {"Idempotency-Key": "k"}, {"Prefer": "respond-async"}, {"Accept": "image/png"}]
)
def test_post_generate_refuses_before_any_work(handlers: JobHandlers, headers: dict[str, str]) -> None:
    answer = handlers.call("POST", "/generate", FORBIDDEN, headers=headers)
    assert outcome(answer) == (422, "moderation_blocked")
    assert body(answer).items() >= MODERATION.items()
    assert [each["field"] for each in body(answer)["errors"]] == ["prompt"]
    assert CANARY not in answer["body"]
    assert_untouched(handlers)
    committed = handlers.world.container.quotas.committed(ALICE, month_of(handlers.world.clock()))
    assert committed == Amount()


def test_post_jobs_refuses_at_submission(handlers: JobHandlers) -> None:
    answer = handlers.submit(FORBIDDEN)
    assert outcome(answer) == (422, "moderation_blocked")
    assert body(answer).items() >= MODERATION.items()
    assert_untouched(handlers)


@pytest.mark.parametrize("more", [{}, {"idempotency_key": "k"}])
def test_a_direct_invocation_is_judged(handlers: JobHandlers, more: dict[str, str]) -> None:
    problem = generator.handler(FORBIDDEN | more, Context())
    assert problem["status"] == 422
    assert problem.items() >= MODERATION.items()
    assert_untouched(handlers)


def test_a_block_counts_for_the_rate_limit(handlers: JobHandlers) -> None:
    handlers.world.limits = TenantLimits({"drawing": RatePolicy("drawing", 0.5, 1)})
    first, second = (handlers.call("POST", "/generate", FORBIDDEN) for _ in range(2))
    assert (outcome(first), header(first, "RateLimit")) == ((422, "moderation_blocked"), '"drawing";r=0;t=2')
    assert outcome(second) == (429, "rate_limited")


def test_pictures_are_not_read_for_a_forbidden_prompt(handlers: JobHandlers) -> None:
    assert outcome(handlers.submit(FORBIDDEN | {"image": "not base64"})) == (422, "moderation_blocked")


def test_an_unknown_model_is_reported_first_and_not_recorded(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    assert outcome(handlers.submit(FORBIDDEN | {"model": CANARY})) == (404, "model_not_found")
    assert CANARY not in printed()


def test_a_job_that_is_older_than_the_lists_is_judged_by_its_worker(
    handlers: JobHandlers, printed: Callable[[], str]
) -> None:
    job = handlers.world.submit(ALICE, **FORBIDDEN)
    handlers.run_queued_jobs()
    failed = body(handlers.call("GET", f"/jobs/{job.job_id}"))
    assert failed["status"] == "failed"
    assert failed["error"].items() >= MODERATION.items()
    assert handlers.world.engine.generations == 0
    (record,) = records(printed())
    assert (record["job_id"], record["model"], record["tenant"]) == (job.job_id, "demo", ALICE)


def test_the_audit_record_and_the_metrics_have_no_prompt(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    handlers.call("POST", "/generate", FORBIDDEN)
    handlers.submit(FORBIDDEN | {"negative_prompt": CANARY, "metadata": {CANARY: CANARY}})
    generator.handler(FORBIDDEN, Context())
    text = printed()
    assert CANARY not in text
    found = records(text)
    assert [record["tenant"] for record in found] == [ALICE, ALICE, "local"]
    for record in found:
        expected = {"model": "demo", "stage": "prompt", "category": "sexual"}
        assert record.items() >= expected.items()
        assert record["decided_by"] == packaged().version
        assert record["version"] == __version__, "that of the service, as in every line"
    assert all("request_id" in record for record in found[:2])
    counted = [line for line in lines(text) if "ModerationBlocked" in line]
    assert [(line["ModerationBlocked"], line["category"]) for line in counted] == [([1.0], "sexual")] * 3


def test_without_lists_requests_are_503_and_jobs_wait(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    world = handlers.world
    queued = world.submit(ALICE)
    place = f"s3://{world.resources['Bucket']}/moderation/lists.json"
    other = Container(Settings(bucket_name=world.resources["Bucket"], moderation_lists=place))
    other.clock = world.clock
    world.container.prompt_judge = other.prompt_judge
    world.container.job_runner = replace(world.runner, judge=other.prompt_judge)
    for answer in (handlers.call("POST", "/generate", PROMPT), handlers.submit()):
        assert outcome(answer) == (503, "moderation_unavailable")
        assert header(answer, "Retry-After") == "30"
    handlers.run_queued_jobs()
    waiting = world.get(queued)
    assert (waiting.state, waiting.aws_failures) == ("queued", 1)
    assert world.engine.generations == 0
    counted = [number for line in lines(printed()) for number in line.get("ModerationUnavailable", [])]
    assert sum(counted) == 4, "three refused requests and runs, and one failed attempt to read the lists"
    document = json.dumps({"version": "2", "categories": {"shapes": ["red circle"]}})
    boto3.client("s3").put_object(Bucket=world.resources["Bucket"], Key="moderation/lists.json", Body=document.encode())
    world.clock.pass_s(30)
    answer = handlers.submit()
    assert outcome(answer) == (422, "moderation_blocked")
    assert body(answer)["category"] == "shapes"


def test_a_stack_without_moderation_draws_what_is_asked_for(handlers: JobHandlers) -> None:
    handlers.world.container.prompt_judge = Container(Settings(moderation=False)).prompt_judge
    assert handlers.submit(FORBIDDEN)["statusCode"] == 202
