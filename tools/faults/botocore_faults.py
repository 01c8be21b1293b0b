"""Injects faults into botocore's HTTP session, below its retries, as a network and a busy AWS cause them.

`URLLib3Session.send` is replaced for the whole process, so every client is affected. The libraries still detect the
faults: a truncated answer is cut where urllib3 reads it, and urllib3 raises the error.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Final, cast

from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, HTTPClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.retries.standard import ExponentialBackoff, RetryContext
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from tools.faults.counts import CallLog
from tools.faults.plan import FaultPlan, Kind

Send = Callable[[URLLib3Session, AWSPreparedRequest], AWSResponse]
Watch = Callable[[str, str, str], None]

_SERVICES: Final = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs", "AmazonSSM": "ssm"}
_S3: Final = {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}
_JSON: Final = "application/x-amz-json-1.0"


@dataclass
class Faults:
    """Draws a fault for each call from the plan and injects it. Safe to use from several threads."""

    plan: FaultPlan
    random: Random
    log: CallLog
    watch: Watch = lambda operation, when, url: None
    """Called with (operation, `before` or `after`, URL) for each call that reaches AWS, so that it can kill the
    process."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Inject faults into every AWS call of this process during the block."""
        real, pause = URLLib3Session.send, ExponentialBackoff.delay_amount

        def delay_amount(backoff: ExponentialBackoff, context: RetryContext) -> float:
            return self.plan.backoff * pause(backoff, context)

        def send(session: URLLib3Session, request: AWSRequest | AWSPreparedRequest) -> AWSResponse:
            return self.send(real, session, cast(AWSPreparedRequest, request))

        URLLib3Session.send = send  # type: ignore[method-assign, assignment]
        ExponentialBackoff.delay_amount = delay_amount  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            URLLib3Session.send = real  # type: ignore[method-assign]
            ExponentialBackoff.delay_amount = pause  # type: ignore[method-assign]

    def send(self, real: Send, session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        """Send a request, or fail as planned. Raises what `URLLib3Session.send` raises."""
        operation = operation_of(request)
        with self._lock:
            kind, share = self.plan.of(operation).draw(self.random), self.random.random()
        match kind:
            case "refused":
                self.log.add(operation, kind, 0)
                raise EndpointConnectionError(endpoint_url=request.url, error="refused by the fault plan")
            case "throttled" | "failed":
                self.log.add(operation, kind, 0)
                return refusal(request, operation, kind, share)
            case "delayed":
                time.sleep(share * self.plan.delay_s)
        self.watch(operation, "before", request.url)
        try:
            answer = real(session, request)
        except HTTPClientError:
            self.log.add(operation, kind, 0)
            self.watch(operation, "failed", request.url)
            raise
        self.log.add(operation, kind, answer.status_code)
        self.watch(operation, "after", request.url)
        match kind:
            case "dropped":
                raise ReadTimeoutError(endpoint_url=request.url, error="dropped by the fault plan")
            case "truncated":
                return _truncated(answer, request, share)
        return answer


def operation_of(request: AWSPreparedRequest) -> str:
    """Return `service.Operation`. JSON services name it in a header; for S3 it follows from the method."""
    target = request.headers.get("X-Amz-Target")
    if target is None:
        return f"s3.{_S3.get(request.method, request.method)}"
    prefix, _, operation = (target.decode() if isinstance(target, bytes) else target).partition(".")
    return f"{_SERVICES.get(prefix, prefix)}.{operation}"


def refusal(request: AWSPreparedRequest, operation: str, kind: Kind, share: float) -> AWSResponse:
    """Return AWS's response for `throttled` or `failed`.

    DynamoDB rejects a transaction as a whole, which botocore retries, or because one item is throttled or in another
    transaction, which botocore does not retry. `share`, from 0 to 1, selects one of these.
    """
    service = operation.partition(".")[0]
    if service == "s3":
        status, code = (503, "SlowDown") if kind == "throttled" else (500, "InternalError")
        return _answer(request, status, "application/xml", f"<Error><Code>{code}</Code><Message/></Error>".encode())
    if operation == "dynamodb.TransactWriteItems" and kind == "throttled" and share < 0.5:
        return cancelled(request, "ThrottlingError" if share < 0.25 else "TransactionConflict")
    status, code = {
        ("dynamodb", "throttled"): (400, "ThrottlingException"),
        ("dynamodb", "failed"): (500, "InternalServerError"),
        ("sqs", "throttled"): (403, "RequestThrottled"),
    }.get((service, kind), (500, "InternalFailure"))
    return json_answer(request, status, code)


def json_answer(request: AWSPreparedRequest, status: int, code: str) -> AWSResponse:
    """Return the error response of a JSON service."""
    return _answer(request, status, _JSON, json.dumps({"__type": f"com.amazonaws#{code}", "message": ""}).encode())


def cancelled(request: AWSPreparedRequest, reason: str) -> AWSResponse:
    """Return DynamoDB's response to a transaction that it cancels, with `reason` for the first item."""
    body = request.body if isinstance(request.body, bytes) else b"{}"
    items = json.loads(body)["TransactItems"]
    reasons = [{"Code": reason, "Message": ""}, *({"Code": "None"} for _ in items[1:])]
    named = ", ".join(each["Code"] for each in reasons)
    document = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": f"Transaction cancelled, please refer cancellation reasons for specific reasons [{named}]",
        "CancellationReasons": reasons,
    }
    return _answer(request, 400, _JSON, json.dumps(document).encode())


def _answer(request: AWSPreparedRequest, status: int, content_type: str, body: bytes) -> AWSResponse:
    headers = HTTPHeaders.from_dict({"Content-Type": content_type, "Content-Length": str(len(body))})
    return AWSResponse(request.url, status, headers, _raw(headers, body))


def _truncated(answer: AWSResponse, request: AWSPreparedRequest, share: float) -> AWSResponse:
    """Announce the whole body, or one byte if it is empty, but end in the middle of it."""
    body = answer.content
    headers = HTTPHeaders.from_dict(dict(answer.headers.items()) | {"Content-Length": str(max(1, len(body)))})
    cut = AWSResponse(request.url, answer.status_code, headers, _raw(headers, body[: int(share * len(body))]))
    if not request.stream_output:
        try:
            _ = cut.content
        except ProtocolError as error:
            raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from error
    return cut


def _raw(headers: HTTPHeaders, body: bytes) -> HTTPResponse:
    return HTTPResponse(io.BytesIO(body), dict(headers.items()), preload_content=False, decode_content=False)
