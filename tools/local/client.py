"""A small client of the API, as any caller could write it: `requests`, a key, and a look at what comes back."""

from __future__ import annotations

import hashlib
import struct
import time
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from tools.local.endpoint import Endpoint

Json = dict[str, Any]

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CONNECT_SECONDS: Final = 5
_POLL_SECONDS: Final = 0.2
_ANSWER_SECONDS: Final = 60
"""API Gateway gives up after 29 s; the local stack does not."""


class ApiError(Exception):
    """The API refused or failed; `problem` is its problem document."""

    def __init__(self, status: int, problem: Json):
        super().__init__(f"{status} {problem['code']}")
        self.status = status
        self.problem = problem

    def describe(self) -> str:
        """The problem for a person: what, why, which fields, and the id to look for in the log."""
        lines = [f"The API answered {self}: {self.problem['detail']}"]
        lines += [f"  {each['field']}: {each['message']} ({each['code']})" for each in self.problem.get("errors", [])]
        lines += [f"  request id {self.problem['request_id']}"] if "request_id" in self.problem else []
        return "\n".join(lines)


class JobEnded(Exception):
    """The job ended otherwise than with images."""

    def __init__(self, job: Json):
        super().__init__(f"The job {job['status']}: {job['error']['detail'] if job['error'] else 'no reason'}")


class BrokenImage(Exception):
    """What came from the presigned URL is not the image that the answer promised."""


class Client:
    """One caller of one deployment. Raises requests.RequestException where nothing answers."""

    def __init__(self, endpoint: Endpoint):
        self.base_url = endpoint.base_url
        self._key = {"x-api-key": endpoint.api_key}
        self._session = requests.Session()
        # A proxy of the developer's knows nothing of this machine's loopback.
        self._session.trust_env = urlsplit(endpoint.base_url).hostname not in ("127.0.0.1", "localhost")

    def healthy(self) -> bool:
        try:
            return self._session.get(f"{self.base_url}/health", timeout=_CONNECT_SECONDS).status_code == 200
        except requests.RequestException:
            return False

    def generate(self, request: Json) -> Json:
        """The result of POST /generate, awaited where it became a job. Raises ApiError and JobEnded."""
        answer = self.call("POST", "/generate", json=request)
        result: Json = answer.json() if answer.status_code == 200 else self.finished(answer.json()["id"])["result"]
        return result

    def finished(self, job_id: str) -> Json:
        """The job, once it has succeeded. Raises ApiError and JobEnded."""
        while True:
            job = self.job(job_id)
            if job["status"] == "succeeded":
                return job
            if job["status"] not in ("queued", "running"):
                raise JobEnded(job)
            time.sleep(_POLL_SECONDS)

    def job(self, job_id: str) -> Json:
        job: Json = self.call("GET", f"/jobs/{job_id}").json()
        return job

    def call(self, method: str, path: str, json: Json | None = None, **headers: str) -> requests.Response:
        """Raises ApiError."""
        answer = self._session.request(
            method,
            self.base_url + path,
            json=json,
            headers=self._key | headers,
            timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS),
        )
        if not answer.ok:
            raise ApiError(answer.status_code, _document(answer))
        return answer

    def download(self, image: Json) -> bytes:
        """The bytes of one image of a result. Raises BrokenImage unless they are what the result says."""
        answer = self._session.get(image["url"], timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS))
        if not answer.ok:
            raise BrokenImage(f"its URL answered {answer.status_code}: {answer.text[:200]}")
        check_png(answer.content, image)
        return answer.content


def check_png(content: bytes, image: Json) -> None:
    """Raise BrokenImage unless `content` is a PNG with the size, length and digest that `image` names."""
    size = struct.unpack(">II", content[16:24]) if content.startswith(_PNG_SIGNATURE) and len(content) >= 24 else None
    if size is None:
        raise BrokenImage("it is not a PNG")
    found = {"width": size[0], "height": size[1], "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    wrong = [f"{name} is {found[name]} instead of {image[name]}" for name in found if found[name] != image[name]]
    if wrong:
        raise BrokenImage("; ".join(wrong))


def _document(answer: requests.Response) -> Json:
    """An error's problem document, or something like it where whoever stands before the API made another body."""
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        document: Json = answer.json()
        return document
    return {"code": answer.reason, "detail": answer.text[:500] or "empty body"}
