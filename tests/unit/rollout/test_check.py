"""What a new version must do before it has traffic."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from imagegen.access import tenant
from imagegen.errors import FunctionBusy
from imagegen.generation.request import GenerateRequest
from imagegen.moderation.prompt_rules import PromptRules
from imagegen.moderation.word_lists import packaged
from imagegen.rollout.check import DRAWING, FORBIDDEN, Expected, RolloutCheck
from imagegen.rollout.ports import Answer
from imagegen.rollout.warm_up import Warmed
from tests.unit.rollout.test_picture import SIZE, file_of, gradient, with_chunk

ARN = "arn:aws:lambda:us-east-1:111122223333:function:generator:8"
PICTURE = file_of(gradient())
SIGNED = with_chunk(PICTURE, b"caBX", b"a manifest")
KEY = f"images/{tenant.LOCAL}/abc/0-def.png"


def result(data: bytes = PICTURE, url: str = f"https://bucket.s3.amazonaws.com/{KEY}?X=1", **changed: Any) -> Any:
    image = {
        "url": url,
        "width": SIZE[0],
        "height": SIZE[1],
        "sha256": hashlib.sha256(data).hexdigest(),
        "content_credentials": data is SIGNED,
    }
    return {"status": "succeeded", "images": [image | changed]}


class Generator:
    """A version: its answers to a request, to a forbidden one, and to pings."""

    def __init__(self, drawn: Any, refused: Any = None, raised: str = ""):
        self._drawn, self._raised = drawn, raised
        self._refused = {"status": 422, "code": "moderation_blocked"} if refused is None else refused
        self.pings = 0

    def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        assert function == ARN, "the version, not the alias"
        if "warmup" in event:
            self.pings += 1
            return Answer({"status": "warm", "environment": str(self.pings), "cold_start": False})
        return Answer(self._drawn, self._raised) if event == DRAWING else Answer(self._refused)


class Bucket:
    def __init__(self, **files: bytes):
        self._files = files or {KEY: PICTURE}

    def read(self, key: str) -> bytes | None:
        return self._files.get(key)


def problem(
    generator: Generator,
    files: Bucket | None = None,
    *,
    signed: bool = False,
    moderated: bool = True,
    environments: int = 0,
    warmed: list[Warmed] | None = None,
) -> str | None:
    report = [] if warmed is None else warmed
    check = RolloutCheck(generator, files or Bucket(), Expected(signed, moderated), environments, report.append, print)
    return check.problem("Generator", ARN)


@pytest.mark.parametrize(
    "url",
    [
        f"https://bucket.s3.us-east-1.amazonaws.com/{KEY}?X-Amz-Signature=/images/other",
        f"http://127.0.0.1:4599/bucket/{KEY}?X-Amz-Signature=1",
        f"https://images.example.com/{KEY}?Expires=1&Signature=/images/other&Key-Pair-Id=K",
    ],
)
def test_a_version_that_draws_and_refuses_has_no_problem(url: str) -> None:
    assert problem(Generator(result(url=url))) is None


@pytest.mark.parametrize(
    ("drawn", "raised", "found"),
    [
        ({"status": 503, "code": "model_unavailable"}, "", "draws nothing: model_unavailable"),
        ({"errorMessage": "x"}, "Runtime exited with error: signal: killed", "draws nothing: Runtime exited"),
        (None, "", "draws nothing: no answer"),
        (result(sha256="0" * 64), "", "not the one of the result"),
        (result(width=64), "", "it has (32, 24) pixels instead of (64, 24)"),
        (result(content_credentials=True), "", "content_credentials=True"),
        (result(url="https://bucket.s3.amazonaws.com/images/other.png"), "", "not in the bucket"),
    ],
)
def test_what_a_version_draws_wrongly_is_named(drawn: Any, raised: str, found: str) -> None:
    assert found in str(problem(Generator(drawn, raised=raised)))


def test_a_picture_of_one_color_is_a_problem() -> None:
    black = file_of(gradient().point(lambda _: 0))
    assert "one color" in str(problem(Generator(result(black)), Bucket(**{KEY: black})))


def test_a_deployment_that_signs_needs_a_signed_picture() -> None:
    assert problem(Generator(result(SIGNED)), Bucket(**{KEY: SIGNED}), signed=True) is None
    assert "content_credentials=False" in str(problem(Generator(result()), signed=True))
    unsigned = Generator(result(content_credentials=True))
    assert "it is not signed" in str(problem(unsigned, signed=True))


def test_a_version_that_does_not_judge_prompts_is_a_problem() -> None:
    blind = Generator(result(), refused={"status": 422, "code": "unknown_scheduler"})
    assert problem(blind) == "Generator does not refuse a forbidden prompt: unknown_scheduler"
    assert problem(blind, moderated=False) is None


def test_the_forbidden_prompt_is_one_of_the_packaged_lists_and_the_other_is_not() -> None:
    rules = PromptRules(packaged())
    assert rules.category(GenerateRequest.parse(FORBIDDEN).prompt, "") is not None
    assert rules.category(GenerateRequest.parse(DRAWING).prompt, "") is None


def test_environments_are_warmed_only_of_a_version_that_may_have_traffic() -> None:
    warmed: list[Warmed] = []
    assert problem(Generator(result()), environments=3, warmed=warmed) is None
    assert [(each.wanted, each.environments) for each in warmed] == [(3, 3)]
    assert problem(Generator(None), environments=3, warmed=warmed) is not None
    assert len(warmed) == 1


def test_environments_that_could_not_be_warmed_do_not_stop_a_rollout() -> None:
    class Busy(Generator):
        def invoke(self, function: str, event: dict[str, Any]) -> Answer:
            return Answer(None, "throttled") if "warmup" in event else super().invoke(function, event)

    warmed: list[Warmed] = []
    assert problem(Busy(result()), environments=2, warmed=warmed) is None
    assert warmed == [Warmed(wanted=2, environments=0, cold=0, failures={"throttled": 2})]


@pytest.mark.parametrize(
    ("function", "answer", "passes"),
    [
        ("Worker", Answer({"statusCode": 400}), True),
        ("Worker", Answer({"errorMessage": "1 validation error for Settings"}, "1 validation error"), False),
        ("Api", Answer({"statusCode": 200}), True),
        ("Api", Answer({"statusCode": 500}), False),
        ("Authorizer", Answer({"errorMessage": "Unauthorized"}, "Unauthorized"), True),
        ("Authorizer", Answer({"errorMessage": "auth_unavailable"}, "auth_unavailable"), False),
        ("Authorizer", Answer({"principalId": "anyone"}), False),
        ("Sweeper", Answer({"swept": 0, "given_up": 0, "released": 0}), True),
        ("Sweeper", Answer(None, "Task timed out after 55.00 seconds"), False),
    ],
)
def test_other_functions_must_answer_their_probe(function: str, answer: Answer, passes: bool) -> None:
    class Function:
        def invoke(self, version: str, event: dict[str, Any]) -> Answer:
            return answer

    check = RolloutCheck(Function(), Bucket(), Expected(signed=False, moderated=True), 0, print, print)
    found = check.problem(function, "arn:1")
    assert (found is None) is passes
    if found:
        assert found.startswith(f"{function} does not answer as it should: ")


@pytest.mark.parametrize(("function", "passes"), [("Worker", True), ("Webhooks", True), ("Api", False)])
def test_a_backlog_of_a_queue_blocks_no_deployment(function: str, passes: bool) -> None:
    class Busy:
        def invoke(self, version: str, event: dict[str, Any]) -> Answer:
            raise FunctionBusy(private="Lambda: ClientError TooManyRequestsException")

    unchecked: list[str] = []
    check = RolloutCheck(Busy(), Bucket(), Expected(signed=False, moderated=True), 0, print, unchecked.append)
    if passes:
        assert check.problem(function, "arn:1") is None
        assert unchecked == [function]
    else:
        with pytest.raises(FunctionBusy):
            check.problem(function, "arn:1")
        assert unchecked == []
