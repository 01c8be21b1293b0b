"""One line of a batch, from its request to its entry. Threads share a Drawer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagegen_cli.batch.entry import Entry, failed, success
from imagegen_cli.batch.folder import Folder
from imagegen_cli.batch.lines import Line
from imagegen_cli.batch.stopping import Pace, Stop
from imagegen_cli.client import Client
from imagegen_cli.destination import extension_of
from imagegen_cli.documents import Result
from imagegen_cli.downloads import save_images
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.refusal import backoff
from imagegen_cli.uploads import Uploads
from imagegen_cli.work import require_success

_ROUNDS: Final = 6
"""After the client's own tries, 4 to 30 s apart: a minute and a half without a network or a service."""
_LEAST_HOLD_SECONDS: Final = 1
_LONGEST_HOLD_SECONDS: Final = 600
"""A quota that is used up until next month stops the batch instead."""
_STOPPING: Final = {ExitCode.THROTTLED, ExitCode.KEY_REFUSED, ExitCode.FILE, ExitCode.INTERRUPTED}
"""After these, no other line can succeed, either."""


def key_of(batch_id: str, line: Line) -> str:
    """Return the Idempotency-Key of the line, the same in every run of the batch."""
    return f"imagegen-batch-{hashlib.sha256(f'{batch_id} {line.digest}'.encode()).hexdigest()[:40]}"


@dataclass(frozen=True)
class LineFiles:
    """Names images by line and seed: 00003-7.png. Images of other entries are never overwritten."""

    folder: Folder
    line: int
    key: str

    def paths(self, result: Result) -> list[Path]:
        """Return a path for each image. Raises Failure."""
        extension = extension_of(result.images)
        return [self.folder.path / self._name(image.seed, extension) for image in result.images]

    def _name(self, seed: int, extension: str) -> str:
        name = f"{self.line:05d}-{seed}{extension}"
        if self.folder.owners.get(name, self.key) == self.key:
            return name
        return f"{self.line:05d}-{seed}-{self.key[-8:]}{extension}"


class Drawer:
    """Draws lines of a batch into its folder."""

    def __init__(self, client: Client, folder: Folder, stop: Stop):
        self._client = client
        self._folder = folder
        self._stop = stop
        self._uploads = Uploads(client)
        self._pace = Pace(stop.sleep)

    def outcome(self, line: Line) -> Entry | Failure:
        """Return the line's entry, or the failure that stops the batch; the line is then repeated by the next run."""
        key, attempt = key_of(self._folder.batch_id, line), 1
        pictures: dict[str, str] = {}
        while True:
            try:
                self._pace.wait()
                pictures = self._uploads.sendable(line.pictures)
                return self._drawn(line, pictures, key)
            except Failure as failure:
                seconds = self._next_try(failure, pictures, attempt)
                if seconds is None:
                    return failure if self._stops(failure) else failed(line.number, key, failure)
                self._pace.hold(seconds)
                attempt += failure.exit_code is not ExitCode.THROTTLED

    def _drawn(self, line: Line, pictures: Mapping[str, str], key: str) -> Entry:
        value = self._client.generate({**line.request, **pictures}, key, wait=True).value
        result = value if isinstance(value, Result) else self._ended(value.id)
        files = save_images(self._client, result, LineFiles(self._folder, line.number, key))
        return success(line.number, key, result, [path.name for path in files])

    def _ended(self, job_id: str) -> Result:
        job = self._client.wait(job_id, lambda _: None).value
        require_success(job)
        if job.result is None:
            raise Failure(ExitCode.SERVICE_FAILED, "The job has succeeded, but has no result.", {"job_id": job_id})
        return job.result

    def _next_try(self, failure: Failure, pictures: Mapping[str, str], attempt: int) -> float | None:
        """Return the seconds until the line is worth another try in this run, or None."""
        told = failure.problem.get("retry_after")
        if failure.code == "upload_not_found":  # uploads end after a day
            return 0 if attempt < _ROUNDS and self._uploads.forget(pictures) else None
        if failure.exit_code is ExitCode.THROTTLED:
            return max(told, _LEAST_HOLD_SECONDS) if told is not None and told <= _LONGEST_HOLD_SECONDS else None
        is_passing = failure.exit_code in (ExitCode.UNREACHABLE, ExitCode.TIMEOUT) or (
            failure.exit_code is ExitCode.SERVICE_FAILED and told is not None
        )
        return max(told or 0, backoff(attempt + 3)) if is_passing and attempt < _ROUNDS and self._has_time() else None

    def _stops(self, failure: Failure) -> bool:
        return failure.exit_code in _STOPPING or not self._has_time()

    def _has_time(self) -> bool:
        return self._stop.allows(0)
