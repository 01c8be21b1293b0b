"""The console script against the service's own handlers, on moto and a fake engine."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from PIL import Image

from tests.integration.cli.conftest import KEY, CommandLine
from tests.support.api_server import STAGE, ApiServer, Received, Reply, serving
from tests.support.job_handlers import JobHandlers

HEADERS = ("prefer", "idempotency-key", "content-type", "accept")


class Gateway:
    """Passes requests to the handlers as API Gateway does, and serves the bucket under /bucket."""

    def __init__(self, handlers: JobHandlers, server: ApiServer):
        self._handlers = handlers
        self._server = server
        self.bucket = handlers.world.resources["Bucket"]

    def reply(self, request: Received) -> Reply:
        parts = urlsplit(request.path)
        if parts.path.startswith("/bucket/"):
            stored = boto3.client("s3").get_object(Bucket=self.bucket, Key=parts.path.removeprefix("/bucket/"))
            return Reply(200, stored["Body"].read())
        query = parse_qs(parts.query)
        answer = self._handlers.call(
            request.method,
            parts.path.removeprefix(STAGE),
            request.body,
            headers={name: request.headers.get(name) for name in HEADERS},
            multiValueQueryStringParameters=query or None,
            queryStringParameters={name: values[-1] for name, values in query.items()} or None,
        )
        headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        body = re.sub(rf"https://{self.bucket}[^/]*/", f"{self._server.url}/bucket/", answer["body"])
        return Reply(answer["statusCode"], body.encode(), headers)


@pytest.fixture
def served(cli: CommandLine, handlers: JobHandlers) -> Iterator[CommandLine]:
    server = ApiServer()
    with serving(server, Gateway(handlers, server).reply):
        cli.variables |= {"IMAGEGEN_URL": server.api, "IMAGEGEN_API_KEY": KEY}
        yield cli


def test_images_are_drawn_downloaded_and_listed(served: CommandLine) -> None:
    done = served.run(
        "generate", "a red circle", "-n", "2", "--seed", "7", "--metadata", "order=A-17", "-o", "s.webp", "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["files"] == served.files() == ["s-1.webp", "s-2.webp"]
    assert Image.open(io.BytesIO((served.folder / "s-1.webp").read_bytes())).format == "WEBP"
    listed = json.loads(served.run("jobs", "--status", "succeeded", "--limit", "5", "--json").stdout)
    assert [job["id"] for job in listed["jobs"]] == [result["id"]]
    assert served.run("job", result["id"], "--out", "again.webp").returncode == 0
    assert (served.folder / "again-2.webp").read_bytes() == (served.folder / "s-2.webp").read_bytes()


def test_a_repeated_command_with_its_key_returns_the_same_images(served: CommandLine) -> None:
    first, second = (
        json.loads(served.run("generate", "x", "--idempotency-key", "order-17", "--json").stdout) for _ in range(2)
    )
    assert first["id"] == second["id"]
    assert first["images"][0]["sha256"] == second["images"][0]["sha256"]


def test_a_job_is_created_run_and_downloaded(served: CommandLine, handlers: JobHandlers) -> None:
    job = json.loads(served.run("generate", "x", "--no-wait", "--json").stdout)
    assert job["status"] == "queued"
    handlers.run_queued_jobs()
    done = served.run("job", job["id"], "--wait", "--out", ".")
    assert (done.returncode, served.files()) == (0, [f"{job['id']}.png"])


def test_a_queued_job_is_cancelled(served: CommandLine) -> None:
    job = json.loads(served.run("generate", "x", "--no-wait", "--json").stdout)
    assert json.loads(served.run("cancel", job["id"], "--json").stdout)["status"] == "cancelled"
    assert served.run("job", job["id"], "--wait").returncode == 11


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "field"),
    [
        (["generate", "x", "--width", "12345"], 3, "size_invalid", "width"),
        (["generate", " "], 3, "prompt_empty", "prompt"),
        (["generate", "x", "--model", "nope"], 5, "model_not_found", "model"),
        (["generate", "x", "--scheduler", "nope"], 3, "unknown_scheduler", "scheduler"),
        (["jobs", "--limit", "0"], 3, "out_of_range", "limit"),
        (["jobs", "--cursor", "nope"], 3, "invalid_cursor", "cursor"),
        (["jobs", "--status", "\udcff"], 3, "out_of_range", "status"), (["job", "nope"], 5, "job_not_found", None),
    ],
)  # fmt: skip
def test_what_the_service_refuses_is_passed_on(
    served: CommandLine, arguments: list[str], exit_code: int, code: str, field: str | None
) -> None:
    done = served.run(*arguments, "--json")
    failure = json.loads(done.stderr)
    assert (done.returncode, failure["code"]) == (exit_code, code)
    assert field is None or field in [error["field"] for error in failure["errors"]]


def test_the_models_are_those_of_the_deployment(served: CommandLine) -> None:
    listed = json.loads(served.run("models", "--json").stdout)
    assert listed["default"] in [model["id"] for model in listed["models"]]
