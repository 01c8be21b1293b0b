"""`make load` and `make smoke` against a server whose answers are known."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tools.deployed.endpoint import NoEndpoint, endpoint_of
from tools.deployed.load import main
from tools.deployed.smoke import SmokeFailed, smoke
from tools.local.endpoint import Endpoint
from tools.local.load import failed, rounds

WORKING = {"GET /health": 200, "GET /me": 200, "POST /generate": 200, "POST /jobs": 202}
Serve = Callable[[dict[str, int]], AbstractContextManager[Endpoint]]


@pytest.fixture
def serve() -> Serve:
    """Return a context manager of a deployment that answers each route with a status; 0: it hangs up."""

    @contextmanager
    def served(statuses: dict[str, int]) -> Iterator[Endpoint]:
        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                status = statuses[f"{self.command} {self.path}"]
                if status:
                    self.send_response(status)
                    self.send_header("content-length", "2")
                    self.end_headers()
                    self.wfile.write(json.dumps({}).encode())

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=server.serve_forever).start()
        try:
            yield Endpoint(f"http://127.0.0.1:{server.server_port}", "key")
        finally:
            server.shutdown()
            server.server_close()

    return served


def test_requests_that_succeed_are_counted_by_route(serve: Serve) -> None:
    left = iter([True, True, False])
    with serve(WORKING) as endpoint:
        outcomes = rounds(endpoint, lambda: next(left))
    assert outcomes == {f"ok {route} {status}": 3 for route, status in WORKING.items()}
    assert failed(outcomes) == 0


@pytest.mark.parametrize(
    ("status", "told"), [(503, "503"), (500, "500"), (401, "401"), (404, "404"), (0, "Connection")]
)
def test_a_failed_request_is_counted_with_its_route(serve: Serve, status: int, told: str) -> None:
    with serve(WORKING | {"POST /generate": status}) as endpoint:
        outcomes = rounds(endpoint, lambda: False)
    assert failed(outcomes) == 1
    (outcome,) = [each for each in outcomes if each.startswith("FAILED")]
    assert outcome.startswith(f"FAILED POST /generate {told}")


def test_a_refusal_by_a_limit_is_no_failure(serve: Serve) -> None:
    with serve(WORKING | {"POST /generate": 429}) as endpoint:
        outcomes = rounds(endpoint, lambda: False)
    assert failed(outcomes) == 0
    assert outcomes["refused POST /generate 429"] == 1


@pytest.mark.parametrize(
    ("statuses", "problem"),
    [
        ({"GET /health": 503}, "GET /health is not 200"),
        ({"GET /health": 0}, "GET /health: ConnectionError"),
        ({"GET /me": 200}, "a wrong key is not refused with 401"),
        ({"GET /me": 503}, "a wrong key is not refused with 401"),
        ({"GET /me": 401}, "imagegen me ends with "),
    ],
)
def test_the_smoke_test_names_what_is_wrong(
    serve: Serve, statuses: dict[str, int], problem: str, tmp_path: Path
) -> None:
    with serve(WORKING | statuses) as endpoint, pytest.raises(SmokeFailed) as raised:
        smoke(endpoint, tmp_path, lambda line: None)
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    "arguments",
    [["--callers=0"], ["--callers=101"], ["--callers=x"], ["--minutes=0"], ["--minutes=-1"], ["--minutes=nan"]],
)
def test_a_number_of_callers_or_minutes_that_makes_no_sense_is_refused(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["load", "imagegen-dev", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_an_address_without_a_key_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", "https://api.example.com/v1")
    monkeypatch.delenv("API_KEY", raising=False)
    with pytest.raises(NoEndpoint, match="API_KEY is missing"):
        endpoint_of("imagegen-dev")
