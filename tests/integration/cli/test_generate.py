from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from tests.conftest import ROOT
from tests.integration.cli.conftest import KEY, CommandLine
from tests.support.api_server import JOB_ID, PICTURE, PICTURE_REPLY, ApiServer, Reply, document, example, problem
from tests.support.pictures import file, noise


def test_an_image_is_drawn_and_written(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(200, server.result()))
    done = ready.run("generate", "a red circle", "--seed", "7", "--out", "star.png")
    assert done.returncode == 0, done.stderr
    assert (ready.folder / "star.png").read_bytes() == PICTURE
    assert ready.files() == ["star.png"]
    assert done.stdout.splitlines() == [
        "star.png",
        f"  url      {server.url}/images/0.png",
        "  seed     7",
        f"  image    128 x 128, {len(PICTURE):,} bytes",
        f"job {JOB_ID}, model demo",
        "  timings  382 ms total (queue 0, load 0, text_encode 4, denoise 310, decode 25, store 40), warm",
        "  cost     $0.00008885 on AWS (382 ms at 10,240 MB)",
        "  receipt  compute 0.00006367, lambda requests 0.0000004, api gateway requests 0.0000035, dynamodb writes "
        "0.00001125, s3 writes 0.00001, s3 storage 0.00000003",
    ]
    post, get = server.received
    assert post.json == {"prompt": "a red circle", "seed": 7, "output_format": "png"}
    assert post.headers["x-api-key"] == KEY
    assert 1 <= len(post.headers["idempotency-key"]) <= 255
    assert "x-api-key" not in get.headers


@pytest.mark.parametrize("command", ["generate", "edit"])
def test_every_field_of_the_contract_has_an_option(ready: CommandLine, server: ApiServer, command: str) -> None:
    server.on("POST", "/generate", document(200, server.result()))
    photo, mask = (file(noise(size, size), "PNG") for size in (8, 16))
    (ready.folder / "photo.png").write_bytes(photo)
    (ready.folder / "mask.png").write_bytes(mask)
    edit = "--image photo.png --mask-image mask.png --strength 0.5 --resize-mode fit" if command == "edit" else ""
    options = """--negative-prompt blurry --model demo --width 128 --height 136 --num-inference-steps 4
        --guidance-scale 1.5 --num-images-per-prompt 2 --seed 4294967295 --scheduler euler --output-format png
        --output-quality 80 --upscale 2 --background transparent --cache refresh --preview
        --metadata order=A-17 --metadata note=a=b --webhook-url https://example.com/hook --webhook-event job.failed
        --webhook-event job.succeeded"""
    done = ready.run(command, "-", *options.split(), *edit.split(), stdin="a blue star")
    assert done.returncode == 0, done.stderr
    of_an_edit = {
        "image": base64.b64encode(photo).decode(), "mask_image": base64.b64encode(mask).decode(), "strength": 0.5,
        "resize_mode": "fit",
    }  # fmt: skip
    assert server.received[0].json == (of_an_edit if edit else {}) | {
        "prompt": "a blue star", "negative_prompt": "blurry", "model": "demo", "width": 128, "height": 136,
        "num_inference_steps": 4, "guidance_scale": 1.5, "num_images_per_prompt": 2, "seed": 4294967295,
        "scheduler": "euler", "output_format": "png", "output_quality": 80, "upscale": 2, "background": "transparent",
        "cache": "refresh", "preview": True, "metadata": {"order": "A-17", "note": "a=b"},
        "webhook": {"url": "https://example.com/hook", "events": ["job.failed", "job.succeeded"]},
    }  # fmt: skip
    contract = json.loads((ROOT / "docs" / "openapi.json").read_text())["components"]["schemas"]["GenerateRequest"][
        "properties"
    ]
    assert set(server.received[0].json) == set(contract) - (set() if edit else set(of_an_edit))


def test_json_is_the_result_as_sent_and_the_files(ready: CommandLine, server: ApiServer) -> None:
    result = server.result(count=2, a_later_member=[1])
    server.on("POST", "/generate", document(200, result))
    done = ready.run("generate", "x", "-n", "2", "-o", "star.png", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == result | {"files": ["star-1.png", "star-2.png"]}
    assert ready.files() == ["star-1.png", "star-2.png"]


def test_a_terminal_that_cannot_show_a_character_is_no_failure(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(200, server.result(warnings=["\u2603 and \x1b[2J"])))
    done = ready.run("generate", "\u2603", "--out", "st\u00e4r.png", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("st\\xe4r.png\n")
    assert "  warning  \\u2603 and \\ufffd[2J" in done.stdout
    assert ready.files() == ["st\u00e4r.png"]


def test_work_that_becomes_a_job_is_waited_for(ready: CommandLine, server: ApiServer) -> None:
    running = server.job("job_running")
    server.on("POST", "/generate", document(202, server.job("job_queued"), retry_after="0"))
    looks = [document(200, running, retry_after="0")] * 2
    server.on("GET", f"/jobs/{JOB_ID}", *looks, document(200, server.job()))
    done = ready.run("generate", "x")
    assert done.returncode == 0, done.stderr
    assert ready.files() == [f"{JOB_ID}.png"]
    stages = [line for line in done.stderr.splitlines() if JOB_ID in line]
    assert [line.split(", ")[1] for line in stages] == ["queued", "running", "succeeded"]


def test_no_wait_creates_a_job(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(202, server.job("job_queued"), retry_after="3"))
    done = ready.run("generate", "x", "--no-wait", "--json", "--idempotency-key", "order-17")
    assert (done.returncode, json.loads(done.stdout), ready.files()) == (0, server.job("job_queued"), [])
    (sent,) = server.received
    assert (sent.headers["prefer"], sent.headers["idempotency-key"]) == ("respond-async", "order-17")


@pytest.mark.parametrize(
    ("name", "exit_code"), [("job_failed", 10), ("job_cancelled", 11)]
)  # fmt: skip
def test_a_job_without_images_is_shown_and_decides_the_exit_code(
    ready: CommandLine, server: ApiServer, name: str, exit_code: int
) -> None:
    server.on("POST", "/generate", document(202, server.job("job_queued"), retry_after="0"))
    server.on("GET", f"/jobs/{JOB_ID}", document(200, server.job(name)))
    done = ready.run("generate", "x", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (exit_code, server.job(name))
    assert json.loads(done.stderr)["job_id"] == JOB_ID
    error = server.job(name)["error"]
    assert not error or json.loads(done.stderr)["code"] == error["code"]


@pytest.mark.parametrize(
    "lost",
    [
        Reply(0, resets=True), problem("overloaded", retry_after="0"), problem("rate_limited", retry_after="0"),
        problem("idempotency_in_progress", retry_after="0"), problem("generation_timeout"),
        Reply(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"}),
    ],
    ids=["reset", "503", "429", "409", "504", "html"],
)  # fmt: skip
def test_a_repeated_request_has_the_same_key_so_that_it_draws_once(
    ready: CommandLine, server: ApiServer, lost: Reply
) -> None:
    server.on("POST", "/generate", lost, document(200, server.result()))
    done = ready.run("generate", "x", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = (each for each in server.received if each.method == "POST")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


@pytest.mark.parametrize(
    "broken",
    [replace(PICTURE_REPLY, sends=100), Reply(200, PICTURE[:-1] + b"!"), Reply(500), Reply(0, resets=True)],
    ids=["truncated", "altered", "500", "reset"],
)
def test_a_broken_download_is_repeated(ready: CommandLine, server: ApiServer, broken: Reply) -> None:
    server.on("POST", "/generate", document(200, server.result()))
    server.on("GET", "/images/0.png", broken, PICTURE_REPLY)
    done = ready.run("generate", "x", "--out", "star.png")
    assert done.returncode == 0, done.stderr
    assert (ready.folder / "star.png").read_bytes() == PICTURE


def test_a_download_that_stays_broken_leaves_the_file_as_it_was(ready: CommandLine, server: ApiServer) -> None:
    (ready.folder / "star.png").write_bytes(b"before")
    server.on("POST", "/generate", document(200, server.result()))
    server.on("GET", "/images/0.png", replace(PICTURE_REPLY, sends=100))
    done = ready.run("generate", "x", "--out", "star.png", "--json")
    assert (done.returncode, done.stdout) == (8, "")
    failure = json.loads(done.stderr)
    assert (failure["code"], failure["job_id"]) == ("unreachable", JOB_ID)
    assert (ready.folder / "star.png").read_bytes() == b"before"
    assert ready.files() == ["star.png"]


def test_an_expired_url_is_signed_again(ready: CommandLine, server: ApiServer) -> None:
    server.on("POST", "/generate", document(200, server.result()))
    server.on("GET", "/images/0.png", Reply(403), PICTURE_REPLY)
    server.on("GET", f"/jobs/{JOB_ID}", document(200, example("job_succeeded") | {"result": server.result()}))
    server.on("GET", "/images/0.png", Reply(403), PICTURE_REPLY)
    done = ready.run("generate", "x", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"/v1/jobs/{JOB_ID}" in server.paths("GET")
