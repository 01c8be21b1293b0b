"""The console script against the service's own handlers, on moto and a fake engine."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from PIL import Image

from tests.integration.cli.conftest import KEY, CommandLine
from tests.support.api_server import STAGE, ApiServer, Received, Reply, serving
from tests.support.job_handlers import JobHandlers
from tools.lambda_event import api_event, authorizer

HEADERS = ("prefer", "idempotency-key", "content-type", "accept")


class Gateway:
    """Passes requests to the handlers as API Gateway does, and serves the bucket under /bucket."""

    def __init__(self, handlers: JobHandlers, server: ApiServer, caller: dict[str, Any] | None = None):
        self._handlers = handlers
        self._caller = caller or authorizer()
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
            requestContext=api_event(b"")["requestContext"] | {"authorizer": self._caller},
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
        (["jobs", "--status", "\udcff"], 3, "out_of_range", "status"),
        (["usage", "--from", "November"], 3, "out_of_range", "from"),
        (["job", "nope"], 5, "job_not_found", None),
    ],
)  # fmt: skip
def test_what_the_service_refuses_is_passed_on(
    served: CommandLine, arguments: list[str], exit_code: int, code: str, field: str | None
) -> None:
    done = served.run(*arguments, "--json")
    failure = json.loads(done.stderr)
    assert (done.returncode, failure["code"]) == (exit_code, code)
    assert field is None or field in [error["field"] for error in failure["errors"]]


def test_the_caller_is_the_one_of_the_key(served: CommandLine) -> None:
    found = json.loads(served.run("me", "--json").stdout)
    assert (found["roles"], found["scopes"]) == (["user"], ["images:read", "images:write"])


def test_usage_is_that_of_the_images_that_were_drawn(served: CommandLine) -> None:
    drawn = json.loads(served.run("generate", "x", "-n", "2", "--json").stdout)
    used = json.loads(served.run("usage", "--json").stdout)
    assert (used["images"], float(used["usd"])) == (2, drawn["cost"]["usd"])
    assert [each["model"] for each in used["usage"]] == [drawn["model"]]


def test_a_user_does_not_manage_keys(served: CommandLine) -> None:
    done = served.run("keys", "create", "--json")
    assert (done.returncode, json.loads(done.stderr)["code"]) == (4, "forbidden_scope")


@pytest.fixture
def operated(cli: CommandLine, handlers: JobHandlers) -> Iterator[CommandLine]:
    server = ApiServer()
    with serving(server, Gateway(handlers, server, authorizer("key-of-owner", ["operator"])).reply):
        cli.variables |= {"IMAGEGEN_URL": server.api, "IMAGEGEN_TOKEN": KEY}
        yield cli


def test_a_key_is_created_listed_rotated_and_revoked(operated: CommandLine) -> None:
    of_acme = ["--tenant", "acme", "--json"]
    created = json.loads(operated.run("keys", "create", "--name", "website", "--scope", "images:read", *of_acme).stdout)
    assert (created["tenant"], created["name"], created["scopes"]) == ("acme", "website", ["images:read"])
    rotated = json.loads(operated.run("keys", "rotate", created["id"], "--overlap-seconds", "0", *of_acme).stdout)
    assert rotated["key"] != created["key"]
    assert operated.run("keys", "revoke", rotated["id"], *of_acme).returncode == 0
    assert operated.run("keys", "revoke", rotated["id"], *of_acme).returncode == 0
    done = operated.run("keys", "list", *of_acme)
    first, second = json.loads(done.stdout)["keys"]
    assert (first["id"], first["replaced_by"], second["id"]) == (created["id"], rotated["id"], rotated["id"])
    assert all((first["ends_at"], second["ends_at"]))
    assert created["key"] not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["keys", "list", "--tenant", "nobody"], 5, "tenant_not_found"),
        (["keys", "rotate", "nope", "--tenant", "acme"], 5, "key_not_found"),
        (["keys", "revoke", "nope", "--tenant", "acme"], 5, "key_not_found"),
        (["keys", "create", "--tenant", "a b"], 3, "out_of_range"),
        (["keys", "create", "--role", "admin"], 4, "forbidden_scope"),
        (["keys", "create", "--role", "nobody"], 3, "out_of_range"),
    ],
)  # fmt: skip
def test_what_an_operator_may_not_do_is_passed_on(
    operated: CommandLine, arguments: list[str], exit_code: int, code: str
) -> None:
    done = operated.run(*arguments, "--json")
    assert (done.returncode, done.stdout, json.loads(done.stderr)["code"]) == (exit_code, "", code)


def test_the_models_are_those_of_the_deployment(served: CommandLine) -> None:
    listed = json.loads(served.run("models", "--json").stdout)
    assert listed["default"] in [model["id"] for model in listed["models"]]
