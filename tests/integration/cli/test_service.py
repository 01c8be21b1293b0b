"""The console script against the service's own handlers, on moto and a fake engine."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import numpy as np
import pytest
from PIL import Image

from tests.integration.cli.conftest import KEY, CommandLine
from tests.support import multipart, post_policy
from tests.support.api_server import STAGE, ApiServer, Received, Reply, serving
from tests.support.batch_server import write_batch
from tests.support.job_handlers import JobHandlers
from tests.support.pictures import file
from tests.support.scenes import mask, scene
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
        if request.method == "GET" and parts.path.startswith("/bucket/"):
            stored = boto3.client("s3").get_object(Bucket=self.bucket, Key=parts.path.removeprefix("/bucket/"))
            return Reply(200, stored["Body"].read())
        if parts.path == "/bucket/":
            return self._upload(request)
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

    def _upload(self, request: Received) -> Reply:
        """As S3: it judges the form by its policy."""
        form = multipart.parts(request)
        data = form.pop("file")[1]
        fields = {name: content.decode() for name, (_, content) in form.items()}
        verdict = post_policy.answer(fields, len(data), datetime.now(UTC), self.bucket)
        if isinstance(verdict, tuple):
            return Reply(verdict[0], f"<Error><Code>{verdict[1]}</Code></Error>".encode())
        boto3.client("s3").put_object(Bucket=self.bucket, Key=fields["key"], Body=data)
        return Reply(verdict)


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


def test_a_job_shows_its_receipt_which_is_its_bill(served: CommandLine, handlers: JobHandlers) -> None:
    job_id = json.loads(served.run("generate", "x", "--no-wait", "--json").stdout)["id"]
    handlers.run_queued_jobs()
    cost = json.loads(served.run("job", job_id, "--json").stdout)["result"]["cost"]
    (bill,) = handlers.world.items("BILL#")
    assert Decimal(str(cost["usd"])) == Decimal(bill["usd"]) == sum(Decimal(line["usd"]) for line in cost["lines"])
    assert {"compute", "sqs_requests", "s3_storage"} <= {line["item"] for line in cost["lines"]}
    assert cost["prices"]["noted"] == "2026-11-27"


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


def test_a_report_is_the_sum_of_the_bills(operated: CommandLine, handlers: JobHandlers) -> None:
    drawn = [json.loads(operated.run("generate", "x", "--json").stdout) for _ in range(2)]
    report = json.loads(operated.run("report", "--json").stdout)
    bills = sum(Decimal(bill["usd"]) for bill in handlers.world.items("BILL#"))
    assert (report["images"], Decimal(report["usd"])) == (2, bills)
    assert Decimal(report["usd"]) == sum(Decimal(str(each["cost"]["usd"])) for each in drawn)


def test_a_user_sees_no_report(served: CommandLine) -> None:
    done = served.run("report", "--json")
    assert (done.returncode, json.loads(done.stderr)["code"]) == (4, "forbidden_scope")


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


def write_pictures(cli: CommandLine) -> None:
    """A product on white, and a mask that repaints what is above it."""
    (cli.folder / "photo.png").write_bytes(file(scene(), "PNG"))
    (cli.folder / "mask.png").write_bytes(file(mask((0, 0, 128, 32)), "PNG"))


def kept(png: bytes) -> bool:
    """Whether all below the mask is the photo's."""
    picture = np.asarray(Image.open(io.BytesIO(png)))
    return np.array_equal(picture[32:], np.asarray(scene())[32:]) and not np.array_equal(picture, np.asarray(scene()))


EDIT = ["edit", "on a beach", "--mask-image", "mask.png", "--strength", "1", "--seed", "7", "--out", "scene.png"]


def test_a_product_gets_another_background_from_a_file_or_an_upload(served: CommandLine) -> None:
    write_pictures(served)
    assert served.run(*EDIT, "--image", "photo.png").returncode == 0
    assert kept((served.folder / "scene.png").read_bytes())
    upload = served.run("upload", "photo.png").stdout.strip()
    done = served.run(*EDIT, "--image", upload, "--json")
    assert (done.returncode, json.loads(done.stdout)["cached"]) == (0, True), done.stderr
    again = served.run("edit", "x", "--image", upload[:-1] + ("0" if upload[-1] != "0" else "1"), "--json")
    assert (again.returncode, json.loads(again.stderr)["code"]) == (5, "upload_not_found")


def test_a_repeated_edit_with_its_key_may_upload_its_picture_again(served: CommandLine) -> None:
    write_pictures(served)
    (served.folder / "photo.png").write_bytes(file(scene(), "PNG") + bytes(3_500_000))
    ids = [
        json.loads(served.run(*EDIT, "--image", "photo.png", "--idempotency-key", "k-1", "--json").stdout)["id"]
        for _ in range(2)
    ]
    assert ids[0] == ids[1]


def test_a_batch_is_drawn_once_however_often_it_is_run(served: CommandLine, handlers: JobHandlers) -> None:
    write_pictures(served)
    edit = {"image": "photo.png", "mask_image": "mask.png", "strength": 1}
    write_batch(served.folder / "b.jsonl", {"prompt": "on a beach", "seed": 1, **edit}, {"prompt": "x", "seed": 2},
        {"prompt": "x", "seed": 3, "width": 12345})  # fmt: skip
    done = served.run("batch", "b.jsonl", "--json")
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["succeeded"], summary["failed"]) == (10, 2, 1), done.stderr
    assert kept((served.folder / "b" / "00001-1.png").read_bytes())
    used = json.loads(served.run("usage", "--json").stdout)
    assert used["images"] == 2
    assert float(used["usd"]) == pytest.approx(summary["usd"])

    (served.folder / "b" / "results.jsonl").unlink()  # as if the process had died before it wrote them
    again = json.loads(served.run("batch", "b.jsonl", "--json").stdout)
    assert again == summary
    assert json.loads(served.run("usage", "--json").stdout)["images"] == 2


def test_a_picture_is_enlarged(served: CommandLine) -> None:
    write_pictures(served)
    done = served.run("upscale", "photo.png", "--out", "large.png", "--json")
    assert done.returncode == 0, done.stderr
    assert Image.open(served.folder / "large.png").size == (256, 256)


def test_the_models_are_those_of_the_deployment(served: CommandLine) -> None:
    listed = json.loads(served.run("models", "--json").stdout)
    assert listed["default"] in [model["id"] for model in listed["models"]]
