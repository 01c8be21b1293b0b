"""The check of a new version, with the real handler and the demo model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from imagegen.aws.objects import S3Objects
from imagegen.entrypoints import generator
from imagegen.rollout.check import Expected, RolloutCheck
from imagegen.rollout.ports import Answer
from tests.support.handlers import wired_handlers
from tools.lambda_event import Context

pytestmark = pytest.mark.model


class InProcess:
    """Lambda, for Generator: events and answers are JSON."""

    def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        return Answer(json.loads(json.dumps(generator.handler(json.loads(json.dumps(event)), Context()))))


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with wired_handlers():
        yield


@pytest.mark.parametrize("signed", [False, True])
def test_the_check_passes_what_the_demo_model_draws_and_notices_a_missing_signature(signed: bool) -> None:
    files = S3Objects(generator.container.settings.bucket_name)
    check = RolloutCheck(InProcess(), files, Expected(signed=signed, moderated=True), 1, lambda warmed: None, print)
    problem = check.problem("Generator", "generator:1")
    assert problem == ("the result says content_credentials=False" if signed else None)
