from __future__ import annotations

from typing import Any

import pytest

from imagegen_cli.access_documents import Identity, KeyList, NewKey, Usage
from imagegen_cli.documents import Job, JobPage, ModelList, Result, parse
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from tests.support.api_server import example


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Result, "result"), (JobPage, "jobs"), (ModelList, "models"), (Job, "job_queued"), (Job, "job_running"),
        (Job, "job_succeeded"), (Job, "job_failed"), (Job, "job_cancelled"),
        (Identity, "me"), (Usage, "usage"), (KeyList, "keys"), (NewKey, "new_key"),
    ],
)  # fmt: skip
def test_every_example_of_the_contract_is_read_and_kept_as_sent(kind: type[Any], name: str) -> None:
    sent = example(name) | {"member_of_a_later_version": {"a": 1}}
    answer = parse(kind, sent)
    assert isinstance(answer.value, kind)
    assert answer.raw == sent


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"images": []}, "images"), ({"id": "../../etc/passwd"}, "id"), ({"id": "a\n"}, "id"), ({"id": ""}, "id"),
        ({"images": [example("result")["images"][0] | {"url": "file:///etc/passwd"}]}, "images.0.url"),
        ({"images": [example("result")["images"][0] | {"url": "https://[::1"}]}, "images.0.url"),
        ({"cost": None}, "cost"),
    ],
)  # fmt: skip
def test_a_result_that_cannot_be_used_is_the_service_s_fault(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(Failure, match=f"not that of this API: {where}: ") as raised:
        parse(Result, example("result") | changes)
    assert raised.value.exit_code is ExitCode.SERVICE_FAILED


@pytest.mark.parametrize("document", [[], None, "x", {}])
def test_another_document_is_the_service_s_fault(document: object) -> None:
    with pytest.raises(Failure, match="not that of this API"):
        parse(Job, document)
