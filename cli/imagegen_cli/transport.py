"""HTTP: one request, one response."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from imagegen_cli import __version__
from imagegen_cli.deadline import Deadline
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.profile import is_loopback

_CONNECT_SECONDS: Final = 10.0
_READ_SECONDS: Final = 60.0
"""API Gateway times out after 29 s; a local stack has no such limit."""
_MAX_DOCUMENT: Final = 16 * 1024 * 1024
_CHUNK: Final = 64 * 1024
_BUCKET_REDIRECTS: Final = 3
_AGENT: Final = f"imagegen-cli/{__version__}"


@dataclass(frozen=True)
class Response:
    """A complete response; its body has at most 16 MiB. Names of headers are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's JSON. Raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None


class Transport:
    """Sends requests within the deadline.

    Every method raises Failure: unreachable, or timeout if the service does not respond in time.
    """

    def __init__(self, deadline: Deadline):
        self._deadline = deadline

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> Response:
        """Return the response. Redirects are not followed: they would carry the key to another host."""
        return self._received(method, url, headers, body, redirects=0)

    def send_file(self, url: str, fields: Mapping[str, str], content_type: str, data: bytes) -> Response:
        """Return the response to a form: its fields, and then the file, named `file`. The key is not sent."""
        body, kind = encoded_form(fields, content_type, data)
        return self._received("POST", url, {"content-type": kind}, body, _BUCKET_REDIRECTS)

    @contextmanager
    def download(self, url: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Yield the status and the chunks of the body. The key is not sent."""
        with self._opened("GET", url, {}, None, _BUCKET_REDIRECTS) as response:
            yield response.status, self._chunks(response, url)

    def _received(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, redirects: int
    ) -> Response:
        with self._opened(method, url, headers, body, redirects) as response:
            content = b"".join(self._chunks(response, url, _MAX_DOCUMENT))
            return Response(response.status, response.headers, content)

    @contextmanager
    def _opened(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, redirects: int
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        sent = {"user-agent": _AGENT, **headers}
        retries = urllib3.Retry(None, connect=0, read=0, status=0, other=0, redirect=redirects, raise_on_redirect=False)
        timeouts = timeouts_within(self._deadline)
        with self._mapped(url), _pool(url) as pool:
            response = pool.request(
                method, url, body=body, headers=sent, timeout=timeouts, retries=retries, preload_content=False
            )
            try:
                yield response
            finally:
                response.close()

    def _chunks(self, response: urllib3.BaseHTTPResponse, url: str, limit: int | None = None) -> Iterator[bytes]:
        """Yield the body as it arrives, so that a server that sends byte by byte cannot outlast the deadline."""
        length = 0
        while chunk := response.read1(_CHUNK):
            self._deadline.within(_READ_SECONDS)
            length += len(chunk)
            if limit is not None and length > limit:
                raise Failure(ExitCode.SERVICE_FAILED, f"The response of {host_of(url)} is larger than 16 MiB.")
            yield chunk

    @contextmanager
    def _mapped(self, url: str) -> Iterator[None]:
        try:
            yield
        except HTTPError as error:
            raise self._failure(getattr(error, "reason", None) or error, url) from error

    def _failure(self, error: BaseException, url: str) -> Failure:
        is_late = isinstance(error, ConnectTimeoutError | ReadTimeoutError)
        if is_late and not isinstance(error, NewConnectionError):  # which urllib3 counts as late, too
            self._deadline.within(_READ_SECONDS)
            return Failure(ExitCode.TIMEOUT, f"{host_of(url)} did not respond in time.")
        return Failure(ExitCode.UNREACHABLE, f"{host_of(url)} cannot be reached: {_reason(error)}.")


def encoded_form(fields: Mapping[str, str], content_type: str, data: bytes) -> tuple[bytes, str]:
    """Return the body of a form, which has these fields and then the file, and its media type."""
    return urllib3.encode_multipart_formdata([*fields.items(), ("file", ("file", data, content_type))])


def timeouts_within(deadline: Deadline) -> urllib3.Timeout:
    """Return the limits of one connection and of each wait for data. Raises Failure (timeout) if no time is left."""
    return urllib3.Timeout(connect=deadline.within(_CONNECT_SECONDS), read=deadline.within(_READ_SECONDS))


def host_of(url: str) -> str:
    """Return scheme, host and port. The rest of a presigned URL is a secret."""
    return urllib3.util.parse_url(url)._replace(auth=None, path=None, query=None, fragment=None).url


def _pool(url: str) -> urllib3.PoolManager:
    """A proxy cannot reach this machine's loopback interface."""
    parts = urllib3.util.parse_url(url)
    proxy = getproxies().get(parts.scheme or "")
    if proxy is None or is_loopback(url) or proxy_bypass(parts.host or ""):
        return urllib3.PoolManager()
    return urllib3.ProxyManager(proxy)


def _reason(error: BaseException) -> str:
    """Return the operating system's words, or urllib3's. Those that begin with the connection name it twice."""
    cause = error.__cause__ or error.__context__
    words = getattr(cause, "strerror", None) or (str(error.args[0]) if error.args else "")
    return (words.rpartition(">: ")[2] or type(error).__name__).rstrip(".")
