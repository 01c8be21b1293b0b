"""The Generator and Worker handlers of a deployment that signs: what callers and the log learn if it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from imagegen.provenance.report import report
from imagegen.wiring import Container
from tests.support.expectations import outcome
from tests.support.fakes import FakeEngines
from tests.support.handlers import use_container
from tests.support.job_handlers import PROMPT, JobHandlers, body, header
from tools.local.signing_certificate import Files, development_files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return development_files(tmp_path)


@pytest.fixture
def signing(handlers: JobHandlers, files: Files, monkeypatch: pytest.MonkeyPatch) -> JobHandlers:
    """The handlers, with a development key."""
    before = handlers.world.container
    names = {"content_credentials_key": f"file:{files.key}", "content_credentials_chain": f"file:{files.chain}"}
    container = Container(before.settings.model_copy(update=names))
    container.engines = FakeEngines(handlers.world.engine)
    container.single_flight, container.limits_of = before.single_flight, before.limits_of
    use_container(monkeypatch, container)
    return handlers


def stored(handlers: JobHandlers) -> list[bytes]:
    """Return the image files in the bucket."""
    s3, bucket = boto3.client("s3"), handlers.world.resources["Bucket"]
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="images/").get("Contents", [])]
    return [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys if key.endswith(".png")]


def test_a_deployment_with_a_key_signs(signing: JobHandlers, printed: Callable[[], str]) -> None:
    answer = signing.call("POST", "/generate", PROMPT)
    assert body(answer)["images"][0]["content_credentials"] is True
    (data,) = stored(signing)
    assert report(data, "image/png").state == "valid"
    log = printed()
    assert "pictures are signed" in log
    assert "expires_at" in log
    assert "pictures are not signed" not in log


def test_a_deployment_without_a_key_says_so(handlers: JobHandlers, printed: Callable[[], str]) -> None:
    del handlers.world.container.__dict__["content_credentials"]
    assert handlers.world.container.content_credentials is None
    assert "pictures are not signed" in printed()
    image = body(handlers.call("POST", "/generate", PROMPT))["images"][0]
    assert image["content_credentials"] is False


def damaged(files: Files, how: str) -> str:
    """Damage what signs, and return what the log says of it."""
    match how:
        case "no key":
            files.key.unlink()
            return "FileNotFoundError"
        case "no chain":
            files.chain.unlink()
            return "does not exist"
        case "a damaged chain":
            files.chain.write_text("no certificate")
            return "no PEM"
        case _:
            files.key.write_bytes(development_files(files.key.parent / "other").key.read_bytes())
            return "not that of the certificate"


@pytest.mark.parametrize("how", ["no key", "no chain", "a damaged chain", "the key of another certificate"])
def test_nothing_is_drawn_returned_or_stored_unsigned(
    signing: JobHandlers, files: Files, printed: Callable[[], str], how: str
) -> None:
    cause = damaged(files, how)
    answer = signing.call("POST", "/generate", PROMPT)
    assert outcome(answer) == (503, "provenance_unavailable")
    assert header(answer, "Retry-After") == "30"
    assert cause not in answer["body"]
    assert (signing.world.engine.generations, stored(signing)) == (0, [])
    lines = [json.loads(line) for line in printed().splitlines() if line.startswith("{")]
    assert any(cause in str(line.get("cause")) for line in lines if line.get("level") == "ERROR")
    assert metric(lines, "ProvenanceUnavailable") >= 1


def metric(lines: list[dict[str, Any]], name: str) -> float:
    return sum(sum(line[name]) for line in lines if name in line)


def test_a_job_waits_until_pictures_can_be_signed(
    signing: JobHandlers, files: Files, printed: Callable[[], str]
) -> None:
    key = files.key.read_bytes()
    files.key.unlink()
    job = body(signing.submit())["id"]
    messages = [json.dumps(message["Body"]) for message in signing.world.messages()]
    signing.work(*messages)
    assert body(signing.call("GET", f"/jobs/{job}"))["status"] == "queued"
    assert "ProvenanceUnavailable" in printed()
    files.key.write_bytes(key)
    signing.work(*messages)
    done = body(signing.call("GET", f"/jobs/{job}"))
    assert (done["status"], done["result"]["images"][0]["content_credentials"]) == ("succeeded", True)
    assert [report(data, "image/png").state for data in stored(signing)] == ["valid"]
