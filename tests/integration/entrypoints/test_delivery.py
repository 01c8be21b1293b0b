"""The handlers of a deployment with content delivery: whose URLs callers get, and what happens without the key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from imagegen.wiring import Container
from tests.support.cdn_keys import elliptic, opened
from tests.support.expectations import outcome
from tests.support.fakes import FakeEngines
from tests.support.handlers import use_container
from tests.support.job_handlers import PROMPT, JobHandlers, body

PAIR = elliptic()
PARAMETER = "/imagegen/cdn/A"
DOMAIN = "images.example.com"
UNAVAILABLE = (503, "delivery_unavailable")


@pytest.fixture
def delivery(handlers: JobHandlers, monkeypatch: pytest.MonkeyPatch) -> JobHandlers:
    """The handlers of a deployment with a distribution, whose private key is not there yet."""
    before = handlers.world.container
    names = {"cdn_domain": DOMAIN, "cdn_key_id": PAIR.id, "cdn_public_key": PAIR.public}
    container = Container(before.settings.model_copy(update=names | {"cdn_private_key_parameter": PARAMETER}))
    container.engines = FakeEngines(handlers.world.engine)
    container.single_flight, container.limits_of = before.single_flight, before.limits_of
    use_container(monkeypatch, container)
    return handlers


def store_key() -> None:
    boto3.client("ssm").put_parameter(Name=PARAMETER, Value=PAIR.pem, Type="SecureString")


def path_of(image: dict[str, Any]) -> str:
    """Return the path that the image's URL opens, until it expires."""
    expires = datetime.fromisoformat(image["expires_at"]).timestamp()
    path = opened(image["url"], {PAIR.id: PAIR}, datetime.now(UTC).timestamp())
    assert f"Expires={expires:.0f}&" in image["url"]
    return path


def stored(handlers: JobHandlers) -> list[str]:
    """Return the keys of the images in the bucket."""
    listed = boto3.client("s3").list_objects_v2(Bucket=handlers.world.resources["Bucket"], Prefix="images/")
    return [each["Key"] for each in listed.get("Contents", []) if each["Key"].endswith(".png")]


def test_every_url_is_that_of_the_distribution(delivery: JobHandlers) -> None:
    store_key()
    drawn = body(delivery.call("POST", "/generate", PROMPT))
    assert drawn["image_url"] == drawn["images"][0]["url"]
    job = body(delivery.submit())["id"]
    delivery.run_queued_jobs()
    done = body(delivery.call("GET", f"/jobs/{job}"))["result"]["images"][0]
    (listed,) = body(delivery.call("GET", "/jobs"))["jobs"]
    paths = {path_of(drawn["images"][0]), path_of(done), path_of(listed["result"]["images"][0])}
    assert paths == {f"https://{DOMAIN}/{key}" for key in stored(delivery)}


def test_uploads_go_to_the_bucket(delivery: JobHandlers) -> None:
    form = body(delivery.call("POST", "/uploads", {"content_type": "image/png"}))
    assert DOMAIN not in form["url"]
    assert delivery.world.resources["Bucket"] in form["url"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "order-17"}, {"Accept": "image/png"}], ids=str)
def test_nothing_is_drawn_that_could_not_be_handed_over(
    delivery: JobHandlers, headers: dict[str, str], printed: Callable[[], str]
) -> None:
    answer = delivery.call("POST", "/generate", PROMPT, headers=headers)
    assert outcome(answer) == UNAVAILABLE
    assert answer["multiValueHeaders"]["Retry-After"] == ["30"]
    assert stored(delivery) == []
    assert body(delivery.call("GET", "/jobs"))["jobs"] == []
    assert PARAMETER not in answer["body"]
    assert f"SSM: ParameterNotFound ParameterNotFound {PARAMETER}" in printed()


def test_a_job_waits_for_the_key_not_for_the_caller(delivery: JobHandlers) -> None:
    """Accepted and drawn; only its URLs wait. A caller that waits for the result gets the error before the job."""
    assert outcome(delivery.submit(Prefer="wait=5")) == UNAVAILABLE
    assert body(delivery.call("GET", "/jobs"))["jobs"] == []
    job = body(delivery.submit())["id"]
    delivery.run_queued_jobs()
    assert outcome(delivery.call("GET", f"/jobs/{job}")) == UNAVAILABLE
    assert outcome(delivery.call("GET", "/jobs")) == UNAVAILABLE
    store_key()
    answer = body(delivery.call("GET", f"/jobs/{job}"))
    assert answer["status"] == "succeeded"
    assert path_of(answer["result"]["images"][0])


def test_a_respond_async_request_is_accepted(delivery: JobHandlers) -> None:
    answer = delivery.call("POST", "/generate", PROMPT, headers={"Prefer": "respond-async"})
    assert answer["statusCode"] == 202
