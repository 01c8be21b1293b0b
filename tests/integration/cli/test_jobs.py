from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.cli.conftest import CommandLine
from tests.support.api_server import JOB_ID, PICTURE, ApiServer, document, example, problem


def test_a_page_is_listed_with_whole_ids_and_how_to_see_more(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/jobs?status=queued&limit=2", document(200, example("jobs") | {"cursor": "c1"}))
    done = ready.run("jobs", "--status", "queued", "--limit", "2")
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split() == ["JOB", "STATUS", "CREATED", "TOOK", "RESULT"]
    assert [row.split()[:2] for row in rows] == [[JOB_ID, "queued"], [JOB_ID, "succeeded"]]
    assert "2.0 s" in rows[1]
    assert "--cursor c1" in done.stderr


def test_json_is_the_page_as_sent(ready: CommandLine, server: ApiServer) -> None:
    page = example("jobs") | {"cursor": "a&b"}
    server.on("GET", "/jobs?cursor=x%26y", document(200, page))
    done = ready.run("jobs", "--cursor", "x&y", "--json")
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, page, "")


def test_all_follows_the_cursors_also_over_empty_pages(ready: CommandLine, server: ApiServer) -> None:
    first, last = example("jobs")["jobs"]
    server.on("GET", "/jobs?limit=100", document(200, {"jobs": [first], "cursor": "1"}))
    server.on("GET", "/jobs?limit=100&cursor=1", document(200, {"jobs": [], "cursor": "2"}))
    server.on("GET", "/jobs?limit=100&cursor=2", document(200, {"jobs": [last], "cursor": None}))
    done = ready.run("jobs", "--all", "--json")
    assert json.loads(done.stdout) == {"jobs": [first, last], "cursor": None}
    assert [parse_qs(urlsplit(path).query).get("cursor") for path in server.paths("GET")] == [None, ["1"], ["2"]]


def test_no_jobs_is_said(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/jobs", document(200, {"jobs": [], "cursor": None}))
    assert ready.run("jobs").stdout == "No jobs.\n"


@pytest.mark.parametrize("name", ["job_queued", "job_running", "job_failed", "job_cancelled", "job_succeeded"])
def test_a_look_at_a_job_succeeds_however_the_job_ended(ready: CommandLine, server: ApiServer, name: str) -> None:
    server.on("GET", f"/jobs/{JOB_ID}", document(200, server.job(name)))
    done = ready.run("job", JOB_ID)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"job {JOB_ID}, {server.job(name)['status']}")
    assert ready.files() == []


@pytest.mark.parametrize(("name", "exit_code"), [("job_succeeded", 0), ("job_failed", 10), ("job_cancelled", 11)])
def test_after_waiting_the_job_s_end_is_the_exit_code(
    ready: CommandLine, server: ApiServer, name: str, exit_code: int
) -> None:
    running = document(200, server.job("job_running"), retry_after="0")
    server.on("GET", f"/jobs/{JOB_ID}", running, document(200, server.job(name)))
    done = ready.run("job", JOB_ID, "--wait", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (exit_code, server.job(name))
    assert [json.loads(line)["exit_code"] for line in done.stderr.splitlines()] == [exit_code] * bool(exit_code)


def test_out_downloads_the_images_of_a_job(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", f"/jobs/{JOB_ID}", document(200, server.job()))
    done = ready.run("job", JOB_ID, "--out", "star.png", "--json")
    assert json.loads(done.stdout) == server.job() | {"files": ["star.png"]}
    assert (ready.folder / "star.png").read_bytes() == PICTURE


def test_a_cancelled_job_is_said_in_words(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", f"/jobs/{JOB_ID}", document(200, server.job("job_cancelled")))
    assert "Error: The job was cancelled." in ready.run("job", JOB_ID, "--wait").stderr.splitlines()


def test_a_job_is_cancelled(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", f"/jobs/{JOB_ID}/cancel", document(200, server.job("job_cancelled")))
    done = ready.run("cancel", JOB_ID, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, server.job("job_cancelled"))


def test_a_final_job_is_not_cancelled(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", f"/jobs/{JOB_ID}/cancel", problem("job_already_final"))
    done = ready.run("cancel", JOB_ID)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"Error: 409 job_already_final: {example('job_already_final')['detail']}")


@pytest.mark.parametrize("job_id", ["", "..", "../models", "a/b", "%2e%2e", "x" * 65])
@pytest.mark.parametrize("command", ["job", "cancel"])
def test_an_id_that_would_be_another_path_is_not_sent(
    ready: CommandLine, server: ApiServer, command: str, job_id: str
) -> None:
    assert ready.run(command, job_id).returncode == 2
    assert server.received == []


def test_models_are_listed_with_their_limits(ready: CommandLine, server: ApiServer) -> None:
    server.on("GET", "/models", document(200, example("models")))
    done = ready.run("models")
    assert done.returncode == 0, done.stderr
    assert "demo (default)" in done.stdout
    assert "ddim, euler, euler_ancestral, dpm_multistep" in done.stdout
    assert json.loads(ready.run("models", "--json").stdout) == example("models")
