"""The pictures of a request: read from its JSON, from uploads, or from what a job keeps.

Needs no Pillow: format and size come from the header, so that a function without it refuses what is none. What only
decoding shows, such as a truncated file, fails the generation with the same codes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from imagegen.errors import PictureError, UploadNotFound
from imagegen.generation.edit import Picture
from imagegen.generation.planner import Plan
from imagegen.generation.request import GenerateRequest
from imagegen.pictures.encoded import decode_base64
from imagegen.pictures.inspection import check_mask_size, inspect
from imagegen.pictures.ports import Uploads
from imagegen.pictures.uploads import is_id
from imagegen.retry import retry

_KEPT: Final = re.compile(r"input_([0-9a-f]{64})")
"""How a stored job names a picture: by the SHA-256 of its file."""


class InputStore(Protocol):
    """Objects by key. Every call raises StorageUnavailable if the store does not respond."""

    def read(self, key: str) -> bytes | None:
        """Return the object, or None if there is none."""

    def write(self, key: str, body: bytes) -> None:
        """Store the object, in place of an earlier one."""


@dataclass(frozen=True)
class Inputs:
    """Reads the pictures of requests, and keeps those of jobs as long as the bucket keeps images."""

    uploads: Uploads
    store: InputStore

    def read(self, request: GenerateRequest, tenant: str) -> tuple[Picture, Picture | None] | None:
        """Return image and mask of a caller's request, or None if it has no image.

        Raises ImageInvalid, ImageTooLarge, ImageFormatUnsupported, MaskSizeMismatch, UploadNotFound or
        StorageUnavailable.
        """
        return _pictures(request, lambda text: self._sent(text, tenant))

    def read_kept(self, request: GenerateRequest, tenant: str) -> tuple[Picture, Picture | None] | None:
        """Return image and mask of a job's request, which `keep` returned, or None if it has no image.

        Only of a job: no caller may name what jobs keep. Raises what `read` raises.
        """
        return _pictures(request, lambda text: self._kept(text, tenant))

    def keep(self, plan: Plan, tenant: str) -> GenerateRequest:
        """Store the plan's pictures, and return its request with their names: an upload ends before a job may start.

        Raises StorageUnavailable.
        """
        edit = plan.spec.edit
        if edit is None:
            return plan.request
        names = {"image": self._keep(edit.image, tenant)}
        if edit.mask is not None:
            names["mask_image"] = self._keep(edit.mask, tenant)
        return plan.request.model_copy(update=names)

    def _keep(self, picture: Picture, tenant: str) -> str:
        retry(lambda: self.store.write(_key(tenant, picture.sha256), picture.data))
        return f"input_{picture.sha256}"

    def _sent(self, text: str, tenant: str) -> bytes:
        return retry(lambda: self.uploads.fetch(tenant, text)) if is_id(text) else decode_base64(text)

    def _kept(self, name: str, tenant: str) -> bytes:
        kept = _KEPT.fullmatch(name)
        data = retry(lambda: self.store.read(_key(tenant, kept[1]))) if kept else None
        if data is None:
            raise UploadNotFound
        return data


def _pictures(request: GenerateRequest, data_of: Callable[[str], bytes]) -> tuple[Picture, Picture | None] | None:
    if request.image is None:
        return None
    image = _picture(data_of(request.image))
    if request.mask_image is None:
        return image, None
    try:
        mask = _picture(data_of(request.mask_image))
    except PictureError as error:
        raise error.in_field("mask_image") from None
    check_mask_size(mask.size, image.size)
    return image, mask


def _picture(data: bytes) -> Picture:
    return Picture.of(data, inspect(data).size)


def _key(tenant: str, sha256: str) -> str:
    return f"inputs/{tenant}/{sha256}"
