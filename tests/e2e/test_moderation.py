"""Prompts and pictures that are judged, over HTTP. The local stack of these tests judges the demo model, too."""

from __future__ import annotations

import base64

import pytest

from tests.e2e.conftest import small_request
from tests.support.indecency_reference import positive
from tests.support.pictures import FORMATS, file
from tools.local.client import ApiError, Client, JobFailed
from tools.local.endpoint import deployed_endpoint

pytestmark = pytest.mark.skipif(deployed_endpoint() is not None, reason="the deployment may judge nothing")


@pytest.mark.parametrize("route", ["/generate", "/jobs"])
def test_a_prompt_that_is_not_allowed_is_refused(client: Client, route: str) -> None:
    with pytest.raises(ApiError) as caught:
        client.call("POST", route, small_request(prompt="n u d e woman on a bed"))
    problem = caught.value.problem
    assert (caught.value.status, problem["code"]) == (422, "moderation_blocked")
    assert (problem["stage"], problem["category"]) == ("prompt", "sexual")
    assert [each["field"] for each in problem["errors"]] == ["prompt"]


def with_picture(kind: str) -> dict[str, object]:
    return small_request(image=base64.b64encode(file(positive(), kind)).decode(), strength=0.5)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_that_is_not_allowed_is_refused(client: Client, kind: str) -> None:
    with pytest.raises(ApiError) as caught:
        client.call("POST", "/generate", with_picture(kind))
    problem = caught.value.problem
    assert (caught.value.status, problem["code"]) == (422, "moderation_blocked")
    assert (problem["stage"], problem["category"]) == ("input", "sexual")
    assert [each["field"] for each in problem["errors"]] == ["image"]


def test_its_job_fails_with_the_same_verdict(client: Client) -> None:
    accepted = client.call("POST", "/jobs", with_picture("PNG")).json()
    with pytest.raises(JobFailed):
        client.wait_for_job(accepted["id"])
    error = client.job(accepted["id"])["error"]
    assert (error["code"], error["stage"], error["category"]) == ("moderation_blocked", "input", "sexual")


def test_what_the_demo_model_draws_is_allowed(client: Client) -> None:
    result = client.generate(small_request(num_images_per_prompt=2))
    assert result["timings"]["moderation_ms"] > 0
