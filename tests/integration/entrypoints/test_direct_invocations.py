"""Direct invocations with an idempotency_key: what an SDK's retries return, and how many images they draw."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen.entrypoints import generator
from imagegen.errors import GenerationTimeout, GenerationTooLong
from tests.support.expectations import outcome
from tests.support.job_handlers import PROMPT, JobHandlers, body
from tools.lambda_event import Context

KEYED = {**PROMPT, "num_images_per_prompt": 4, "idempotency_key": "order-17"}


def invoke(event: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = generator.handler(event, Context())
    return answer


def test_a_retry_returns_the_first_result_and_draws_nothing(handlers: JobHandlers) -> None:
    first, again = invoke(KEYED), invoke(KEYED)
    assert (first["status"], len(first["images"])) == ("succeeded", 4)
    assert [again["id"], again["timings"]] == [first["id"], first["timings"]]
    assert [image["sha256"] for image in again["images"]] == [image["sha256"] for image in first["images"]]
    assert handlers.world.engine.generations == 1


def test_without_a_key_a_retry_without_a_seed_draws_again(handlers: JobHandlers) -> None:
    unkeyed = {name: value for name, value in KEYED.items() if name != "idempotency_key"}
    assert invoke(unkeyed)["id"] != invoke(unkeyed)["id"]
    assert handlers.world.engine.generations == 2


def test_a_retry_while_the_first_invocation_runs_is_told_so(handlers: JobHandlers) -> None:
    during: list[dict[str, Any]] = []
    handlers.world.engine.during = lambda step: during.append(invoke(KEYED)) if step in (1, 7, 16) else None
    first = invoke(KEYED)
    assert [outcome(answer) for answer in during] == [(409, "idempotency_in_progress")] * 3
    assert (handlers.world.engine.generations, invoke(KEYED)["id"]) == (1, first["id"])


def test_a_run_that_does_not_fit_continues_in_a_worker_and_its_result_is_there(handlers: JobHandlers) -> None:
    def time_is_up(_: int) -> None:
        raise GenerationTimeout

    handlers.world.engine.during = time_is_up
    for _ in range(2):
        assert outcome(invoke(KEYED)) == (409, "idempotency_in_progress")
    assert handlers.world.engine.generations == 1
    handlers.world.engine.during = lambda _: None
    handlers.run_queued_jobs()
    assert invoke(KEYED)["status"] == "succeeded"
    assert len(handlers.world.items("BILL#")) == 1


def test_a_failed_job_is_reported_like_the_first_time(handlers: JobHandlers) -> None:
    def too_long(_: int) -> None:
        raise GenerationTooLong

    handlers.world.engine.during = too_long
    assert [outcome(invoke(KEYED)) for _ in range(2)] == [(504, "generation_timeout")] * 2
    assert handlers.world.engine.generations == 1


def test_a_crash_is_repeated_by_a_worker(handlers: JobHandlers) -> None:
    def crash(_: int) -> None:
        raise ZeroDivisionError

    handlers.world.engine.during = crash
    assert outcome(invoke(KEYED)) == (409, "idempotency_in_progress")
    handlers.world.engine.during = lambda _: None
    handlers.run_queued_jobs()
    assert invoke(KEYED)["status"] == "succeeded"
    assert handlers.world.engine.generations == 2


@pytest.mark.parametrize("change", [{"seed": 7}, {"prompt": "a blue star"}, {"num_images_per_prompt": 3}])
def test_a_key_belongs_to_one_request(handlers: JobHandlers, change: dict[str, Any]) -> None:
    invoke(KEYED)
    assert outcome(invoke(KEYED | change)) == (422, "idempotency_key_reuse")
    assert handlers.world.engine.generations == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "ü", "a\nb", None, 1, True, ["a"], {}])
def test_an_invalid_key_is_rejected_with_the_name_of_the_field(handlers: JobHandlers, key: object) -> None:
    answer = invoke(KEYED | {"idempotency_key": key})
    assert outcome(answer) == (400, "idempotency_key_invalid")
    assert [each["field"] for each in answer["errors"]] == ["idempotency_key"]
    assert "1 to 255 printable ASCII characters" in answer["detail"]
    assert handlers.world.engine.generations == 0


def test_the_field_exists_only_for_direct_generations(handlers: JobHandlers) -> None:
    assert outcome(handlers.call("POST", "/generate", KEYED)) == (422, "unknown_field")
    assert outcome(handlers.submit(KEYED)) == (422, "unknown_field")
    assert outcome(invoke({"warmup": True, "idempotency_key": "a"})) == (422, "unknown_field")
    assert outcome(invoke({"idempotency_key": "a"})) == (422, "missing_field")


def test_the_key_of_a_direct_invocation_is_not_the_one_of_a_caller(handlers: JobHandlers) -> None:
    direct = invoke(PROMPT | {"idempotency_key": "order-17"})
    answer = handlers.call("POST", "/generate", PROMPT, headers={"Idempotency-Key": "order-17"})
    assert (answer["statusCode"], body(answer)["id"] != direct["id"]) == (200, True)
    assert [each["id"] for each in body(handlers.call("GET", "/jobs"))["jobs"]] == [body(answer)["id"]]
