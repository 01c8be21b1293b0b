"""A picture, larger: an edit whose mask keeps every pixel but one, because the API enlarges what it has drawn.

The mask's only white pixel is the picture's first. The service blends it in at a third, so what is drawn does not
matter: one step is enough. Not covered: an upload, whose size a client does not know.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any, Final

from imagegen_cli.client import Client
from imagegen_cli.drawing import Drawing, draw
from imagegen_cli.failure import Failure, usage
from imagegen_cli.picture_file import PictureFile
from imagegen_cli.picture_size import mask_of_one_pixel, stored_size
from imagegen_cli.profile import Profile
from imagegen_cli.session import session

REQUEST: Final[dict[str, Any]] = {
    "prompt": "the picture, enlarged", "strength": 1.0, "num_inference_steps": 1, "guidance_scale": 1.0, "seed": 0,
    "resize_mode": "stretch",
}  # fmt: skip
"""It is stretched by a few pixels to the model's nearest size, because cropping would cut off the mask's pixel."""
_LONGEST_SIDE: Final = 16_384
"""Pixels. The service reads no longer one."""
Size = tuple[int, int]
"""Width and height in pixels."""


def upscale(picture: PictureFile, drawing: Drawing, profile: Profile, timeout: float | None, as_json: bool) -> None:
    """Draw the enlarged picture. `drawing` has no pictures yet. Raises Failure."""
    size = _size(picture)
    with session(profile, as_json, timeout) as (client, _):
        _require_larger(client, picture, size, drawing.request)
    try:
        draw(_with_mask(drawing, picture, size), profile, timeout, as_json)
    except Failure as failure:
        if failure.code != "mask_size_mismatch":
            raise
        turned = (size[1], size[0])  # EXIF turns it upright
        draw(_with_mask(drawing, picture, turned), profile, timeout, as_json)


def _size(picture: PictureFile) -> Size:
    size = stored_size(picture.read())
    if size is None or not all(size) or max(size) > _LONGEST_SIDE:
        raise usage(f"{picture.path} is damaged or too large: its header has no size up to {_LONGEST_SIDE} pixels.")
    return size


def _require_larger(client: Client, picture: PictureFile, size: Size, request: dict[str, Any]) -> None:
    """Raises Failure (usage) if the model draws so much smaller pictures that nothing would be gained."""
    listed = client.models().value
    model_id = request.get("model", listed.default)
    most = min((each.limits.max_size for each in listed.models if each.id == model_id), default=_LONGEST_SIDE)
    if most * request["upscale"] <= max(size):
        raise usage(
            f"{picture.path} has {size[0]} x {size[1]} pixels. {model_id} draws at most {most} on a side, so the "
            "result would not be larger."
        )


def _with_mask(drawing: Drawing, picture: PictureFile, size: Size) -> Drawing:
    mask = base64.b64encode(mask_of_one_pixel(*size)).decode()
    return replace(drawing, pictures={"image": picture, "mask_image": mask})
