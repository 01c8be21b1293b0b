from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tools.local.access_log import Message, Receive, Send, line, log_requests
from tools.local.endpoint import PROBE_AGENT

PROMPT = "a secret garden"
KEY = "0123456789abcdef"
REQUEST_ID, JOB_ID = "5f0c", "01M8BRWJBTDDR5PJSYWRQ3TEKP"


def request_of(path: str = "/v1/jobs", method: str = "POST", **headers: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": f"prompt={PROMPT}".encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }


def lines_of(scope: dict[str, Any], *sent: Message) -> list[str]:
    """Return what is logged when an application answers the request with the messages `sent`."""
    written: list[str] = []

    async def application(_: Message, receive: Receive, send: Send) -> None:
        await receive()
        for message in sent:
            await send(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": PROMPT.encode()}

    async def send(_: Message) -> None:
        pass

    async def answer() -> None:
        await log_requests(application, written.append)(scope, receive, send)

    asyncio.run(answer())
    return written


def start(status: int, **headers: str) -> Message:
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}


BODY: Message = {"type": "http.response.body", "body": PROMPT.encode()}


def test_a_request_is_one_line_with_its_ids_and_without_key_query_or_body() -> None:
    answer = start(202, X_Request_Id=REQUEST_ID, location=f"/v1/jobs/{JOB_ID}")

    (logged,) = lines_of(request_of(x_api_key=KEY), answer, BODY)

    assert logged.split()[1:4] == ["POST", "/v1/jobs", "202"]
    assert logged.endswith(f" ms request {REQUEST_ID} job {JOB_ID}")
    assert "\n" not in logged
    assert [secret for secret in (PROMPT, PROMPT.split()[1], KEY) if secret in logged] == []


@pytest.mark.parametrize(
    "scope",
    [
        request_of("/", authorization="AWS4-HMAC-SHA256 Credential=..."),
        request_of("/_ministack/ready", "GET"),
        request_of("/v1/health", "GET", user_agent=PROBE_AGENT),
        {"type": "lifespan"},
    ],
    ids=["AWS call of a function", "MiniStack's own", "probe of the tools", "not HTTP"],
)
def test_what_no_caller_sent_is_not_logged(scope: dict[str, Any]) -> None:
    assert lines_of(scope, start(200), BODY) == []


@pytest.mark.parametrize(
    "scope",
    [
        request_of("/images-bucket/images/0.png", "GET"),
        request_of("/v1/generate", authorization="Bearer token"),
        request_of("/v1/jobs", "OPTIONS"),
    ],
    ids=["image through a presigned URL", "another authorization", "preflight"],
)
def test_whatever_a_caller_sends_is_logged(scope: dict[str, Any]) -> None:
    assert len(lines_of(scope, start(200), BODY)) == 1


def test_a_caller_that_left_before_the_response_is_logged_as_such() -> None:
    (logged,) = lines_of(request_of())
    assert logged.split()[3] == "disconnected"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [(b"/v1/\x1b[31m", r"/v1/\x1b[31m"), (b"/v1/a%0ab", "/v1/a%0ab"), (b"/v1/\xff", r"/v1/\xff"), (b"/v1?x=1", "/v1")],
)
def test_a_path_cannot_write_to_the_terminal(raw: bytes, shown: str) -> None:
    assert line(request_of() | {"raw_path": raw}, start(404), 0.0).split()[2] == shown


def test_a_long_path_keeps_its_ends() -> None:
    shown = line(request_of(f"/bucket/{'x' * 5000}/demo-7.png", "GET"), start(200), 0.0)
    assert len(shown) < 150
    assert shown.split()[2].startswith("/bucket/")
    assert shown.split()[2].endswith("/demo-7.png")
