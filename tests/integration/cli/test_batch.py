"""`imagegen batch` against a server on this machine: what is drawn, paid and kept, however the command ends."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from imagegen_cli.batch.command import run_batch
from imagegen_cli.credential import api_key
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.profile import Profile
from tests.integration.cli.conftest import KEY, CommandLine
from tests.support.api_server import JOB_ID, PICTURE, Received, Reply, document, example, problem, serving
from tests.support.batch_server import BatchServer, write_batch
from tests.support.pictures import file, noise


@pytest.fixture
def batch_server() -> Iterator[BatchServer]:
    server = BatchServer()
    with serving(server, lambda request: server.reply(request)):
        yield server


class Batch:
    """Runs a batch within this process, in a folder of its own."""

    def __init__(self, folder: Path, server: BatchServer, capsys: pytest.CaptureFixture[str]):
        self.folder = folder
        self.file = folder / "prompts.jsonl"
        self.out = folder / "out"
        self.server = server
        self.summary: dict[str, Any] = {}
        self._capsys = capsys

    def run(self, *requests: dict[str, Any], concurrency: int = 2, timeout: float | None = None) -> dict[str, Any]:
        """Return the summary. Raises Failure, after which `summary` has it."""
        if requests:
            write_batch(self.file, *requests)
        profile = Profile(None, self.server.api, api_key(KEY))
        self._capsys.readouterr()
        try:
            run_batch(self.file, self.out, concurrency, profile, timeout, as_json=True)
        finally:
            said = self._capsys.readouterr()
            assert said.err == ""
            self.summary = json.loads(said.out) if said.out else {}
        return self.summary

    def fails(self, *requests: dict[str, Any], **options: Any) -> Failure:
        with pytest.raises(Failure) as raised:
            self.run(*requests, **options)
        return raised.value

    def entries(self) -> dict[int, dict[str, Any]]:
        found = [json.loads(row) for row in (self.out / "results.jsonl").read_text().splitlines()]
        assert len({entry["idempotency_key"] for entry in found}) == len(found)
        return {entry["line"]: entry for entry in found}

    def images(self) -> list[str]:
        return sorted(path.name for path in self.out.iterdir() if path.name[0] == "0")


@pytest.fixture
def batch(tmp_path: Path, batch_server: BatchServer, capsys: pytest.CaptureFixture[str]) -> Batch:
    return Batch(tmp_path, batch_server, capsys)


def prompts(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"picture {number}", "seed": number, **fields} for number in range(1, count + 1)]


def test_each_line_is_drawn_and_its_receipt_summed(batch: Batch) -> None:
    summary = batch.run(*prompts(3), {"prompt": "two", "seed": 7, "num_images_per_prompt": 2})
    assert batch.images() == ["00001-1.png", "00002-2.png", "00003-3.png", "00004-7.png", "00004-8.png"]
    assert all((batch.out / name).read_bytes() == PICTURE for name in batch.images())
    assert summary == {
        "results": str(batch.out / "results.jsonl"), "lines": 4, "earlier": 0, "succeeded": 4, "failed": 0,
        "images": 5, "seconds": pytest.approx(4 * 0.382), "usd": pytest.approx(4 * 8.885e-05), "cached": 0, "left": 0,
    }  # fmt: skip
    entry = batch.entries()[4]
    assert (entry["files"], entry["seed"], entry["images"]) == (["00004-7.png", "00004-8.png"], 7, 2)
    assert batch.server.sent[entry["idempotency_key"]] == {"prompt": "two", "seed": 7, "num_images_per_prompt": 2}


def test_a_thousand_lines_are_paid_once_though_every_tenth_response_is_lost_and_every_seventh_throttled(
    batch: Batch,
) -> None:
    def fault(request: Received, attempt: int) -> Reply | None:
        return problem("rate_limited", retry_after="0") if attempt == 1 and request.json["seed"] % 7 == 0 else None

    def lost(request: Received, attempt: int) -> Reply | None:
        return Reply(0, resets=True) if attempt == 1 and request.json["seed"] % 10 == 0 else None

    batch.server.fault, batch.server.lost = fault, lost
    summary = batch.run(*prompts(1000), concurrency=16)
    assert (summary["succeeded"], summary["images"]) == (1000, 1000)
    assert summary["usd"] == pytest.approx(1000 * 8.885e-05)
    assert (
        len(batch.images()) == len(batch.entries()) == len(batch.server.billed) == batch.server.billed.total() == 1000
    )


def test_a_second_run_sends_nothing(batch: Batch) -> None:
    first = batch.run(*prompts(3))
    requests = len(batch.server.received)
    assert batch.run() == first | {"earlier": 3}
    assert len(batch.server.received) == requests


def test_lines_that_were_added_moved_or_edited_are_told_apart(batch: Batch) -> None:
    one, two = prompts(2)
    batch.run(one, two)
    summary = batch.run({"prompt": "new", "seed": 1}, two, one, {**two, "prompt": "edited"})
    assert (summary["earlier"], summary["succeeded"], batch.server.billed.total()) == (2, 4, 4)
    assert "00001-1.png" in batch.images()
    assert len(batch.images()) == 4  # the image of the new first line does not overwrite that of the old one


def test_equal_lines_are_drawn_as_often_as_they_are_there(batch: Batch) -> None:
    batch.run(*[{"prompt": "x"}] * 3)
    assert (batch.server.billed.total(), len(batch.images())) == (3, 3)


def test_another_folder_is_another_batch(batch: Batch) -> None:
    batch.run(*prompts(1))
    batch.out = batch.folder / "again"
    batch.run()
    assert batch.server.billed.total() == 2


def test_failed_lines_are_repeated_only_if_they_may_pass(batch: Batch) -> None:
    bad = {1: problem("out_of_range"), 2: problem("internal_error"), 3: problem("generation_failed")}
    batch.server.fault = lambda request, _: bad.get(request.json["seed"])
    failure = batch.fails(*prompts(4))
    assert (failure.exit_code, batch.summary["failed"]) == (ExitCode.JOB_FAILED, 3)
    entries = batch.entries()
    assert [entries[line]["error"]["code"] for line in (1, 2, 3)] == [
        "out_of_range",
        "internal_error",
        "generation_failed",
    ]
    assert [entries[line].get("retryable") for line in (1, 2, 3, 4)] == [False, True, False, None]
    assert entries[1]["error"]["errors"] == example("out_of_range")["errors"]
    bad.clear()
    requests = len(batch.server.received)
    batch.fails()
    assert (batch.summary["succeeded"], batch.summary["failed"]) == (2, 2)
    assert [each.json["seed"] for each in batch.server.received[requests:]] == [2]


def test_work_that_becomes_a_job_is_waited_for(batch: Batch) -> None:
    server = batch.server
    batch.server.fault = lambda request, _: document(202, server.job("job_queued"), retry_after="0")
    running = document(200, server.job("job_running"), retry_after="0")
    server.on("GET", f"/jobs/{JOB_ID}", running, document(200, server.job()))
    assert batch.run(*prompts(1))["succeeded"] == 1
    assert batch.entries()[1]["id"] == JOB_ID


def test_a_job_that_fails_is_the_error_of_its_line(batch: Batch) -> None:
    server = batch.server
    batch.server.fault = lambda request, _: document(202, server.job("job_queued"), retry_after="0")
    server.on("GET", f"/jobs/{JOB_ID}", document(200, server.job("job_failed")))
    batch.fails(*prompts(1))
    entry = batch.entries()[1]
    assert (entry["id"], entry["error"]["code"]) == (JOB_ID, server.job("job_failed")["error"]["code"])


def test_a_bad_line_is_named_before_anything_is_sent(batch: Batch) -> None:
    batch.file.write_text('{"prompt": "a"}\n{"prompt": \n')
    failure = batch.fails()
    assert (failure.exit_code, failure.problem["errors"][0]["field"]) == (ExitCode.USAGE, "line 2")
    assert (batch.server.received, batch.out.exists()) == ([], False)


@pytest.mark.parametrize(
    ("reply", "exit_code"),
    [
        (problem("invalid_token"), ExitCode.KEY_REFUSED),
        (problem("quota_exceeded", retry_after="86400"), ExitCode.THROTTLED),
    ],
)
def test_what_no_line_can_pass_stops_the_batch(batch: Batch, reply: Reply, exit_code: ExitCode) -> None:
    batch.server.fault = lambda request, _: reply if request.json["seed"] > 2 else None
    failure = batch.fails(*prompts(40))
    assert failure.exit_code is exit_code
    assert any("repeat the command" in hint for hint in failure.hints)
    assert (batch.summary["succeeded"], batch.summary["failed"], batch.summary["left"]) == (2, 0, 38)
    assert len(batch.server.received) < 8
    batch.server.fault = lambda request, _: None
    assert batch.run()["succeeded"] == 40


def test_a_service_that_fails_every_line_stops_the_batch(batch: Batch) -> None:
    batch.server.fault = lambda request, _: problem("internal_error")
    failure = batch.fails(*prompts(100))
    assert failure.exit_code is ExitCode.SERVICE_FAILED
    assert batch.summary["left"] > 90


@pytest.mark.parametrize("status", [403, 404])
def test_images_that_are_paid_and_cannot_be_downloaded_are_fetched_by_the_next_run(batch: Batch, status: int) -> None:
    server = batch.server
    server.images = Reply(status)  # as a proxy that does not let the bucket's host through
    server.on("GET", "/jobs/job0", document(200, server.job("job_running")))
    assert batch.fails(*prompts(1), timeout=60).exit_code is ExitCode.JOB_FAILED
    entry = batch.entries()[1]
    assert (entry["error"]["status"], entry["retryable"]) == (status, True)
    server.images = Reply(200, PICTURE)
    assert batch.run()["succeeded"] == 1
    assert server.billed.total() == 1


def test_a_picture_that_was_away_for_a_while_is_sent_by_the_next_run(batch: Batch) -> None:
    photo, away = batch.folder / "photo.png", batch.folder / "away.png"
    photo.write_bytes(file(noise(), "PNG"))

    def fault(request: Received, _: int) -> None:
        if request.json["seed"] == 1:
            photo.rename(away)

    batch.server.fault = fault
    batch.fails(*prompts(2, image="photo.png"), concurrency=1)
    assert "cannot be read" in batch.entries()[2]["error"]["detail"]
    away.rename(photo)
    batch.server.fault = lambda request, _: None
    assert batch.run()["succeeded"] == 2
    assert batch.server.billed.total() == 2


@pytest.mark.parametrize("out", [None, Path("list")])
def test_a_list_without_an_extension_does_not_name_its_own_folder(
    batch: Batch, monkeypatch: pytest.MonkeyPatch, out: Path | None
) -> None:
    write_batch(batch.folder / "list", *prompts(1))
    monkeypatch.chdir(batch.folder)
    with pytest.raises(Failure, match="list is not a folder: name the folder of the images with --out") as raised:
        run_batch(Path("list"), out, 1, Profile(None, batch.server.api, api_key(KEY)), None, as_json=True)
    assert (raised.value.exit_code, batch.server.received) == (ExitCode.USAGE, [])


def test_the_timeout_ends_the_batch_and_not_what_is_done(batch: Batch) -> None:
    server = batch.server
    waiting = document(202, server.job("job_queued"), retry_after="30")
    server.on("GET", f"/jobs/{JOB_ID}", document(200, server.job("job_running"), retry_after="30"))
    batch.server.fault = lambda request, _: waiting if request.json["seed"] == 2 else None
    for seconds in (3, 12, 48):  # a busy machine needs a longer one to draw the first line
        batch.out = batch.folder / str(seconds)
        assert batch.fails(*prompts(2), timeout=seconds).exit_code is ExitCode.TIMEOUT
        if batch.summary["succeeded"]:
            break
    assert (batch.summary["succeeded"], batch.summary["left"]) == (1, 1)


def test_a_folder_that_vanishes_stops_the_batch(batch: Batch) -> None:
    def fault(request: Received, _: int) -> None:
        if request.json["seed"] == 2:
            shutil.rmtree(batch.out)

    batch.server.fault = fault
    assert batch.fails(*prompts(9), concurrency=1).exit_code is ExitCode.FILE
    assert batch.summary["left"] == 8


def test_a_full_disk_stops_the_batch_and_costs_nothing_twice(batch: Batch) -> None:
    write_batch(batch.file, *prompts(3))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(PICTURE) - 1, limits[1]))
    try:
        failure = batch.fails(concurrency=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (failure.exit_code, batch.images()) == (ExitCode.FILE, [])
    assert (batch.summary["left"], batch.server.billed.total()) == (3, 1)
    assert batch.run()["succeeded"] == 3
    assert batch.server.billed.total() == 3


def test_a_picture_of_many_lines_is_uploaded_once_and_again_when_it_has_ended(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagegen_cli.uploads.MAX_INLINE", 100)
    (batch.folder / "photo.png").write_bytes(file(noise(), "PNG"))
    server, ended = batch.server, "upload_01KAJ9X2S4QZ8W3V5N7M6K1H0G"
    forms = [example("upload") | {"id": each, "url": f"{server.url}/bucket"} for each in (ended, ended[:-1] + "H")]
    server.on("POST", "/uploads", *(document(201, form) for form in forms))
    server.on("POST", "/bucket", Reply(204))
    batch.run(*prompts(8, image="photo.png"), concurrency=4)
    assert (server.paths("POST").count("/v1/uploads"), server.paths("POST").count("/bucket")) == (1, 1)
    assert {request["image"] for request in server.sent.values()} == {ended}

    gone = problem("upload_not_found")
    server.on("POST", "/uploads", *(document(201, form) for form in forms))
    server.fault = lambda request, _: gone if request.json["image"] == ended else None
    batch.out = batch.folder / "again"
    assert batch.run()["succeeded"] == 8


def start(cli: CommandLine, server: BatchServer, *options: str) -> Any:
    cli.variables |= {"IMAGEGEN_URL": server.api, "IMAGEGEN_API_KEY": KEY}
    return cli.start("batch", "prompts.jsonl", "--out", "out", *options)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_batch_goes_on_where_it_was_and_pays_nothing_twice(
    cli: CommandLine, batch_server: BatchServer, batch: Batch, ending: signal.Signals
) -> None:
    write_batch(cli.folder / "prompts.jsonl", *prompts(12))
    batch_server.lost = lambda request, _: Reply(200, holds=True) if request.json["seed"] == 5 else None
    with start(cli, batch_server, "--concurrency", "2", "--json") as process:
        while 5 not in {each["seed"] for each in list(batch_server.sent.values())}:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(ending)
        out, err = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[ending]
    assert "Traceback" not in err
    if ending is signal.SIGINT:
        assert (json.loads(err)["code"], json.loads(out)["lines"]) == ("interrupted", 12)
    batch.out = cli.folder / "out"
    (batch.out / ".00005-5.png.4711").touch()
    with (batch.out / "results.jsonl").open("a") as results:
        results.write('{"line": 7, "idem')  # torn
    batch_server.lost = lambda request, _: None
    assert batch.run()["succeeded"] == 12
    assert (batch_server.billed.total(), len(batch.entries()), len(batch.images())) == (12, 12, 12)
    assert [path.name for path in batch.out.glob(".*")] == [".imagegen-batch"]


def test_a_terminal_has_a_bar_and_the_lines_that_failed(cli: CommandLine, batch_server: BatchServer) -> None:
    write_batch(cli.folder / "prompts.jsonl", *prompts(3))
    batch_server.fault = lambda request, _: problem("out_of_range") if request.json["seed"] == 2 else None
    cli.variables |= {"IMAGEGEN_URL": batch_server.api, "IMAGEGEN_API_KEY": KEY, "TERM": "xterm", "COLUMNS": "100"}
    reading, writing = os.openpty()
    with cli.start("batch", "prompts.jsonl", "--concurrency", "1", stderr=writing) as process:
        os.close(writing)
        shown = b""
        with suppress(OSError):  # the terminal of a process that has ended
            while chunk := os.read(reading, 4096):
                shown += chunk
    os.close(reading)
    assert process.returncode == 10
    text = shown.decode()
    assert "line 2 failed, out_of_range" in text
    assert "line 1" not in text
    assert "$0.0002, 1 failed" in text


def test_a_batch_goes_on_when_nobody_reads_its_progress_any_more(cli: CommandLine, batch_server: BatchServer) -> None:
    write_batch(cli.folder / "prompts.jsonl", *prompts(3))
    reading, writing = os.pipe()
    os.close(reading)
    cli.variables |= {"IMAGEGEN_URL": batch_server.api, "IMAGEGEN_API_KEY": KEY}
    with cli.start("batch", "prompts.jsonl", stderr=writing) as process:
        os.close(writing)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "3 of 3 lines succeeded" in out


def test_people_see_a_line_per_request_and_the_sum(cli: CommandLine, batch_server: BatchServer) -> None:
    write_batch(cli.folder / "prompts.jsonl", *prompts(2))
    batch_server.fault = lambda request, _: problem("out_of_range") if request.json["seed"] == 2 else None
    with start(cli, batch_server, "--concurrency", "1") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 10
    assert out.splitlines() == [
        "out/results.jsonl: 1 of 2 lines succeeded, 1 failed, 0 left (0 by earlier runs)",
        "  images   1, 0 lines from the cache",
        "  cost     $0.00008885 on AWS (0.4 s)",
    ]
    first, second, failure = err.splitlines()
    assert first == "1 of 2: line 1: 00001-1.png, $0.00008885"
    assert second.startswith("2 of 2: line 2 failed, out_of_range: ")
    assert failure == "Error: 1 of the lines failed; 0 of them may pass later."
