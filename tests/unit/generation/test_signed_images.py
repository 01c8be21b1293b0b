"""Images of a service that signs them: what is stored, found again, and refused."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from imagegen.errors import ProvenanceUnavailable
from imagegen.generation.edit import Edit, Picture, pixels_sha256
from imagegen.generation.result import Result
from imagegen.provenance.report import report
from imagegen.provenance.signing import ContentCredentials
from tests.support.credentials import MemoryKey, actions, active, anchors, chain, credentials, decoded, signer
from tests.support.fakes import PLENTY, FakeEngine, FakeEngines, MemoryStore, build_service
from tests.support.pictures import file, quadrants
from tests.support.plans import plan


class World:
    """A store, and services of several deployments that share it."""

    def __init__(self) -> None:
        self.engine, self.store = FakeEngine(), MemoryStore()

    def ask(self, signing: ContentCredentials | None, **fields: Any) -> Result:
        service = build_service(FakeEngines(self.engine), self.store, credentials=signing)
        asked = plan(**{"num_inference_steps": 4, "seed": 7, **fields})
        return service.generate(asked, tenant="alice", deadline=PLENTY)

    def file_of(self, result: Result, index: int = 0) -> bytes:
        return self.store.objects[result.images[index].url.removeprefix("memory://")]


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_what_is_stored_is_signed_and_shows_the_same_picture(output_format: Any) -> None:
    world = World()
    signed = world.ask(credentials(), output_format=output_format)
    unsigned = world.ask(None, output_format=output_format)
    data, image = world.file_of(signed), signed.images[0]
    assert report(data, image.content_type, anchors()).state == "trusted"  # type: ignore[arg-type]
    assert (image.sha256, image.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert image.pixels_sha256 == unsigned.images[0].pixels_sha256
    assert decoded(data) == decoded(world.file_of(unsigned))


def test_a_result_says_whether_its_files_are_signed() -> None:
    world = World()
    assert world.ask(credentials(), num_images_per_prompt=2).model_dump()["images"][1]["content_credentials"] is True
    assert world.ask(None).model_dump()["images"][0]["content_credentials"] is False


def test_a_repeated_request_gets_the_one_signed_file() -> None:
    world, signing = World(), credentials()
    first, second = world.ask(signing), world.ask(signing)
    assert (first.cached, second.cached) == (False, True)
    assert first.images[0].sha256 == second.images[0].sha256
    assert second.images[0].content_credentials
    assert len(world.store.objects) == 1


def test_images_of_another_signer_or_none_are_not_served_as_signed() -> None:
    world = World()
    for signing in (None, credentials(), credentials(signer("Another"))):
        assert not world.ask(signing).cached
        assert world.ask(signing).cached
    assert world.engine.generations == 3


def test_without_a_signer_the_images_of_earlier_versions_are_found() -> None:
    """`signer` is in the cache key only if there is one."""
    world = World()
    world.ask(None)
    (entry,) = world.store.entries
    key = plan(num_inference_steps=4, seed=7)
    expected = key.spec.cache_key(engine=key.backend.engine, precision=key.backend.precision, embed_prompt=True)
    assert expected in entry


def test_the_manifest_names_the_model_and_an_edit_its_input() -> None:
    world = World()
    plain = plan(num_inference_steps=4, seed=7)
    edit = Edit(Picture.of(file(quadrants(128, 128), "JPEG"), (128, 128)), 0.5, "crop")
    asked = replace(plain, spec=replace(plain.spec, edit=edit))
    service = build_service(FakeEngines(world.engine), world.store, credentials=credentials())
    result = service.generate(asked, tenant="alice", deadline=PLENTY)
    manifest = active(world.file_of(result), "image/png")
    agent = {"name": asked.spec.model_id, "version": asked.spec.revision}
    assert [each.get("softwareAgent") for each in actions(manifest)] == [None, agent]
    assert manifest["ingredients"][0]["relationship"] == "parentOf"


def test_nothing_is_drawn_or_stored_while_nothing_can_be_signed() -> None:
    world, key = World(), MemoryKey(signer().key, failing=ProvenanceUnavailable.because("KMS: AccessDenied"))
    with pytest.raises(ProvenanceUnavailable):
        world.ask(ContentCredentials(key, chain))
    assert (world.engine.generations, world.store.objects, world.store.entries) == (0, {}, {})


def test_an_image_that_cannot_be_signed_after_all_is_not_stored() -> None:
    world, key = World(), MemoryKey(signer().key)
    signing = ContentCredentials(key, chain)
    world.ask(signing, seed=1)
    key.failing = ProvenanceUnavailable.because("KMS: AccessDenied")
    with pytest.raises(ProvenanceUnavailable):
        world.ask(signing, seed=2)
    assert len(world.store.objects) == len(world.store.entries) == 1


def test_the_pixels_hash_is_of_the_picture_in_the_file() -> None:
    world = World()
    result = world.ask(credentials())
    assert pixels_sha256(Image.open(io.BytesIO(world.file_of(result)))) == result.images[0].pixels_sha256
