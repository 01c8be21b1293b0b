"""How pictures reach the service: in a request's JSON, or, if they are larger, through an upload."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from http import HTTPStatus
from threading import Lock
from typing import Final

from imagegen_cli.client import Client
from imagegen_cli.documents import UploadForm
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.picture_file import Picture, PictureFile
from imagegen_cli.refusal import backoff
from imagegen_cli.transport import Response

MAX_INLINE: Final = 4_350_000
"""Characters of base64 in one request, whose body may have 4,500,000 bytes: pictures of 3.26 MB together."""
_TRIES: Final = 3
_XML: Final = re.compile(rb"<(Code|Message)>([^<]{1,500})</")


def upload(client: Client, picture: PictureFile) -> UploadForm:
    """Send the file to the deployment's bucket, and return the form, whose id names it for a day. Raises Failure."""
    form = client.upload_form(picture.content_type)
    if picture.size > form.max_bytes:
        detail = f"{picture.path} has {picture.size:,} bytes; an upload has at most {form.max_bytes:,}."
        raise Failure(ExitCode.REFUSED, f"{detail} Scale the picture down.", {"code": "image_too_large"})
    data = picture.read()
    for attempt in range(1, _TRIES + 1):
        try:
            _require_accepted(client.send_file(form, picture.content_type, data))
            break
        except Failure as failure:
            is_last = attempt == _TRIES or failure.exit_code is ExitCode.REFUSED
            client.pause(None if is_last else backoff(attempt), failure)
    return form


class Uploads:
    """Pictures of requests that several threads send: each file is uploaded once."""

    def __init__(self, client: Client):
        self._client = client
        self._guard = Lock()
        self._locks: dict[str, Lock] = {}
        self._ids: dict[str, str] = {}
        self._ended: set[str] = set()

    def sendable(self, pictures: Mapping[str, Picture]) -> dict[str, str]:
        """Return the fields of a request: files in base64 as far as they fit, the smallest first. Raises Failure."""
        fields = {name: picture for name, picture in pictures.items() if isinstance(picture, str)}
        room = MAX_INLINE - sum(map(len, fields.values()))
        for name, file in sorted(_files(pictures), key=lambda each: each[1].size):
            length = -(-file.size // 3) * 4
            fits = length <= room
            fields[name] = base64.b64encode(file.read()).decode() if fits else self._id(file)
            room -= length if fits else 0
        return fields

    def forget(self, fields: Mapping[str, str]) -> bool:
        """Upload these files again next time: the service has them no more. Returns whether any was uploaded here."""
        with self._guard:
            found = [(digest, upload_id) for digest, upload_id in self._ids.items() if upload_id in fields.values()]
            for digest, upload_id in found:
                del self._ids[digest]
                self._ended.add(upload_id)
            return not self._ended.isdisjoint(fields.values())

    def _id(self, file: PictureFile) -> str:
        with self._guard:
            lock = self._locks.setdefault(file.sha256, Lock())
        with lock:
            if file.sha256 not in self._ids:
                self._ids[file.sha256] = upload(self._client, file).id
            return self._ids[file.sha256]


def _files(pictures: Mapping[str, Picture]) -> list[tuple[str, PictureFile]]:
    return [(name, picture) for name, picture in pictures.items() if isinstance(picture, PictureFile)]


def _require_accepted(response: Response) -> None:
    """Raises Failure with the bucket's own code and words, which are XML."""
    if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    said = {name: text.decode(errors="replace") for name, text in _XML.findall(response.body)}
    is_refused = HTTPStatus.BAD_REQUEST <= response.status < HTTPStatus.INTERNAL_SERVER_ERROR
    raise Failure(
        ExitCode.REFUSED if is_refused else ExitCode.SERVICE_FAILED,
        f"The bucket did not accept the picture: {said.get(b'Message', 'it gave no reason')}",
        {"code": said.get(b"Code", "upload_refused"), "status": response.status},
    )
