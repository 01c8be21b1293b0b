"""What became of a line: the JSON object that the file of results has for it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ConfigDict

from imagegen_cli.documents import Document, Result
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure

_OF_THE_REQUEST: Final = {"generation_failed", "generation_invalid"}
"""5xx that the same request has again. The service keeps them under the Idempotency-Key."""
_OF_A_JOB: Final = "generation_timeout"
"""The same, if a job has failed with it. As a response, it may also be the gateway's."""
_MAY_PASS: Final = {
    ExitCode.THROTTLED, ExitCode.KEY_REFUSED, ExitCode.UNREACHABLE, ExitCode.TIMEOUT, ExitCode.FILE, ExitCode.USAGE,
}  # fmt: skip
"""USAGE: once lines are drawn, only a picture that was moved or replaced meanwhile."""
_OF_THE_DEPLOYMENT: Final = {
    "not_json", "route_not_found", "idempotency_in_progress", "result_expired",
    "upload_refused", "AccessDenied", "RequestTimeout",
}  # fmt: skip
"""4xx that another address, or another moment, does not have. The last row is the bucket's, or of a proxy before it."""
_SERVER_ERROR: Final = 500


class LineError(Document):
    """Why a line has no images. `code` is the service's, or the name of an exit code."""

    code: str
    status: int | None = None
    detail: str
    errors: list[dict[str, Any]] = []
    """The fields that the service rejects."""
    request_id: str | None = None


class Entry(Document):
    """One line of the file of results. Receipts are the service's: a result from its cache was paid before."""

    model_config = ConfigDict(extra="allow", frozen=True)

    line: int
    idempotency_key: str
    """Of the request. It identifies the line: another request, or another batch, has another one."""
    status: str
    id: str | None = None
    """Of the job."""
    files: list[str] = []
    """Names in the folder of the results."""
    seed: int | None = None
    """Of the first image."""
    images: int = 0
    seconds: float = 0
    usd: float = 0
    cached: bool = False
    warnings: list[str] = []
    error: LineError | None = None
    retryable: bool | None = None
    """Whether the next run repeats the line."""

    @property
    def has_succeeded(self) -> bool:
        return self.status == "succeeded"

    def row(self) -> bytes:
        """Return the entry as a line of JSON, without what does not apply."""
        return self.model_dump_json(exclude_none=True, exclude_defaults=not self.has_succeeded).encode() + b"\n"


def success(line: int, key: str, result: Result, files: Sequence[str]) -> Entry:
    """Return the entry of a line whose images are files."""
    return Entry(
        line=line,
        idempotency_key=key,
        status="succeeded",
        id=result.id,
        files=list(files),
        seed=result.images[0].seed,
        images=len(result.images),
        seconds=result.cost.billed_ms / 1000,
        usd=result.cost.usd,
        cached=result.cached,
        warnings=result.warnings,
    )


def failed(line: int, key: str, failure: Failure) -> Entry:
    """Return the entry of a line that has no images."""
    job_id = failure.problem.get("job_id")
    text = json.dumps(failure.document(), ensure_ascii=False)
    error = LineError.model_validate_json(text.encode(errors="replace"))  # a service may quote a lone surrogate
    return Entry(line=line, idempotency_key=key, status="failed", id=job_id, error=error, retryable=may_pass(failure))


def may_pass(failure: Failure) -> bool:
    """Return whether the same request may succeed later: neither it nor its pictures caused the failure."""
    if failure.exit_code in _MAY_PASS or failure.code in _OF_THE_DEPLOYMENT:
        return True
    if failure.exit_code is ExitCode.JOB_FAILED and failure.code != _OF_A_JOB:
        is_passing = int(failure.problem.get("status", _SERVER_ERROR)) >= _SERVER_ERROR
    else:
        is_passing = failure.exit_code is ExitCode.SERVICE_FAILED  # also 403 and 404 of the URL of an image
    return is_passing and failure.code not in _OF_THE_REQUEST


@dataclass(frozen=True)
class Totals:
    """Sums over entries, each of which has its line once."""

    succeeded: int
    failed: int
    images: int
    seconds: float
    usd: float
    cached: int

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Totals:
        every = list(entries)
        done = [entry for entry in every if entry.has_succeeded]
        return cls(
            succeeded=len(done),
            failed=len(every) - len(done),
            images=sum(entry.images for entry in done),
            seconds=math.fsum(entry.seconds for entry in done),
            usd=math.fsum(entry.usd for entry in done),
            cached=sum(entry.cached for entry in done),
        )
