"""Blocked pictures through the handlers: the response, the audit record, the metrics, and the bill there is none of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from imagegen import telemetry
from imagegen.entrypoints import generator
from tests.support.job_handlers import PROMPT, JobHandlers, body
from tests.support.ledger import committed, settled
from tests.support.picture_checks import ColorChecker, judge_pictures, moderation
from tests.support.scenes import as_base64
from tools.lambda_event import Context

BLOCKED_SEED = 7
SECRET = "a red circle that nobody may read"


@pytest.fixture
def checker() -> ColorChecker:
    return ColorChecker(blocks=(BLOCKED_SEED, 0, 0))


@pytest.fixture
def handlers(handlers: JobHandlers, checker: ColorChecker) -> JobHandlers:
    checks = moderation(checker)
    judge_pictures(
        handlers.world.container, type(checks)(checks.checker, checks.judges, checks.thresholds_of, telemetry)
    )
    return handlers


def ask(handlers: JobHandlers, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    return handlers.call("POST", "/generate", PROMPT | {"prompt": SECRET, **fields}, headers=headers or {})


@pytest.mark.parametrize(
    ("fields", "stage", "named"),
    [
        ({"seed": BLOCKED_SEED}, "output", []),
        ({"seed": BLOCKED_SEED, "num_images_per_prompt": 2, "output_format": "webp"}, "output", []),
        ({"seed": 1, "image": as_base64(Image.new("RGB", (128, 128), (BLOCKED_SEED, 0, 0)))}, "input", ["image"]),
    ],
)
def test_a_blocked_request_costs_nothing_and_says_what_was_judged(
    handlers: JobHandlers, printed: Callable[[], str], fields: dict[str, Any], stage: str, named: list[str]
) -> None:
    answer = ask(handlers, **fields)
    problem = body(answer)
    assert (answer["statusCode"], problem["code"]) == (422, "moderation_blocked")
    assert (problem["stage"], problem["category"]) == (stage, "sexual")
    assert [each["field"] for each in problem["errors"]] == named
    assert (handlers.world.items("BILL#"), handlers.world.items("USAGE#")) == ([], [])
    assert settled(handlers.world)
    assert committed(handlers.world).images == 0
    log = printed()
    assert SECRET not in log + json.dumps(problem)
    lines = [json.loads(line) for line in log.splitlines()]
    (record,) = (line for line in lines if line.get("message") == "moderation_blocked")
    verdict = {"stage": stage, "category": "sexual", "model": "demo", "decided_by": "colors-1"}
    assert record.items() >= verdict.items()
    assert '"ModerationBlocked":[1.0]' in log


def test_a_repeated_request_gets_the_same_verdict(handlers: JobHandlers) -> None:
    key = {"Idempotency-Key": "order-1"}
    first, second = (ask(handlers, key, seed=BLOCKED_SEED) for _ in range(2))
    assert [each["statusCode"] for each in (first, second)] == [422, 422]
    assert (body(second)["stage"], body(second)["category"]) == ("output", "sexual")
    assert second["multiValueHeaders"]["Idempotency-Replayed"] == ["true"]
    assert handlers.world.engine.generations == 1


def test_a_request_that_cannot_be_judged_is_refused(
    handlers: JobHandlers, checker: ColorChecker, printed: Callable[[], str]
) -> None:
    checker.failing = True
    answer = ask(handlers, seed=1)
    assert (answer["statusCode"], body(answer)["code"]) == (503, "moderation_unavailable")
    assert answer["multiValueHeaders"]["Retry-After"] == ["30"]
    assert handlers.world.engine.generations == 0
    assert settled(handlers.world)
    log = printed()
    assert '"ModerationUnavailable":[1.0]' in log
    assert "no networks" in log


def test_a_direct_invocation_gets_the_same_problem(handlers: JobHandlers) -> None:
    problem = generator.handler({"prompt": SECRET, "seed": BLOCKED_SEED}, Context())
    assert (problem["code"], problem["stage"], problem["category"]) == ("moderation_blocked", "output", "sexual")


def test_a_warm_up_fails_without_what_judges(handlers: JobHandlers, checker: ColorChecker) -> None:
    checker.failing = True
    assert generator.handler({"warmup": True}, Context())["code"] == "moderation_unavailable"
