"""R12 on moto, and the leaks that it finds."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from imagegen.authorizer_wiring import AuthorizerContainer
from imagegen.entrypoints import api, authorizer
from imagegen.settings import AuthorizerSettings
from tests.support.job_handlers import JobHandlers
from tools.faults.crossings import Answer, Crossings

Leak = Callable[[Any, Answer], Answer]


@pytest.fixture
def crossed(handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch) -> Callable[[Leak], dict[str, Any]]:
    """Return R12's figures of an Api whose answers to some requests are replaced."""
    container = AuthorizerContainer(AuthorizerSettings(table_name=handlers.world.container.settings.table_name))
    monkeypatch.setattr(authorizer, "container", container)

    def figures(leak: Leak) -> dict[str, Any]:
        return Crossings(3, Random(1), lambda event, context: leak(event, api.handler(event, context))).run()

    return figures


def test_another_tenants_jobs_keys_and_uploads_do_not_exist(crossed: Callable[[Leak], dict[str, Any]]) -> None:
    figures = crossed(lambda _, answer: answer)
    assert figures["holds"], json.dumps(figures)  # pytest shortens a dict
    assert figures["routes"] == 7
    jobs, keys, uploads = 4, 3, 4
    assert figures["requests"] == 2 * (5 * (8 + jobs + keys) + 2 * 2 * uploads)


def test_a_leak_is_found(crossed: Callable[[Leak], dict[str, Any]]) -> None:
    """An answer to an id of a known form that differs by its status, a header or a word; a list of everything."""

    def forbidden(event: Any, answer: Answer) -> Answer:
        given = event["pathParameters"] or {}
        is_id = len(given.get("job_id", "")) == 26 and event["httpMethod"] == "DELETE"
        return answer | {"statusCode": 403} if answer["statusCode"] == 404 and is_id else answer

    def another_word(event: Any, answer: Answer) -> Answer:
        given = event["pathParameters"] or {}
        is_old = given.get("key_id", "").startswith("KEY")
        return answer | {"body": answer["body"].replace("no key", "no such key")} if is_old else answer

    def everything(event: Any, answer: Answer) -> Answer:
        return answer | {"body": json.dumps({"tenants": ["alice", "bob"]})} if event["path"] == "/me" else answer

    def another_field(event: Any, answer: Answer) -> Answer:
        sent = base64.b64decode(event["body"] or "")
        is_kept = b"input_" in sent and b"input_0000" not in sent
        return answer | {"body": answer["body"].replace("image_invalid", "not_found")} if is_kept else answer

    assert {each.split(":")[0] for each in crossed(another_field)["different"]} == {"POST /jobs"}
    assert crossed(forbidden)["different"]
    assert {each.partition("/")[0] for each in crossed(another_word)["different"]} == {"DELETE ", "POST "}
    assert crossed(everything)["listed"] == ["/me: bob", "/me: alice"]
