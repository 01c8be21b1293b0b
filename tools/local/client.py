"""A small API client on `requests` for programs and tests, which need responses and headers as they are."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from PIL import Image, UnidentifiedImageError

from tools.local.endpoint import PROBE_AGENT, Endpoint

Json = dict[str, Any]

_CONNECT_TIMEOUT_SECONDS: Final = 5
_POLL_SECONDS: Final = 2
"""Between two polls if the API does not say how long to wait."""
_TRIES: Final = 5
_LONGEST_WAIT_SECONDS: Final = 60
"""A request that may be repeated only later, such as after the monthly quota is used up, fails instead."""
_READ_TIMEOUT_SECONDS: Final = 60
"""API Gateway times out after 29 s; the local stack has no such limit."""


class ApiError(Exception):
    """The API returned an error status; `problem` is the problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Json):
        super().__init__(f"{status} {problem['code']}")
        self.status = status
        self.problem = problem


class JobFailed(Exception):
    """The job reached a final status other than `succeeded`."""

    def __init__(self, job: Json):
        super().__init__(f"The job {job['status']}: {job['error']['detail'] if job['error'] else 'no reason'}")


class BrokenImage(Exception):
    """The presigned URL did not return the image that the result describes."""


class Client:
    """One caller of one deployment.

    Every method but `healthy` and `accepted` raises requests.RequestException if the API cannot be reached.
    """

    def __init__(
        self, endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep, session: requests.Session | None = None
    ):
        self.base_url = endpoint.base_url
        self._key = {"x-api-key": endpoint.api_key}
        self._sleep = sleep
        self._session = session or requests.Session()
        # A proxy in the developer's environment cannot reach this machine's loopback interface.
        self._session.trust_env = urlsplit(endpoint.base_url).hostname not in ("127.0.0.1", "localhost")

    def healthy(self) -> bool:
        """Return whether GET /health answers 200."""
        return self._answers_200("/health", {})

    def accepted(self) -> bool:
        """Return whether the API answers 200 to this key, which another stack at the same address does not."""
        return self._answers_200("/models", self._key)

    def _answers_200(self, path: str, headers: dict[str, str]) -> bool:
        sent = headers | {"user-agent": PROBE_AGENT}
        try:
            response = self._session.get(self.base_url + path, headers=sent, timeout=_CONNECT_TIMEOUT_SECONDS)
        except requests.RequestException:
            return False
        return response.status_code == 200

    def generate(self, request: Json, **headers: str) -> Json:
        """Return the result of POST /generate; if it answers 202, wait for the job. Raises ApiError and JobFailed."""
        response = self.call("POST", "/generate", json=request, **headers)
        if response.status_code == 200:
            result: Json = response.json()
        else:
            self._sleep(_wait_seconds(response))
            result = self.wait_for_job(response.json()["id"])["result"]
        return result

    def wait_for_job(self, job_id: str) -> Json:
        """Poll as often as Retry-After allows until the job succeeds, and return it. Raises ApiError and JobFailed."""
        while True:
            response = self.call("GET", f"/jobs/{job_id}")
            job: Json = response.json()
            if job["status"] == "succeeded":
                return job
            if job["status"] not in ("queued", "running"):
                raise JobFailed(job)
            self._sleep(_wait_seconds(response))

    def job(self, job_id: str) -> Json:
        """Return GET /jobs/{id}. Raises ApiError."""
        job: Json = self.call("GET", f"/jobs/{job_id}").json()
        return job

    def call(self, method: str, path: str, json: Json | None = None, **headers: str) -> requests.Response:
        """Send a request with the API key and return the response; repeat it after Retry-After where that is safe.

        Raises ApiError on a 4xx or 5xx status.
        """
        send = partial(
            self._session.request,
            method,
            self.base_url + path,
            json=json,
            headers=self._key | headers,
            timeout=(_CONNECT_TIMEOUT_SECONDS, _READ_TIMEOUT_SECONDS),
        )
        response = send()
        for _ in range(_TRIES - 1):
            if not _may_repeat(method, response):
                break
            self._sleep(_wait_seconds(response))
            response = send()
        if not response.ok:
            raise ApiError(response.status_code, _problem(response))
        return response

    def download(self, image: Json) -> bytes:
        """Return the bytes of one image of a result. Raises BrokenImage if they do not match the result."""
        response = self._session.get(image["url"], timeout=(_CONNECT_TIMEOUT_SECONDS, _READ_TIMEOUT_SECONDS))
        if not response.ok:
            raise BrokenImage(f"its URL answered {response.status_code}: {response.text[:200]}")
        check_image(response.content, image)
        return response.content


def check_image(content: bytes, image: Json) -> None:
    """Raise BrokenImage unless `content` is of the type, dimensions, length and SHA-256 given in `image`."""
    try:
        with Image.open(io.BytesIO(content)) as opened:
            size, content_type = opened.size, opened.get_format_mimetype()
    except UnidentifiedImageError:
        raise BrokenImage("it is not an image") from None
    found = {"width": size[0], "height": size[1], "content_type": content_type, "bytes": len(content)}
    found["sha256"] = hashlib.sha256(content).hexdigest()
    wrong = [f"{name} is {found[name]} instead of {image[name]}" for name in found if found[name] != image[name]]
    if wrong:
        raise BrokenImage("; ".join(wrong))


def _may_repeat(method: str, response: requests.Response) -> bool:
    """Return whether the request had no effect (429), or may have it twice (GET), and the wait is short."""
    retryable = response.status_code == HTTPStatus.TOO_MANY_REQUESTS or (
        response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and method == "GET"
    )
    return retryable and "Retry-After" in response.headers and _wait_seconds(response) <= _LONGEST_WAIT_SECONDS


def _wait_seconds(response: requests.Response) -> float:
    return float(response.headers.get("Retry-After", _POLL_SECONDS))


def _problem(response: requests.Response) -> Json:
    """Return the problem document, or a minimal one if a proxy in front of the API produced the error."""
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        document: Json = response.json()
        return document
    return {"code": response.reason, "detail": response.text[:500] or "empty body"}
