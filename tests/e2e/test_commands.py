"""`make run` and `make serve` as a developer calls them; each starts its own stack."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from PIL import Image

from imagegen.catalog import manifest
from tests.e2e.conftest import Aws, small_request
from tests.support.issuer import AUDIENCE, local_issuer
from tests.support.pictures import file
from tests.support.scenes import mask, scene
from tools.local import stack
from tools.local.adapt import LocalReceiver
from tools.local.client import ApiError, Client
from tools.local.deploy import Options
from tools.local.deploy import client as client_of
from tools.local.endpoint import Endpoint
from tools.local.process import HOST, ROOT, Output, StackError, free_port
from tools.local.stack import ENDPOINT_FILE, LOCAL, Stack, local_stack, read_endpoint, running_endpoint
from tools.local.webhook_receiver import Authority

pytestmark = [
    pytest.mark.skipif("BASE_URL" in os.environ, reason="these start a local stack"),
    pytest.mark.skipif(
        running_endpoint() is not None, reason="`make serve` is running; these tests would stop its stack"
    ),
]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.local.run", *arguments]
    environment = os.environ | variables
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)


@contextmanager
def serving(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `make serve` with its output in `log` until the block ends; yield it once it has published its endpoint."""
    with log.open("w") as output:
        command = [sys.executable, "-m", "tools.local.serve", *arguments]
        serve = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_until(lambda: "Ctrl-C stops the stack" in log.read_text(), seconds=60)
        yield serve
    finally:
        serve.terminate()
        serve.wait(30)


@pytest.fixture
def port() -> Iterator[int]:
    """A free port; what `make serve` keeps for it is deleted after the test."""
    number = free_port()
    yield number
    shutil.rmtree(LOCAL / f"data-{number}", ignore_errors=True)
    (LOCAL / f"serve-{number}.log").unlink(missing_ok=True)


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


@pytest.mark.parametrize("stage", ["Starting", "Generating"])
def test_an_interrupted_run_leaves_no_process_and_no_file_behind(tmp_path: Path, stage: str) -> None:
    out = tmp_path / "picture.png"
    before = set(LOCAL.glob("stack-*"))
    command = [sys.executable, "-m", "tools.local.run", "--out", str(out)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        next(line for line in running.stderr if line.startswith(stage))
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
    assert (running.returncode, rest.splitlines()[-1]) == (1, "Interrupted.")
    assert set(LOCAL.glob("stack-*")) == before
    assert not out.exists()


def test_run_rejects_a_path_of_no_known_format_before_starting_a_stack(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "picture.gif"))

    assert done.returncode == 2
    assert "use one of .png, .jpg, .jpeg, .webp" in done.stderr
    assert "Starting" not in done.stderr


def removed(folder: Path) -> bool:
    """Remove the folder, in which MiniStack may still remove its own files."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_serve_publishes_its_endpoint_and_leaves_no_process_behind(
    tmp_path: Path, port: int, number: signal.Signals
) -> None:
    with serving(tmp_path / "serve.log", "--port", str(port)) as serve:
        endpoint = json.loads(ENDPOINT_FILE.read_text())
        serve.send_signal(number)
        code = serve.wait(30)

    assert set(endpoint) == {"base_url", "api_key", "webhook_secret"}
    assert endpoint["base_url"].startswith(f"http://{HOST}:{port}/")
    wait_until(lambda: not listens(port) and not processes_of(port), seconds=10)
    assert running_endpoint() is None
    if number is signal.SIGKILL:
        ENDPOINT_FILE.unlink()  # SIGKILL leaves no chance to clean up
        wait_until(lambda: removed(LOCAL / f"stack-{port}"), seconds=10)
    else:
        assert code == 0
        assert not ENDPOINT_FILE.exists()
        assert not (LOCAL / f"stack-{port}").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_restart_keeps_jobs_images_key_and_secret(tmp_path: Path, port: int, number: signal.Signals) -> None:
    request = {"prompt": "a blue star on a white background", "num_inference_steps": 2, "seed": 7}
    with serving(tmp_path / "serve.log", "--port", str(port)) as serve:
        before = running_endpoint()
        assert before
        job_id = Client(before).call("POST", "/jobs", request | {"seed": 8}).json()["id"]
        Client(before).wait_for_job(job_id)
        image = Client(before).generate(request)["images"][0]
        if number is signal.SIGKILL:
            serve.send_signal(number)
            serve.wait(30)
    wait_until(lambda: not listens(port), seconds=30)

    with serving(tmp_path / "again.log", "--port", str(port)):
        after = running_endpoint()
        assert after == before
        client = Client(after)
        assert client.job(job_id)["status"] == "succeeded"
        client.download(client.job(job_id)["result"]["images"][0])
        again = client.generate(request)
        assert again["cached"]
        assert again["images"][0]["sha256"] == image["sha256"]
        client.download(again["images"][0])
        client.wait_for_job(client.call("POST", "/jobs", request).json()["id"])


def test_a_restart_keeps_the_operators_key_and_replaces_a_lost_one(tmp_path: Path) -> None:
    port, output, data = free_port(), Output(tmp_path / "stack.log"), tmp_path / "data"
    with local_stack(port, output, data=data) as first:
        made = _as_operator(first).call("POST", "/keys", {"tenant": "acme", "name": "nightly"}).json()
        assert Client(Endpoint(first.endpoint.base_url, made["key"])).call("GET", "/me").json()["tenant"] == "acme"
    with local_stack(port, output, data=data) as second:
        assert second.operator_key == first.operator_key
        assert _as_operator(second).call("GET", "/keys?tenant=acme").json()["keys"][0]["id"] == made["id"]
        client_of("ssm", f"http://{HOST}:{port}").delete_parameter(Name="/imagegen-local/local/operator-key")
    with local_stack(port, output, data=data) as third:
        assert third.operator_key != first.operator_key
        assert _as_operator(third).accepted()
        assert _as_operator(first).accepted()


def test_a_key_draws_nothing_from_its_revocation_on(tmp_path: Path) -> None:
    """The authorizer's process still remembers it, which the function's log shows."""
    output = Output(tmp_path / "stack.log")
    with local_stack(free_port(), output) as running:
        operator = _as_operator(running)
        made = operator.call("POST", "/keys", {"tenant": "acme", "name": "nightly"}).json()

        def draw() -> requests.Response:
            url, headers = f"{running.endpoint.base_url}/generate", {"x-api-key": made["key"]}
            return requests.post(url, json=small_request(), headers=headers, timeout=60)

        assert [draw().status_code for _ in range(2)] == [200, 200]
        bills = Aws(running.endpoint).bills("acme")
        assert len(bills) == 2
        operator.call("DELETE", f"/keys/{made['id']}?tenant=acme")
        refused = draw()
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="imagegen", ApiKey realm="imagegen"'
        assert Aws(running.endpoint).bills("acme") == bills
        wait_until(lambda: '"cause":"ended_key"' in (tmp_path / "stack.log").read_text(), seconds=30)


def _as_operator(running: Stack) -> Client:
    return Client(Endpoint(running.endpoint.base_url, running.operator_key))


def test_serve_prints_the_keys_of_a_tenant_and_of_an_operator(tmp_path: Path) -> None:
    with serving(tmp_path / "serve.log", "--port", "0"):
        printed = (tmp_path / "serve.log").read_text()
        endpoint = read_endpoint()
        assert endpoint
        assert re.search(r"API key +(\S+)", printed)[1] == endpoint.api_key  # type: ignore[index]
        operator = re.search(r"operator key +(\S+)", printed)[1]  # type: ignore[index]
        found = Client(Endpoint(endpoint.base_url, operator)).call("GET", "/me").json()
        assert (found["tenant"], found["roles"]) == ("operators", ["operator"])


def test_serve_accepts_tokens_of_an_issuer_on_this_machine(tmp_path: Path) -> None:
    ca, now = tmp_path / "ca.pem", int(time.time())
    with local_issuer() as issuer:
        issuer.authority.cert_pem.write_to_path(str(ca))
        issuers = json.dumps([{"issuer": issuer.url, "audiences": [AUDIENCE], "tenant_claim": ["tenant"]}])
        arguments = ["--port", "0", "--issuers", issuers, "--issuer-ca", str(ca)]
        with serving(tmp_path / "serve.log", *arguments):
            endpoint = read_endpoint()
            assert endpoint

            def get(token: str) -> requests.Response:
                headers = {"Authorization": f"Bearer {token}"}
                return requests.get(f"{endpoint.base_url}/me", headers=headers, timeout=30)

            valid = issuer.token(iat=now, exp=now + 3600, tenant="acme")
            assert (get(valid).status_code, get(valid).json()["tenant"]) == (200, "acme")
            fetched = issuer.fetches
            refused = [get(issuer.token(iat=now, exp=now + 3600, tenant=tenant)) for tenant in (None, "local")]
            refused += [get(issuer.token(iat=now - 7200, exp=now - 3600, tenant="acme")), get(valid[:-4] + "AAAA")]
            assert [each.status_code for each in refused] == [401] * 4
            assert {each.json()["code"] for each in refused} == {"invalid_token"}
            assert get(valid).status_code == 200
            assert issuer.fetches == fetched, "a refused request does not end the authorizer's process"


@pytest.mark.parametrize("given", [["--issuers", "[1]"], ["--issuers", "[]"], ["--issuer-ca", "ca.pem"]])
def test_serve_refuses_issuers_that_it_could_not_use(given: list[str]) -> None:
    command = [sys.executable, "-m", "tools.local.serve", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "ISSUER" in done.stderr


def test_a_restart_deploys_what_has_changed(tmp_path: Path) -> None:
    port, data = free_port(), tmp_path / "data"
    output = Output(tmp_path / "stack.log")
    with local_stack(port, output, data=data) as first:
        assert Client(first.endpoint).healthy()
    ca = tmp_path / "ca.pem"
    Authority().ca.cert_pem.write_to_path(str(ca))
    with local_stack(port, output, Options(LocalReceiver("hooks.example.com", ca)), data) as second:
        functions = client_of("lambda", f"http://{HOST}:{port}").list_functions()["Functions"]
        (webhooks,) = [each for each in functions if "-Webhooks-" in each["FunctionName"]]
        assert webhooks["Handler"] == "local_webhooks.handler"
        assert second.endpoint == first.endpoint


def test_data_that_cannot_be_read_stops_the_start_and_names_the_way_out(tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.mkdir()
    (services / "dynamodb.json").write_text('{"__ministack_format__": 2, "payl')
    message = "dynamodb.json cannot be read.*make clean-data"
    with pytest.raises(StackError, match=message), local_stack(free_port(), Output(None), data=tmp_path):
        pass


def test_serve_prints_one_line_per_request_and_keeps_logs_and_metrics_in_a_file(tmp_path: Path, port: int) -> None:
    prompt = "a violet hexagon"
    with serving(tmp_path / "serve.log", "--port", str(port)):
        endpoint = read_endpoint()
        assert endpoint
        assert run("--prompt", prompt, "--out", str(tmp_path / "a.webp")).returncode == 0
        with pytest.raises(ApiError):
            Client(endpoint).generate({"prompt": prompt, "colour": "red"})
        job = Client(endpoint).call("POST", "/jobs", {"prompt": prompt, "num_inference_steps": 2})
        Client(endpoint).wait_for_job(job.json()["id"])
        output = (tmp_path / "serve.log").read_text()
    lines = [line.split()[1:4] for line in output.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    posts = [line for line in lines if line[0] == "POST"]
    assert [line[1:] for line in posts[1:]] == [["/v1/generate", "422"], ["/v1/jobs", "202"]]
    assert posts[0][1:] in (["/v1/generate", "200"], ["/v1/generate", "202"])  # a busy machine turns it into a job
    assert [line[0] for line in lines].count("GET") == len(lines) - 3  # the image, and polls of the job
    assert f" job {job.json()['id']}" in output
    assert "_aws" not in output
    assert "violet" not in output
    assert '"_aws"' in (LOCAL / f"serve-{port}.log").read_text()


def test_verbose_prints_logs_and_metrics(tmp_path: Path, port: int) -> None:
    with serving(tmp_path / "serve.log", "--port", str(port), "--verbose"):
        endpoint = read_endpoint()
        assert endpoint
        Client(endpoint).call("GET", "/jobs")
        wait_until(lambda: '"_aws"' in (tmp_path / "serve.log").read_text(), seconds=10)
    assert not (LOCAL / f"serve-{port}.log").exists()


def test_the_endpoint_file_names_the_latest_stack_that_still_runs(tmp_path: Path) -> None:
    with serving(tmp_path / "one.log", "--port", "0"):
        first = running_endpoint()
        assert first
        with serving(tmp_path / "two.log", "--port", "0"):
            second = running_endpoint()
            assert second
            assert second.base_url != first.base_url
        assert running_endpoint() == first
    assert not ENDPOINT_FILE.exists()


def test_run_ignores_the_developers_aws_configuration_and_proxies(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    variables = {"AWS_PROFILE": "no-such-profile", "AWS_ENDPOINT_URL": nowhere, "AWS_ENDPOINT_URL_S3": nowhere}
    variables |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), nowhere)
    out = tmp_path / "with blank.jpg"

    done = run("--seed", "7", "--out", str(out), HOME="/nonexistent", **variables)

    assert done.returncode == 0, done.stderr
    assert out.read_bytes().startswith(b"\xff\xd8\xff")


def imagegen(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder of the checkout; `config` has its profiles."""
    command = [sys.executable, "-m", "imagegen_cli", *arguments]
    environment = os.environ | {"XDG_CONFIG_HOME": str(config)}
    return subprocess.run(
        command, cwd=ROOT / "docs", env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def test_the_command_line_waits_for_a_job_of_the_stack_of_make_serve(tmp_path: Path, port: int) -> None:
    out = tmp_path / "circle.webp"
    fields = ["--steps", "100", "--output-format", "webp"]
    with serving(tmp_path / "serve.log", "--port", str(port)):
        created = imagegen(tmp_path, "generate", "a red circle", *fields, "--no-wait", "--json")
        done = imagegen(tmp_path, "job", json.loads(created.stdout)["id"], "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert out.read_bytes().startswith(b"RIFF")
    assert done.stderr.splitlines()[-1].endswith(", succeeded")


def test_a_product_gets_a_scene_at_twice_the_size_alone_and_in_a_batch(tmp_path: Path, port: int) -> None:
    product, background = scene(), mask((0, 0, 128, 32))
    photo, white = tmp_path / "photo.png", tmp_path / "mask.png"
    photo.write_bytes(file(product, "PNG"))
    white.write_bytes(file(background, "PNG"))
    line = {"prompt": "a red circle", "image": "photo.png", "mask_image": "mask.png", "strength": 1}
    batch, out = tmp_path / "scenes.jsonl", tmp_path / "scenes"
    batch.write_text("".join(json.dumps(line | {"seed": seed, "upscale": seed}) + "\n" for seed in (1, 2)))
    fields = ["--image", str(photo), "--mask-image", str(white), "--strength", "1", "--upscale", "2"]
    with serving(tmp_path / "serve.log", "--port", str(port)):
        one = imagegen(tmp_path, "edit", "a red circle", *fields, "--out", str(tmp_path / "scene.png"))
        many = imagegen(tmp_path, "batch", str(batch), "--out", str(out), "--json")
        again = imagegen(tmp_path, "batch", str(batch), "--out", str(out), "--json")
        uploaded = imagegen(tmp_path, "upload", str(photo))
        large = imagegen(tmp_path, "upscale", str(photo), "--factor", "4", "--out", str(tmp_path / "large.png"))
    for done in (one, many, again, uploaded, large):
        assert done.returncode == 0, done.stderr
    assert json.loads(again.stdout) == json.loads(many.stdout) | {"earlier": 2}
    assert uploaded.stdout.startswith("upload_")
    kept = np.asarray(Image.open(out / "00001-1.png"))[32:]
    assert np.array_equal(kept, np.asarray(product)[32:])
    sizes = [Image.open(path).size for path in (tmp_path / "scene.png", out / "00002-2.png", tmp_path / "large.png")]
    assert sizes == [(256, 256), (256, 256), (512, 512)]


def test_run_prints_what_the_service_refuses_and_writes_nothing(tmp_path: Path, port: int) -> None:
    out = tmp_path / "picture.png"
    with serving(tmp_path / "serve.log", "--port", str(port)):
        refused = run("--seed", "-1", "--out", str(out))
        unknown = run("--out", str(out), MODEL="foo")
    assert (refused.returncode, unknown.returncode) == (1, 1)
    assert "  seed: " in refused.stderr
    assert "model_not_found" in unknown.stderr
    assert not out.exists()


def test_run_refuses_an_unknown_model_and_a_seed_that_is_no_number_at_once(tmp_path: Path) -> None:
    out = str(tmp_path / "picture.png")
    unknown, odd = run("--out", out, MODEL="foo"), run("--out", out, "--seed", "seven")
    assert (unknown.returncode, odd.returncode) == (1, 2)
    assert "MODEL=foo is not in the registry" in unknown.stderr
    assert odd.stderr == "SEED: 'seven' is not a whole number from 0 to 4294967295\n"


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
    # What judges the model's pictures is loaded before it, and must not be what is missing.
    (tmp_path / "auxiliary").symlink_to(stack.models_dir() / "auxiliary")
    monkeypatch.setenv("MODELS_DIR", str(tmp_path))
    other_engine = tmp_path / "sd-turbo" / "torch"
    other_engine.mkdir(parents=True)
    (other_engine / manifest.NAME).write_text(json.dumps({"format": manifest.FORMAT, "files": {}}))
    with local_stack(free_port(), Output(tmp_path / "stack.log")) as started:
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
    with pytest.raises(StackError, match=message), local_stack(free_port(), Output(None)):
        pass


def commands_of(heading: str) -> list[str]:
    """Return the commands of README's console blocks under `heading`, each with its continuation lines."""
    _, _, rest = (ROOT / "README.md").read_text().partition(f"# {heading}\n")
    section = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [found for block in blocks for found in re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE)]


def shell(script: str, port: int) -> subprocess.CompletedProcess[str]:
    """Run a bash script at the root of the repository; make reads PORT from the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment["PORT"] = str(port)
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_the_first_commands_of_the_readme_work_as_they_stand(tmp_path: Path, port: int) -> None:
    run_command, test_command = commands_of("Stable Diffusion on Lambda")
    done = shell(run_command.replace("OUT=out.png", f"OUT={tmp_path}/out.png"), port)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert test_command == "make test"


def test_the_calls_of_the_readme_work_as_they_stand(tmp_path: Path, port: int) -> None:
    endpoint, generate, submit, poll, cancel = commands_of("Call it")
    with serving(tmp_path / "serve.log", "--port", str(port)):
        steps = f"{endpoint}\n{generate}; echo\n{submit}\n{poll}; echo\n{cancel}"
        done = shell(steps, port)
    assert done.returncode == 0, done.stderr
    generated, polled, cancelled = [json.loads(line) for line in done.stdout.splitlines() if line]
    unfinished = ("queued", "running")  # a worker may claim a job before the response
    assert len(generated["images"]) == 2 if generated["status"] == "succeeded" else generated["status"] in unfinished
    assert polled["status"] in (*unfinished, "succeeded")
    assert cancelled.get("status") == "cancelled" or cancelled["code"] == "job_already_final"


def test_make_endpoint_without_a_stack_says_how_to_start_one(port: int) -> None:
    done = shell("make -s endpoint", port)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "make serve" in done.stderr


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"base_url": "http://127.0.0.1:1"}'])
def test_a_damaged_endpoint_file_counts_as_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    file = tmp_path / "endpoint.json"
    file.write_text(text)
    monkeypatch.setattr(stack, "ENDPOINT_FILE", file)
    assert running_endpoint() is None
