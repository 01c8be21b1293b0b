"""Prompts that are blocked, on every way into the service, on the table, queue and bucket of the template."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from imagegen.entrypoints import generator
from imagegen.limits.quota import month_of
from imagegen.policy.ports import PromptJudge
from imagegen.policy.prompt_check import NoPromptCheck
from tests.support.expectations import outcome
from tests.support.handlers import use_container
from tests.support.job_handlers import PROMPT, JobHandlers, body
from tests.support.job_world import JobWorld
from tools.faults.job_backend import container_of
from tools.lambda_event import Context

CANARY = "canary4711"
FORBIDDEN = {"prompt": f"{CANARY} n u d e woman", "seed": 7}
MODERATION = {"stage": "prompt", "category": "sexual"}


def documents(text: str, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if name in (line.get("message"), *line)]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}, {"Prefer": "respond-async"}, {"Accept": "image/png"}])
def test_post_generate_refuses_before_any_work(handlers: JobHandlers, headers: dict[str, str]) -> None:
    answer = handlers.call("POST", "/generate", FORBIDDEN, headers=headers)
    assert outcome(answer) == (422, "moderation_blocked")
    problem = json.loads(answer["body"])
    assert problem.items() >= MODERATION.items()
    assert [each["field"] for each in problem["errors"]] == ["prompt"]
    assert CANARY not in answer["body"]
    assert_untouched(handlers)


def test_post_jobs_refuses_at_submission(handlers: JobHandlers) -> None:
    answer = handlers.submit(FORBIDDEN)
    assert outcome(answer) == (422, "moderation_blocked")
    assert body(answer).items() >= MODERATION.items()
    assert_untouched(handlers)


@pytest.mark.parametrize("more", [{}, {"idempotency_key": "k"}])
def test_a_direct_invocation_is_judged(handlers: JobHandlers, more: dict[str, str]) -> None:
    problem = generator.handler(FORBIDDEN | more, Context())
    assert (problem["status"], problem["code"]) == (422, "moderation_blocked")
    assert problem.items() >= MODERATION.items()
    assert_untouched(handlers)


def test_an_upload_is_not_read_for_a_forbidden_prompt(handlers: JobHandlers) -> None:
    unknown = {"image": "upload_01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    assert outcome(handlers.submit(FORBIDDEN | unknown)) == (422, "moderation_blocked")


def test_an_unknown_model_is_reported_first_and_not_recorded(
    handlers: JobHandlers, printed: Callable[[], str]
) -> None:
    assert outcome(handlers.submit(FORBIDDEN | {"model": CANARY})) == (404, "model_not_found")
    assert CANARY not in printed()


def test_a_job_that_was_queued_before_the_lists_forbade_it_fails(
    world: JobWorld, handlers: JobHandlers, printed: Callable[[], str]
) -> None:
    judge = world.container.prompt_judge
    world.container.prompt_judge = NoPromptCheck()
    job = body(handlers.submit(FORBIDDEN))
    world.container.__dict__["job_runner"] = replaced(world, judge)
    handlers.run_queued_jobs()
    failed = body(handlers.call("GET", f"/jobs/{job['id']}"))
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "moderation_blocked"
    assert failed["error"].items() >= MODERATION.items()
    assert world.engine.generations == 0
    (record,) = documents(printed(), "moderation_blocked")
    assert (record["job_id"], record["model"]) == (job["id"], "demo")


def test_the_job_of_an_idempotency_key_that_failed_so_is_replayed_with_its_category(
    world: JobWorld, handlers: JobHandlers
) -> None:
    judge = world.container.prompt_judge
    world.container.prompt_judge = NoPromptCheck()
    request = {"headers": {"Idempotency-Key": "k", "Prefer": "respond-async"}}
    handlers.call("POST", "/generate", FORBIDDEN, **request)
    world.container.__dict__["job_runner"] = replaced(world, judge)
    handlers.run_queued_jobs()
    answer = handlers.call("POST", "/generate", FORBIDDEN, headers={"Idempotency-Key": "k"})
    assert outcome(answer) == (422, "moderation_blocked")
    assert body(answer).items() >= MODERATION.items()


def test_the_audit_record_and_the_metrics_have_no_prompt(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    handlers.call("POST", "/generate", FORBIDDEN)
    handlers.submit(FORBIDDEN | {"negative_prompt": CANARY, "metadata": {CANARY: CANARY}})
    generator.handler(FORBIDDEN, Context())
    text = printed()
    assert CANARY not in text
    records = documents(text, "moderation_blocked")
    assert len(records) == 3
    for record in records:
        assert record.items() >= (MODERATION | {"model": "demo", "version": "2026-11-27", "job_id": None}).items()
    assert {record["tenant"] for record in records} == {handlers_tenant(records), "local"}
    assert len({record["request_id"] for record in records[:2]}) >= 1
    by_category = [each for each in documents(text, "ModerationBlocked") if each.get("category") == "sexual"]
    assert len(by_category) == 3


def test_lists_that_cannot_be_read_are_a_503_and_a_job_waits_for_them(
    resources: dict[str, str], monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str]
) -> None:
    place = f"s3://{resources['Bucket']}/moderation/lists.json"
    world = JobWorld(resources)
    queued = world.submit()
    world.container = container_of(resources, moderation_lists=place, clock=world.clock)
    world.container.engines = world.engines
    use_container(monkeypatch, world.container)
    handlers = JobHandlers(world, monkeypatch)
    for answer in (handlers.call("POST", "/generate", PROMPT), handlers.submit()):
        assert outcome(answer) == (503, "moderation_unavailable")
        assert answer["multiValueHeaders"]["Retry-After"] == ["30"]
    assert world.container.job_runner.run(queued.tenant, queued.job_id, plenty()) is not None
    waiting = world.get(queued)
    assert (waiting.state, waiting.aws_failures) == ("queued", 1)
    assert world.engine.generations == 0
    assert len(documents(printed(), "ModerationUnavailable")) >= 3
    lists = json.dumps({"version": "2", "categories": {"shapes": ["red circle"]}})
    boto3.client("s3").put_object(Bucket=resources["Bucket"], Key="moderation/lists.json", Body=lists.encode())
    world.clock.pass_s(30)
    answer = handlers.submit()
    assert outcome(answer) == (422, "moderation_blocked")
    assert body(answer)["category"] == "shapes"


def test_a_stack_without_moderation_draws_what_is_asked_for(
    resources: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = JobWorld(resources)
    world.container = container_of(resources, moderation=False, clock=world.clock)
    world.container.engines = world.engines
    handlers = JobHandlers(world, monkeypatch)
    assert handlers.submit(FORBIDDEN)["statusCode"] == 202


def assert_untouched(handlers: JobHandlers) -> None:
    """Nothing is drawn, stored, queued or reserved."""
    world = handlers.world
    assert world.engine.generations == 0
    assert world.messages() == []
    rows = boto3.resource("dynamodb").Table(world.resources["Table"]).scan()["Items"]
    assert [row for row in rows if not str(row["pk"]).startswith("RATE#")] == []
    assert boto3.client("s3").list_objects_v2(Bucket=world.resources["Bucket"])["KeyCount"] == 0
