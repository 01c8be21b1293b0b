"""Errors of the pictures that callers send: an image or a mask, in the request or uploaded before."""

from __future__ import annotations

from typing import Self

from imagegen.errors.request import NotFound
from imagegen.problem_details import FieldError
from imagegen.service_error import ServiceError


class PictureError(ServiceError):
    """Base of the errors of one picture. The field is `image` unless `in_field` names another one."""

    status = 422
    field = "image"
    caused_by_request = True

    def in_field(self, field: str) -> Self:
        """Return the same error about another field."""
        return type(self)(self.detail, errors=[FieldError(field, self.code, self.detail)], private=self.private)


class ImageInvalid(PictureError):
    """Not base64, not a picture, truncated or damaged."""

    code = "image_invalid"
    usual_detail = "The picture is damaged or incomplete. Open it in an image editor and save it again."


class ImageTooLarge(PictureError):
    """Too many pixels, too long a side, or an upload of too many bytes."""

    code = "image_too_large"


class ImageFormatUnsupported(PictureError):
    """A format other than PNG, JPEG and WebP, or more than one frame."""

    code = "image_format_unsupported"
    status = 415


class UploadNotFound(PictureError, NotFound):
    """Unknown, malformed, expired or another tenant's: the response is the same, so that it reveals nothing."""

    code = "upload_not_found"
    status = 404
    usual_detail = (
        "No upload has this id. An upload can be used for a day, by its tenant only. POST /uploads starts a new one."
    )


class MaskEmpty(PictureError):
    """The mask selects nothing to repaint."""

    code = "mask_empty"
    field = "mask_image"
    usual_detail = "The mask has no white pixel. White is repainted; black, and what is transparent, is kept."


class MaskSizeMismatch(PictureError):
    """The mask's size is not the image's, both upright."""

    code = "mask_size_mismatch"
    field = "mask_image"
