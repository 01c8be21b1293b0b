"""Images of a result, from their presigned URLs to files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from imagegen_cli.client import Client
from imagegen_cli.destination import Place
from imagegen_cli.documents import Image, Result
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.refusal import backoff
from imagegen_cli.whole_file import whole_file

_TRIES: Final = 3


def save_images(client: Client, result: Result, place: Place) -> list[Path]:
    """Write every image, each as a whole or not at all, and return the paths. Raises Failure."""
    paths = place.paths(result)
    for number, path in enumerate(paths):
        result = _saved(client, result, number, path)
    return paths


def _saved(client: Client, result: Result, number: int, path: Path) -> Result:
    """Write one image and return the result, with new URLs if its own had expired."""
    for attempt in range(1, _TRIES + 1):
        try:
            _save(client, result.images[number], path)
            break
        except Failure as failure:
            is_last = attempt == _TRIES or failure.exit_code is ExitCode.FILE
            client.pause(None if is_last else backoff(attempt), failure)
            if failure.problem.get("status") == HTTPStatus.FORBIDDEN:
                result = _with_new_urls(client, result)
    return result


def _with_new_urls(client: Client, result: Result) -> Result:
    """A signature ends with the credentials that made it, so 403 means that it has expired."""
    renewed = client.job(result.id).value.result
    return renewed if renewed and len(renewed.images) == len(result.images) else result


def _save(client: Client, image: Image, path: Path) -> None:
    digest, length = hashlib.sha256(), 0
    with client.download(image.url) as (status, chunks), _file_errors(path), whole_file(path) as file:
        if status != HTTPStatus.OK:
            raise Failure(ExitCode.SERVICE_FAILED, f"The image's URL answered {status}.", {"status": status})
        for chunk in chunks:
            length += len(chunk)
            digest.update(chunk)
            file.write(chunk)
        if (length, digest.hexdigest()) != (image.bytes, image.sha256):
            raise Failure(ExitCode.SERVICE_FAILED, "The downloaded image is not the one in the result (SHA-256).")


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Failure(ExitCode.FILE, f"{path} cannot be written: {error.strerror}.") from error
