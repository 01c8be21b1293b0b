"""The API's operations. All but `post_once` may be repeated: POST /generate has an Idempotency-Key."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from imagegen_cli.deadline import Deadline
from imagegen_cli.documents import Answer, Job, JobPage, ModelList, ProvenanceCheck, Result, UploadForm, parse
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.profile import Profile
from imagegen_cli.refusal import IN_PROGRESS, backoff, refusal, repeat_after, retry_after
from imagegen_cli.transport import Response, Transport, encoded_form

_TRIES: Final = 5
_NETWORK_TRIES: Final = 3
_WAITING_TRIES: Final = 8
"""While a job runs: a minute without a network must not end the wait."""
_IN_PROGRESS_TRIES: Final = 60
_LONGEST_WAIT_SECONDS: Final = 60.0
"""A request that may be repeated only later, such as after the monthly quota is used up, fails instead."""
_POLL_SECONDS: Final = 2.0
"""Between two looks at a job if the service does not say how long to wait."""
_SHORTEST_POLL_SECONDS: Final = 0.1
T = TypeVar("T")


class Client:
    """One caller of one deployment. Every method raises Failure."""

    def __init__(
        self,
        profile: Profile,
        deadline: Deadline,
        note: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ):
        """`note` gets a sentence for each request that will be repeated."""
        self._url = profile.url
        self._credential = profile.credential.headers
        self._deadline = deadline
        self._transport = Transport(deadline)
        self._note = note
        self._sleep = sleep

    def generate(self, request: Mapping[str, Any], idempotency_key: str, wait: bool) -> Answer[Result] | Answer[Job]:
        """Return the result, or the job that the request became. Without `wait`, always a job."""
        headers = {"idempotency-key": idempotency_key} | ({} if wait else {"prefer": "respond-async"})
        response = self._call("POST", "/generate", headers, request)
        if response.status == HTTPStatus.OK:
            return self._parsed(Result, response)
        return self._parsed(Job, response)

    def jobs(self, **query: str | int | None) -> Answer[JobPage]:
        """Return a page of jobs; a query parameter of None is left out."""
        return self.get(JobPage, "/jobs", **query)

    def job(self, job_id: str) -> Answer[Job]:
        """Return the job, with URLs signed now."""
        return self._parsed(Job, self._call("GET", f"/jobs/{job_id}"))

    def cancel(self, job_id: str) -> Answer[Job]:
        """Return the cancelled job."""
        return self._parsed(Job, self._call("POST", f"/jobs/{job_id}/cancel"))

    def models(self) -> Answer[ModelList]:
        """Return the models of the deployment."""
        return self.get(ModelList, "/models")

    def verify(self, content_type: str, data: bytes) -> Answer[ProvenanceCheck]:
        """Return what the picture's content credentials say, and whether they hold."""
        body, kind = encoded_form({}, content_type, data)
        return self._parsed(ProvenanceCheck, self._call("POST", "/verify", {"content-type": kind}, body=body))

    def upload_form(self, content_type: str) -> UploadForm:
        """Return a form for a new upload. A repetition is another form, and stores nothing."""
        response = self._call("POST", "/uploads", document={"content_type": content_type})
        return self._parsed(UploadForm, response).value

    def get(self, kind: type[T], path: str, **query: str | int | None) -> Answer[T]:
        """Return the document; a query parameter of None is left out."""
        return self._parsed(kind, self._call("GET", _with_query(path, query)))

    def delete(self, path: str, **query: str | int | None) -> None:
        """Delete what may be deleted again; a query parameter of None is left out."""
        self._call("DELETE", _with_query(path, query))

    def post_once(self, kind: type[T], path: str, document: Mapping[str, Any]) -> Answer[T]:
        """Return what a request creates that must not be repeated, unless the service has refused it unread (429)."""
        return self._parsed(kind, self._call("POST", path, document=document, network_tries=1, only_unread=True))

    def wait(self, job_id: str, watch: Callable[[Job], None]) -> Answer[Job]:
        """Look at the job as often as Retry-After allows until it is final, and return it. `watch` gets each look."""
        while True:
            response = self._call("GET", f"/jobs/{job_id}", network_tries=_WAITING_TRIES)
            answer = self._parsed(Job, response)
            watch(answer.value)
            if answer.value.is_final:
                return answer
            told = retry_after(response, datetime.now(UTC))
            seconds = _POLL_SECONDS if told is None else max(told, _SHORTEST_POLL_SECONDS)
            self._sleep(self._deadline.within(seconds))

    def download(self, url: str) -> AbstractContextManager[tuple[int, Iterator[bytes]]]:
        """Return the status of a presigned URL and the chunks of its body, once. The key is not sent."""
        return self._transport.download(url)

    def send_file(self, form: UploadForm, content_type: str, data: bytes) -> Response:
        """Return the bucket's response to the form with the file, once. The key is not sent."""
        return self._transport.send_file(form.url, form.fields, content_type, data)

    def pause(self, seconds: float | None, failure: Failure) -> None:
        """Wait before a repetition. Raises the failure if `seconds` is None, over a minute, or past the deadline."""
        if seconds is None or seconds > _LONGEST_WAIT_SECONDS or not self._deadline.allows(seconds):
            raise failure
        self._note(f"{failure.code}: next try in {seconds:g} s")
        self._sleep(seconds)

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        document: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        network_tries: int = _NETWORK_TRIES,
        only_unread: bool = False,
    ) -> Response:
        """Return the 2xx response; repeat the request while that can help, or only after a 429 (`only_unread`).

        What is sent is the `document` as JSON, or the `body`, whose media type is in `headers`.
        """
        content = {}
        if document is not None:
            body, content = json.dumps(document).encode(), {"content-type": "application/json"}
        sent = {"accept": "application/json", **self._credential, **content, **(headers or {})}
        attempt = 1
        while True:
            try:
                response = self._transport.send(method, self._url + path, sent, body)
            except Failure as unsent:
                may_pass = unsent.exit_code is not ExitCode.SERVICE_FAILED and attempt < network_tries
                self.pause(backoff(attempt) if may_pass else None, unsent)
            else:
                if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
                    return response
                seconds, failure = _plan(response, attempt)
                may_have_acted = only_unread and response.status != HTTPStatus.TOO_MANY_REQUESTS
                self.pause(None if may_have_acted else seconds, failure)
            attempt += 1

    def _parsed(self, kind: type[T], response: Response) -> Answer[T]:
        try:
            document = response.json()
        except ValueError:
            raise refusal(response) from None
        return parse(kind, document)


def _with_query(path: str, query: Mapping[str, str | int | None]) -> str:
    given = urlencode({name: value for name, value in query.items() if value is not None}, errors="replace")
    return f"{path}?{given}" if given else path


def _plan(response: Response, attempt: int) -> tuple[float | None, Failure]:
    """Return the seconds until the request is repeated, None for never, and the failure if it is not."""
    failure = refusal(response)
    seconds = repeat_after(response, attempt, datetime.now(UTC))
    told = retry_after(response, datetime.now(UTC))
    if told is not None and seconds is not None:
        failure.problem["retry_after"] = round(told)
    if failure.exit_code is ExitCode.THROTTLED and seconds is not None:
        failure.detail += f" Next try: in {seconds:.0f} s."
    tries = _IN_PROGRESS_TRIES if failure.code == IN_PROGRESS else _TRIES
    return seconds if attempt < tries else None, failure
