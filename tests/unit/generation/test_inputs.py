"""The pictures of a request, read without Pillow, and what a job keeps of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from imagegen.errors import ImageFormatUnsupported, ImageInvalid, PictureError, UploadNotFound
from imagegen.generation.inputs import Inputs
from imagegen.generation.request import GenerateRequest
from imagegen.pictures.ports import UploadForm
from imagegen.pictures.uploads import ContentType, new_id
from tests.support.fakes import MemoryCheckpoints
from tests.support.pictures import file
from tests.support.plans import PLANNER
from tests.support.scenes import as_base64, mask, scene

ALICE = "alice"


@dataclass
class MemoryUploads:
    """Uploads in a dictionary."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def form(self, tenant: str, content_type: ContentType) -> UploadForm:
        raise NotImplementedError

    def fetch(self, tenant: str, upload_id: str) -> bytes:
        if (tenant, upload_id) not in self.files:
            raise UploadNotFound
        return self.files[tenant, upload_id]


@pytest.fixture
def inputs() -> Inputs:
    return Inputs(MemoryUploads(), MemoryCheckpoints())


def request(**fields: Any) -> GenerateRequest:
    return GenerateRequest.parse({"prompt": "a red circle", "seed": 7, **fields})


def test_a_request_without_an_image_has_no_pictures(inputs: Inputs) -> None:
    assert inputs.read(request(), ALICE) is None


def test_base64_and_an_upload_of_one_file_are_the_same_picture(inputs: Inputs) -> None:
    upload_id = new_id()
    inputs.uploads.files[ALICE, upload_id] = file(scene(), "PNG")  # type: ignore[attr-defined]
    one, other = (inputs.read(request(image=text), ALICE) for text in (upload_id, as_base64(scene())))
    assert one == other
    assert one is not None
    assert one[0].size == (128, 128)


@pytest.mark.parametrize("text", ["", "https://example.com/a.png", "/etc/passwd", "aGVsbG8=", "input_12"])
@pytest.mark.parametrize("name", ["image", "mask_image"])
def test_what_is_no_picture_is_refused_with_its_field(inputs: Inputs, text: str, name: str) -> None:
    fields = {"image": as_base64(scene()), name: text}
    with pytest.raises(ImageInvalid) as caught:
        inputs.read(request(**fields), ALICE)
    assert caught.value.problem(request_id="1")["errors"][0]["field"] == name


def test_a_gif_is_refused(inputs: Inputs) -> None:
    with pytest.raises(ImageFormatUnsupported):
        inputs.read(request(image="R0lGODlhAQABAAAAACw="), ALICE)


def test_unknown_and_foreign_uploads_do_not_exist(inputs: Inputs) -> None:
    text = "upload_01HZX3K9V5T2Q8R7N6M4P0B1CD"
    inputs.uploads.files["bob", text] = file(scene(), "PNG")  # type: ignore[attr-defined]
    with pytest.raises(PictureError) as caught:
        inputs.read(request(image=text), ALICE)
    assert (caught.value.code, caught.value.status) == ("upload_not_found", 404)


def test_a_job_keeps_its_pictures_by_name_and_plans_the_same(inputs: Inputs) -> None:
    """The row of a job has no room for a picture, and an upload ends before the job may start."""
    asked = request(image=as_base64(scene()), mask_image=as_base64(mask((0, 0, 64, 64))), strength=0.5)
    plan = PLANNER.plan(asked, inputs.read(asked, ALICE))
    kept = inputs.keep(plan, ALICE)
    assert max(len(kept.image or ""), len(kept.mask_image or "")) < 80
    assert PLANNER.plan(kept, inputs.read_kept(kept, ALICE)).spec == plan.spec
    with pytest.raises(UploadNotFound):
        inputs.read_kept(kept, "bob")


def test_no_caller_can_name_what_jobs_keep(inputs: Inputs) -> None:
    """The function that takes jobs may not read them: it would answer 503."""
    asked = request(image=as_base64(scene()))
    kept = inputs.keep(PLANNER.plan(asked, inputs.read(asked, ALICE)), ALICE)
    for name in (str(kept.image), "input_" + "0" * 64):
        with pytest.raises(ImageInvalid):
            inputs.read(request(image=name), ALICE)


def test_a_job_from_text_keeps_nothing(inputs: Inputs) -> None:
    plan = PLANNER.plan(request())
    assert inputs.keep(plan, ALICE) is plan.request
    assert inputs.store.bodies == {}  # type: ignore[attr-defined]
