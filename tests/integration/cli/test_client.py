"""The client against a server on this machine; only its sleeping is recorded instead of done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imagegen_cli.client import Client
from imagegen_cli.credential import api_key
from imagegen_cli.deadline import Deadline
from imagegen_cli.destination import Destination
from imagegen_cli.documents import Job, Result
from imagegen_cli.downloads import save_images
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.profile import Profile
from tests.support.api_server import HTML, JOB_ID, ApiServer, Reply, document, problem, serving

KEY = "key-that-must-not-be-shown"


@dataclass
class Caller:
    """A client whose clock is moved by its sleeping alone."""

    server: ApiServer
    timeout: float | None = None
    slept: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def client(self) -> Client:
        deadline = Deadline(self.timeout, clock=lambda: sum(self.slept))
        return Client(Profile(None, self.server.api, api_key(KEY)), deadline, self.notes.append, self.slept.append)


@pytest.fixture
def caller(server: ApiServer) -> Caller:
    return Caller(server)


def ends(call: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as raised:
        call()
    assert KEY not in raised.value.text()
    return raised.value


def test_retry_after_is_obeyed(caller: Caller) -> None:
    caller.server.on("GET", "/models", problem("rate_limited", retry_after="7"), problem("overloaded", retry_after="3"),
        document(200, {"default": "demo", "models": []}))  # fmt: skip
    assert caller.client.models().value.default == "demo"
    assert caller.slept == [7, 3]
    assert caller.notes == ["rate_limited: next try in 7 s", "overloaded: next try in 3 s"]


@pytest.mark.parametrize(
    ("reply", "exit_code", "slept"),
    [
        (problem("rate_limited", retry_after="2"), ExitCode.THROTTLED, [2, 2, 2, 2]),
        (problem("quota_exceeded", retry_after="86400"), ExitCode.THROTTLED, []),
        (problem("overloaded", retry_after="1"), ExitCode.SERVICE_FAILED, [1, 1, 1, 1]),
        (problem("model_unavailable"), ExitCode.SERVICE_FAILED, []),
        (problem("internal_error"), ExitCode.SERVICE_FAILED, []),
        (problem("invalid_token"), ExitCode.KEY_REFUSED, []),
        (Reply(502, b"<html>"), ExitCode.SERVICE_FAILED, [0.5, 1, 2, 4]),
        (Reply(0, resets=True), ExitCode.UNREACHABLE, [0.5, 1]),
        (HTML, ExitCode.SERVICE_FAILED, []),
        (Reply(302, headers={"location": "/elsewhere"}), ExitCode.SERVICE_FAILED, []),
        (document(200, []), ExitCode.SERVICE_FAILED, []),
        (Reply(200, b"{" + b" " * 17_000_000 + b"}"), ExitCode.SERVICE_FAILED, []),
        (Reply(200, b"{}" * 40, sends=10), ExitCode.UNREACHABLE, [0.5, 1]),
    ],
    ids=[
        "429", "quota", "503", "503-for-good", "500", "401", "502", "reset", "html", "redirect", "list",
        "huge", "truncated",
    ],
)  # fmt: skip
def test_tries_end(caller: Caller, reply: Reply, exit_code: ExitCode, slept: list[float]) -> None:
    caller.server.on("GET", "/models", reply)
    failure = ends(lambda: caller.client.models())
    assert (failure.exit_code, caller.slept) == (exit_code, slept)
    assert len(caller.server.received) == len(slept) + 1


def test_a_quota_says_when_it_is_over(caller: Caller) -> None:
    caller.server.on("GET", "/models", problem("quota_exceeded", retry_after="86400"))
    failure = ends(lambda: caller.client.models())
    assert failure.document()["retry_after"] == 86400
    assert failure.detail.endswith("Next try: in 86400 s.")


def test_a_wait_beyond_the_timeout_is_not_begun(caller: Caller) -> None:
    caller.timeout = 5
    caller.server.on("GET", "/models", problem("rate_limited", retry_after="6"))
    assert ends(lambda: caller.client.models()).exit_code is ExitCode.THROTTLED
    assert caller.slept == []


def test_the_first_request_in_progress_is_waited_for_longer_than_a_failure(caller: Caller) -> None:
    busy = [problem("idempotency_in_progress", retry_after="2")] * 14
    caller.server.on("POST", "/generate", *busy, document(200, caller.server.result()))
    assert isinstance(caller.client.generate({"prompt": "x"}, "k", wait=True).value, Result)
    assert caller.slept == [2] * 14
    assert {each.headers["idempotency-key"] for each in caller.server.received} == {"k"}


def test_a_job_is_looked_at_as_often_as_the_service_allows(caller: Caller) -> None:
    running = caller.server.job("job_running")
    caller.server.on("GET", f"/jobs/{JOB_ID}", document(200, running, retry_after="3"), document(200, running),
        document(200, running, retry_after="300"), document(200, running, retry_after="0"),
        document(200, caller.server.job()))  # fmt: skip
    looks: list[Job] = []
    assert caller.client.wait(JOB_ID, looks.append).value.has_succeeded
    assert caller.slept == [3, 2, 300, 0.1]
    assert [job.status for job in looks] == ["running"] * 4 + ["succeeded"]


def test_waiting_ends_at_the_timeout(caller: Caller) -> None:
    caller.timeout = 10
    caller.server.on("GET", f"/jobs/{JOB_ID}", document(200, caller.server.job("job_running"), retry_after="8"))
    assert ends(lambda: caller.client.wait(JOB_ID, lambda job: None)).exit_code is ExitCode.TIMEOUT
    assert caller.slept == [8, 2]


def test_waiting_survives_half_a_minute_without_a_network(caller: Caller) -> None:
    lost = [Reply(0, resets=True)] * 6
    caller.server.on("GET", f"/jobs/{JOB_ID}", *lost, document(200, caller.server.job()))
    assert caller.client.wait(JOB_ID, lambda job: None).value.has_succeeded
    assert caller.slept == [0.5, 1, 2, 4, 8, 16]


@pytest.fixture
def other() -> Iterator[ApiServer]:
    with serving(ApiServer()) as running:
        yield running


def test_a_redirect_does_not_carry_the_key_to_another_host(caller: Caller, other: ApiServer) -> None:
    caller.server.on("GET", "/models", Reply(307, headers={"location": f"{other.api}/models"}))
    assert ends(lambda: caller.client.models()).exit_code is ExitCode.SERVICE_FAILED
    assert other.received == []


def test_a_download_may_be_redirected_and_has_no_key(caller: Caller, other: ApiServer, tmp_path: Path) -> None:
    other.result()
    result = Result.model_validate(caller.server.result())
    caller.server.on("GET", "/images/0.png", Reply(307, headers={"location": f"{other.url}/images/0.png"}))
    (path,) = save_images(caller.client, result, Destination(tmp_path, is_folder=True))
    assert path.is_file()
    assert [each.headers.get("x-api-key") for each in caller.server.received + other.received] == [None, None]


def test_a_failed_download_does_not_show_the_signature(caller: Caller, tmp_path: Path) -> None:
    sent = caller.server.result()
    sent["images"][0]["url"] += "?X-Amz-Signature=0a1b"
    for reply in (Reply(404), Reply(0, resets=True)):
        caller.server.on("GET", "/images/0.png?X-Amz-Signature=0a1b", reply)
        failure = ends(lambda: save_images(caller.client, Result.model_validate(sent), Destination(tmp_path, True)))
        assert "0a1b" not in failure.text()
    assert list(tmp_path.iterdir()) == []
