"""Fetches the keys of an issuer over HTTPS, by its discovery document (OpenID Connect Discovery 1.0).

Covered: TLS with the system's authorities, no redirects, no proxy variables, a limit on time and size. It contacts only
issuers that the deployment's owner configured, and the addresses that they publish, whatever a token says.
Not covered: a thread whose issuer sends header bytes slowly lives until the issuer stops; its caller does not wait.
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from imagegen.access.ports import KeySet, KeySetUnavailable

MAX_BYTES: Final = 256 * 1024
"""Of a response's body. The longest key sets of large providers have 30 KB."""
TOTAL_S: Final = 3.0
"""For both requests together, with DNS and TLS."""
_CHUNK: Final = 16 * 1024


class HttpsKeySets:
    """Implements access.ports.KeySetSource. Only tests pass parameters."""

    def __init__(
        self, tls: Callable[[], ssl.SSLContext] = ssl.create_default_context, total_s: float = TOTAL_S
    ) -> None:
        self._tls = tls
        self._total_s = total_s

    def fetch(self, issuer: str) -> KeySet:
        """Return the issuer's keys. Raises KeySetUnavailable within the time limit, whatever the issuer does.

        A thread does the work: neither DNS nor the bytes of a response's head have a time limit of their own.
        """
        done: queue.SimpleQueue[KeySet | KeySetUnavailable] = queue.SimpleQueue()
        ends = time.monotonic() + self._total_s
        threading.Thread(target=lambda: done.put(self._outcome(issuer, ends)), daemon=True).start()
        try:
            outcome = done.get(timeout=self._total_s)
        except queue.Empty:
            raise KeySetUnavailable("timeout") from None
        if isinstance(outcome, KeySetUnavailable):
            raise outcome
        return outcome

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(ssl_context=self._tls(), retries=False)

    def _outcome(self, issuer: str, ends: float) -> KeySet | KeySetUnavailable:
        try:
            return self._fetch(issuer, ends)
        except KeySetUnavailable as error:
            return error
        except (HTTPError, OSError) as error:
            return KeySetUnavailable(type(error).__name__)

    def _fetch(self, issuer: str, ends: float) -> KeySet:
        document = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", ends)
        if document.get("issuer") != issuer:
            raise KeySetUnavailable("discovery names another issuer")
        keys = self._get(_https(document.get("jwks_uri")), ends)
        found = keys.get("keys")
        if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
            raise KeySetUnavailable("no keys")
        return keys

    def _get(self, url: str, ends: float) -> dict[str, Any]:
        timeout = urllib3.Timeout(total=max(0.001, ends - time.monotonic()))
        response = self._pool.request("GET", url, timeout=timeout, redirect=False, preload_content=False)
        try:
            if response.status != 200:
                raise KeySetUnavailable(f"status {response.status}")
            return _object(_body(response, ends))
        finally:
            response.close()  # not kept open for the next fetch, minutes later


def _body(response: urllib3.BaseHTTPResponse, ends: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise KeySetUnavailable("too large")
        if time.monotonic() > ends:
            raise KeySetUnavailable("timeout")
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise KeySetUnavailable("not JSON") from None
    if not isinstance(document, dict):
        raise KeySetUnavailable("not a JSON object")
    return document


def _https(url: object) -> str:
    if not isinstance(url, str) or not url.isascii() or urlsplit(url).scheme != "https":
        raise KeySetUnavailable("jwks_uri is not https")
    return url
