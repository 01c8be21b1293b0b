"""Events of sources that a function does not serve: a clear refusal, no crash, and nothing of the event in the log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.support.foreign_events import FOREIGN_EVENTS
from tests.support.handlers import ENTRYPOINTS, wired_handlers
from tools.lambda_event import Context, api_event

CANARY: Final = "canary-4711"
SUPPORTED: Final = {
    "Generator": "proxy events of an API Gateway REST API and direct invocations",
    "Api": "proxy events of an API Gateway REST API,",
    "Worker": "events of an SQS queue",
    "DeadLetters": "events of an SQS queue",
    "Webhooks": "events of an SQS queue",
}
SQS_FUNCTIONS: Final = ("Worker", "DeadLetters", "Webhooks")


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with wired_handlers():
        yield


def with_canary(event: Any) -> Any:
    """Return the event with a canary in every string, and in the strings only."""
    if isinstance(event, dict):
        return {name: with_canary(value) for name, value in event.items()}
    if isinstance(event, list):
        return [with_canary(value) for value in event]
    return event + CANARY if isinstance(event, str) and not event.startswith("aws:") else event


def call(function: str, event: object) -> dict[str, Any]:
    answer: dict[str, Any] = ENTRYPOINTS[function].handler(event, Context())
    return answer


@pytest.mark.parametrize("name", FOREIGN_EVENTS)
@pytest.mark.parametrize("function", SUPPORTED)
def test_every_foreign_event_gets_a_400_that_http_sources_understand(
    function: str, name: str, printed: Callable[[], str]
) -> None:
    event = FOREIGN_EVENTS[name]
    if name == "SQS" and function in SQS_FUNCTIONS:
        return
    answer = call(function, with_canary(event))
    assert (answer["statusCode"], answer["statusDescription"]) == (400, "400 Bad Request")
    assert answer["headers"]["content-type"] == "application/problem+json"
    problem = json.loads(answer["body"])
    assert (problem["code"], problem["status"]) == ("unsupported_event", 400)
    assert SUPPORTED[function] in problem["detail"]
    assert CANARY not in answer["body"] + printed()


@pytest.mark.parametrize("name", [name for name in FOREIGN_EVENTS if name != "SQS"])
def test_the_sweeper_ignores_what_its_event_contains(name: str, printed: Callable[[], str]) -> None:
    swept = call("Sweeper", with_canary(FOREIGN_EVENTS[name]))
    assert swept == {"swept": 0, "given_up": 0, "webhooks": 0, "released": 0}
    assert CANARY not in printed()


@pytest.mark.parametrize("function", SQS_FUNCTIONS)
def test_an_api_event_is_refused_by_the_functions_of_queues(function: str) -> None:
    assert call(function, api_event({"prompt": "a red circle"}))["statusCode"] == 400


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"body": {"prompt": "a red circle"}, "isBase64Encoded": False}, 400, "malformed_json"),
        ({"body": "a", "isBase64Encoded": True}, 400, "malformed_json"),
        ({"body": None}, 400, "malformed_json"),
        ({"headers": None, "multiValueHeaders": None}, 415, "unsupported_media_type"),
        ({"resource": "/jobs/{job_id}", "pathParameters": None}, 404, "route_not_found"),
        ({"resource": "/{proxy+}", "pathParameters": {"proxy": "generate"}}, 404, "route_not_found"),
        ({"requestContext": {}}, 401, "invalid_token"),
        ({"requestContext": {"authorizer": None}}, 401, "invalid_token"),
        ({"requestContext": {"authorizer": "alice"}}, 401, "invalid_token"),
        ({"headers": []}, 415, "unsupported_media_type"),
        ({"headers": ["Accept"]}, 400, "unsupported_event"),
        ({"httpMethod": None}, 400, "unsupported_event"),
    ],
)
def test_an_incomplete_api_event_gets_a_problem_document(change: dict[str, Any], status: int, code: str) -> None:
    event = api_event({"prompt": "a red circle"}) | change
    if change.get("headers") == []:
        event["multiValueHeaders"] = None
    answer = call("Generator", event)
    problem = json.loads(answer["body"])
    assert (answer["statusCode"], problem["code"]) == (status, code)
    assert problem["request_id"]
    if status == 401:
        assert answer["multiValueHeaders"]["WWW-Authenticate"] == ['Bearer realm="imagegen", ApiKey realm="imagegen"']
        assert problem["errors"] == []
