"""Exit codes, and what is on stdout and stderr, when something is wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from imagegen_cli.exit_code import ExitCode
from tests.integration.cli.conftest import KEY, CommandLine
from tests.support.api_server import HTML, JOB_ID, ApiServer, Reply, document, example, problem, serving


@pytest.mark.parametrize(
    ("reply", "exit_code", "code"),
    [
        (problem("out_of_range"), 3, "out_of_range"), (problem("invalid_token"), 4, "invalid_token"),
        (problem("model_not_found"), 5, "model_not_found"),
        (problem("quota_exceeded", retry_after="86400"), 6, "quota_exceeded"),
        (problem("model_unavailable"), 7, "model_unavailable"), (HTML, 7, "not_json"),
    ],
)  # fmt: skip
def test_a_refusal_has_its_exit_code_and_one_line_of_json(
    ready: CommandLine, server: ApiServer, reply: Reply, exit_code: int, code: str
) -> None:
    server.on("POST", "/generate", reply)
    done = ready.run("generate", "x", "--json")
    assert (done.returncode, done.stdout) == (exit_code, "")
    (line,) = done.stderr.splitlines()
    failure = json.loads(line)
    assert (failure["exit_code"], failure["code"], failure["status"]) == (exit_code, code, reply.status)
    assert code == "not_json" or failure["detail"].startswith(example(code)["detail"])
    assert code == "not_json" or failure["errors"] == example(code)["errors"]


def test_a_refusal_is_shown_as_the_service_words_it(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", problem("out_of_range"))
    done = ready.run("generate", "x")
    said = example("out_of_range")
    (error,) = said["errors"]
    assert done.stderr.splitlines() == [
        "Generating ...",
        f"Error: 422 out_of_range: {said['detail']}",
        f"  {error['field']}: {error['message']} ({error['code']})",
        f"  request id {said['request_id']}",
    ]


def test_a_refused_connection_is_said_with_how_to_repeat(cli: CommandLine) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        done = cli.run("generate", "x", "--idempotency-key", "k-1", IMAGEGEN_URL=url, IMAGEGEN_API_KEY=KEY)
    assert (done.returncode, done.stdout) == (8, "")
    assert "cannot be reached: Connection refused." in done.stderr
    assert "--idempotency-key k-1" in done.stderr


def test_a_host_that_does_not_exist_is_said(cli: CommandLine) -> None:
    done = cli.run("models", "--json", IMAGEGEN_URL="https://imagegen.invalid", IMAGEGEN_API_KEY=KEY)
    assert (done.returncode, json.loads(done.stderr)["code"]) == (8, "unreachable")


def test_a_certificate_must_be_one_that_is_trusted(cli: CommandLine) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = cli.folder / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with serving(ApiServer(), tls=context) as server:
        server.on("GET", "/models", document(200, example("models")))
        variables = {"IMAGEGEN_URL": server.api, "IMAGEGEN_API_KEY": KEY}
        refused = cli.run("models", **variables)
        assert server.received == []
        accepted = cli.run("models", **variables, SSL_CERT_FILE=str(trusted))
    assert (refused.returncode, accepted.returncode) == (8, 0)
    assert "certificate" in refused.stderr


def test_a_proxy_is_used_and_does_not_get_the_key(cli: CommandLine, server: ApiServer) -> None:
    server.on("CONNECT", "images.example.com:443", Reply(403))
    variables = {"IMAGEGEN_URL": "https://images.example.com", "IMAGEGEN_API_KEY": KEY, "HTTPS_PROXY": server.url}
    assert cli.run("models", **variables).returncode == 8
    assert {(each.method, each.path) for each in server.received} == {("CONNECT", "images.example.com:443")}
    assert KEY not in str(server.received)


def test_ctrl_c_ends_every_command_with_130(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/jobs", Reply(200, holds=True))
    with ready.start("jobs", "--json") as process:
        assert server.holding.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, json.loads(err)["code"]) == (130, "", "interrupted")


def test_a_service_that_does_not_respond_ends_the_command_at_its_timeout(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", Reply(200, holds=True))
    done = ready.times_out(server, "/v1/generate", "generate", "x", "--json")
    failure = json.loads(done.stderr)
    assert (done.returncode, failure["code"], done.stdout) == (9, "timeout", "")
    assert failure["idempotency_key"] == server.received[0].headers["idempotency-key"]


def test_a_job_that_takes_longer_than_the_timeout_goes_on(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(202, server.job("job_queued"), retry_after="60"))
    server.on("GET", f"/jobs/{JOB_ID}", document(200, server.job("job_running"), retry_after="60"))
    done = ready.times_out(server, f"/v1/jobs/{JOB_ID}", "generate", "x")
    assert done.returncode == 9
    assert f"imagegen job {JOB_ID} --wait" in done.stderr
    assert server.paths("POST") == ["/v1/generate"]


def test_ctrl_c_leaves_the_job_and_says_how_to_go_on(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(202, server.job("job_queued"), retry_after="60"))
    server.on("GET", f"/jobs/{JOB_ID}", document(200, server.job("job_running"), retry_after="60"))
    with ready.start("generate", "x", "--out", "a star.png") as process:
        assert process.stderr
        lines: list[str] = []
        while not (lines and "running" in lines[-1]):  # it waits for the job
            lines.append(process.stderr.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == [
        "Interrupted.",
        f"The job goes on. To wait for it: imagegen job {JOB_ID} --wait --out 'a star.png'",
        f"To stop it: imagegen cancel {JOB_ID}",
    ]
    assert server.paths("POST") == ["/v1/generate"]


def test_ctrl_c_before_a_response_names_the_key_of_the_request(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", Reply(200, holds=True))
    with ready.start("generate", "x", "--json") as process:
        assert server.arrived.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    failure = json.loads(err)
    assert (process.returncode, out, failure["code"]) == (130, "", "interrupted")
    assert failure["idempotency_key"] == server.received[0].headers["idempotency-key"]


def test_sigterm_during_a_download_leaves_no_draft(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(200, server.result()))
    server.on("GET", "/images/0.png", Reply(200, holds=True))
    with ready.start("generate", "x") as process:
        assert server.holding.wait(60)
        process.terminate()
        process.communicate(timeout=60)
    assert (process.returncode, ready.files()) == (143, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate"], ["generate", "x", "y"], ["generate", "x", "--widht", "3"], ["generate", "x", "--width", "wide"],
        ["generate", "x", "--out", "star.gif"], ["generate", "x", "--out", "a.png", "--output-format", "webp"],
        ["generate", "x", "--guidance-scale", "nan"], ["generate", "x", "--timeout", "0"],
        ["generate", "x", "--timeout", "nan"], ["generate", "x", "--no-wait", "--out", "a.png"],
        ["generate", "x", "--metadata", "a"], ["generate", "x", "--webhook-event", "job.failed"],
        ["nope"], ["profile"], ["models", "--profile", "nope"],
    ],
)  # fmt: skip
def test_a_usage_error_is_exit_code_2_and_sends_nothing(
    ready: CommandLine, server: ApiServer, arguments: list[str]
) -> None:
    done = ready.run(*arguments, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["code"] == "usage"
    assert server.received == []


def test_a_file_that_cannot_be_written_is_said(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(200, server.result()))
    (ready.folder / "out").mkdir()
    (ready.folder / "out" / f"{JOB_ID}.png").mkdir()
    done = ready.run("generate", "x", "--out", "out", "--json")
    failure = json.loads(done.stderr)
    assert (done.returncode, failure["code"], failure["job_id"]) == (12, "file", JOB_ID)


def test_a_closed_pipe_is_no_failure(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/models", document(200, example("models")))
    reading, writing = os.pipe()
    os.close(reading)
    process = ready.start("models", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_is_said(ready: CommandLine, server: ApiServer, options: tuple[str, ...]) -> None:
    server.on("GET", "/models", document(200, example("models")))
    full = os.open("/dev/full", os.O_WRONLY)
    process = ready.start("models", *options, stdout=full)
    os.close(full)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 12
    assert "stdout cannot be written: No space left on device." in err


def test_every_exit_code_is_documented() -> None:
    table = {
        int(row.split("|")[1]): row.split("|")[2].strip()
        for row in (Path(__file__).parents[3] / "docs" / "cli.md").read_text().splitlines()
        if row.startswith("| ") and row.split("|")[1].strip().isdigit()
    }
    assert table == {int(code): f"`{code.label}`" for code in ExitCode}
