"""The API client obeys Retry-After."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tools.local.client import ApiError, Client
from tools.local.endpoint import Endpoint

Answer = tuple[int, dict[str, Any], dict[str, str]]
"""Status, body and headers."""
QUEUED: Answer = (202, {"id": "1", "status": "queued"}, {"Retry-After": "3"})
RUNNING: Answer = (200, {"id": "1", "status": "running"}, {"Retry-After": "7"})
DONE: Answer = (200, {"id": "1", "status": "succeeded", "result": {"images": []}}, {})
LIMITED: Answer = (429, {"code": "rate_limited", "detail": ""}, {"Retry-After": "1"})
USED_UP: Answer = (429, {"code": "quota_exceeded", "detail": ""}, {"Retry-After": "86400"})
DOWN: Answer = (503, {"code": "storage_unavailable", "detail": ""}, {"Retry-After": "5"})


@dataclass
class Api:
    """An HTTP server on this machine that returns the given answers in turn."""

    answers: list[Answer]
    requests: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    @contextmanager
    def client(self) -> Iterator[Client]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                api.requests.append(self.command)
                status, body, headers = api.answers.pop(0)
                content = json.dumps(body).encode()
                self.send_response(status)
                kind = "application/problem+json" if status >= 400 else "application/json"
                for name, value in {"content-type": kind, "content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield Client(Endpoint(f"http://127.0.0.1:{server.server_port}", "key"), sleep=self.slept.append)
        finally:
            server.shutdown()
            server.server_close()


def test_polls_are_as_far_apart_as_the_api_says() -> None:
    api = Api([QUEUED, RUNNING, RUNNING, DONE])
    with api.client() as client:
        assert client.generate({"prompt": "a"}) == {"images": []}
    assert (api.requests, api.slept) == (["POST", "GET", "GET", "GET"], [3, 7, 7])


def test_a_throttled_request_is_repeated_and_a_job_survives_throttled_polls() -> None:
    api = Api([LIMITED, QUEUED, LIMITED, DOWN, DONE])
    with api.client() as client:
        assert client.generate({"prompt": "a"}) == {"images": []}
    assert api.slept == [1, 3, 1, 5]


@pytest.mark.parametrize(("method", "answer"), [("POST", DOWN), ("GET", USED_UP), ("POST", USED_UP)])
def test_what_is_not_safe_or_takes_too_long_is_not_repeated(method: str, answer: Answer) -> None:
    api = Api([answer])
    with api.client() as client, pytest.raises(ApiError) as raised:
        client.call(method, "/generate")
    assert (raised.value.problem["code"], api.slept) == (answer[1]["code"], [])


def test_a_request_that_is_always_throttled_fails_in_the_end() -> None:
    api = Api([LIMITED] * 5)
    with api.client() as client, pytest.raises(ApiError):
        client.call("GET", "/jobs")
    assert (len(api.requests), api.slept) == (5, [1] * 4)


@pytest.mark.parametrize(("status", "accepted"), [(200, True), (401, False), (404, False), (502, False)])
def test_a_stack_that_does_not_know_the_key_is_not_the_one_of_the_endpoint_file(status: int, accepted: bool) -> None:
    with Api([(status, {"code": "", "detail": ""}, {})]).client() as client:
        assert client.accepted() is accepted


def test_an_address_where_nothing_listens_is_no_stack() -> None:
    with Api([]).client() as client:
        pass
    assert (client.accepted(), client.healthy()) == (False, False)
