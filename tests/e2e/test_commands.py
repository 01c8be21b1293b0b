"""`make run` and `make serve` as a developer calls them; each starts its own stack."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tools.local import stack
from tools.local.client import ApiError, Client
from tools.local.process import HOST, ROOT, StackError, free_port
from tools.local.stack import ENDPOINT_FILE, LOCAL, local_stack, running_endpoint

pytestmark = [
    pytest.mark.skipif("BASE_URL" in os.environ, reason="these start a local stack"),
    pytest.mark.skipif(
        running_endpoint() is not None, reason="`make serve` is running; these tests would stop its stack"
    ),
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.local.run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def processes_of(port: int) -> list[str]:
    """Return the `ps` lines of MiniStack's handlers: they run from a folder that has the port in its name."""
    listing = subprocess.run(["ps", "-Ao", "pid,command"], capture_output=True, text=True, check=True).stdout
    return [line for line in listing.splitlines() if f"stack-{port}/" in line]


def test_run_saves_an_image_and_prints_its_url_seed_and_timings(tmp_path: Path) -> None:
    out = tmp_path / "picture.png"

    done = run("--prompt", "a blue star on a white background", "--seed", "7", "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert out.read_bytes().startswith(b"\x89PNG")
    lines = done.stdout.splitlines()
    assert lines[0] == str(out)
    facts = dict(line.split(maxsplit=1) for line in lines[1:])
    assert facts["url"].startswith(f"http://{HOST}:")
    assert facts["seed"] == "7"
    assert "cold start" in facts["timings"]
    assert not listens(urlsplit(facts["url"]).port or 0)


def test_run_prints_the_api_error(tmp_path: Path) -> None:
    out = tmp_path / "picture.png"

    done = run("--prompt", " ", "--out", str(out))

    assert done.returncode == 1
    assert "422 prompt_empty" in done.stderr
    assert not out.exists()


def test_run_rejects_a_jpeg_path_before_starting_a_stack(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "picture.jpg"))

    assert done.returncode == 2
    assert ".png" in done.stderr
    assert "Starting" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_serve_publishes_its_endpoint_and_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    with (tmp_path / "serve.log").open("w") as log:
        command = [sys.executable, "-m", "tools.local.serve", "--port", str(port)]
        serve = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    wait_until(lambda: running_endpoint() is not None, seconds=60)
    endpoint = json.loads(ENDPOINT_FILE.read_text())

    serve.send_signal(number)
    code = serve.wait(30)

    assert set(endpoint) == {"base_url", "api_key", "webhook_secret"}
    assert endpoint["base_url"].startswith(f"http://{HOST}:{port}/")
    wait_until(lambda: not listens(port) and not processes_of(port), seconds=10)
    assert running_endpoint() is None
    if number is signal.SIGKILL:
        ENDPOINT_FILE.unlink()  # SIGKILL leaves no chance to clean up
        shutil.rmtree(LOCAL / f"stack-{port}")
    else:
        assert code == 0
        assert not ENDPOINT_FILE.exists()
        assert not (LOCAL / f"stack-{port}").exists()


def test_serve_reports_a_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]

        command = [sys.executable, "-m", "tools.local.serve", "--port", str(port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert f"Port {port} is in use" in done.stderr


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still false after {seconds} s"
        time.sleep(0.1)


def test_a_model_with_missing_files_is_503_and_health_stays_200(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "sd-turbo")
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    other_engine = tmp_path / "sd-turbo" / "torch"
    other_engine.mkdir(parents=True)
    (other_engine / "manifest.json").write_text("{}")
    with local_stack(free_port(), tmp_path / "stack.log") as started:
        client = Client(started.endpoint)
        with pytest.raises(ApiError) as caught:
            client.generate({"prompt": "a lighthouse"})
        assert (caught.value.status, caught.value.problem["code"]) == (503, "model_unavailable")
        assert client.healthy()
    assert f"{tmp_path}/sd-turbo/openvino/manifest.json is missing" in (tmp_path / "stack.log").read_text()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nope", "MODEL=nope is not in the registry. Choose one of demo,"),
        ("sd-turbo", "make model MODEL=sd-turbo"),
    ],
)
def test_a_model_that_cannot_be_offered_is_reported_before_the_stack_starts(
    monkeypatch: pytest.MonkeyPatch, model: str, message: str
) -> None:
    monkeypatch.setenv("MODEL", model)
    with pytest.raises(StackError, match=message), local_stack(free_port()):
        pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "not a port"), (["--port", "-5"], "not a port"), (["--port", "abc"], "not a port"),
        (["--receiver", "hooks.example.com"], "given together"), (["--receiver-ca", "Makefile"], "not a PEM file"),
        (["--receiver", "hooks.example.com", "--receiver-ca", "/nope.pem"], "not a PEM file"),
        (["--receiver", "https://x/"], "not a host name"), (["--receiver", "localhost"], "not a host name"),
    ],
)  # fmt: skip
def test_serve_reports_a_wrong_argument_before_it_starts(arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "tools.local.serve", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"base_url": "http://127.0.0.1:1"}'])
def test_a_damaged_endpoint_file_counts_as_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    file = tmp_path / "endpoint.json"
    file.write_text(text)
    monkeypatch.setattr(stack, "ENDPOINT_FILE", file)
    assert running_endpoint() is None


@pytest.mark.parametrize("prompt", ["$5 and $(whoami) and ${HOME} and `id`", "a \"quoted\" 'prompt' #1", ""])
def test_make_passes_a_prompt_as_it_is(prompt: str) -> None:
    printed = subprocess.run(
        ["make", "-s", "-f", "Makefile", "-f", "-", "print-prompt", f"PROMPT={prompt}"],
        input="print-prompt:\n\t@printf '%s' \"$$PROMPT\"\n",
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert printed.stdout == prompt
