"""Verdicts on pictures of any generator and signer."""

from __future__ import annotations

import random
import socket
from datetime import UTC, datetime

import pytest
from PIL.PngImagePlugin import PngInfo

from imagegen.errors import ImageFormatUnsupported, ImageInvalid, ServiceError
from imagegen.provenance.manifest import MediaType
from imagegen.provenance.report import Verifier, report
from imagegen.provenance.verdict import Report
from tests.support.credentials import (
    DEMO,
    anchors,
    at,
    authority,
    credentials,
    pictures,
    signed_with,
    with_a_pixel_changed,
)
from tests.support.pictures import file, noise
from tools.local.signing_certificate import ORGANIZATION, authority_of

PICTURES = pictures()
PNG: MediaType = "image/png"
MOMENT = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def signed() -> dict[MediaType, bytes]:
    signing = credentials(clock=at(MOMENT))
    return {media_type: signing.sign(data, media_type, DEMO) for media_type, data in PICTURES.items()}


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_signed_picture_is_trusted_where_its_authority_is(
    signed: dict[MediaType, bytes], media_type: MediaType
) -> None:
    verdict = report(signed[media_type], media_type, anchors())
    assert (verdict.state, verdict.issuer, verdict.model) == ("trusted", ORGANIZATION, "demo")
    assert verdict.generated_at == MOMENT


@pytest.mark.parametrize("anchor", ["", authority_of("Another authority").pem.decode()])
@pytest.mark.parametrize("media_type", PICTURES)
def test_a_signed_picture_is_valid_but_not_trusted_elsewhere(
    signed: dict[MediaType, bytes], media_type: MediaType, anchor: str
) -> None:
    assert report(signed[media_type], media_type, anchor).state == "valid"


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_changed_pixel_is_invalid_and_nothing_it_says_is_repeated(
    signed: dict[MediaType, bytes], media_type: MediaType
) -> None:
    assert report(with_a_pixel_changed(signed[media_type]), media_type, anchors()) == Report("invalid")


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_picture_without_credentials_has_none(media_type: MediaType) -> None:
    assert report(PICTURES[media_type], media_type, anchors()) == Report("not_present")


@pytest.mark.parametrize("media_type", PICTURES)
def test_any_flipped_bit_is_invalid_damaged_or_without_effect(
    signed: dict[MediaType, bytes], media_type: MediaType
) -> None:
    """Bits of the signature's padding, and those that no part of the file uses, are not signed."""
    data, chance, states = signed[media_type], random.Random(3), set[str]()
    for _ in range(150):
        flipped = bytearray(data)
        flipped[chance.randrange(12, len(data))] ^= 1 << chance.randrange(8)
        try:
            states.add(report(bytes(flipped), media_type, anchors()).state)
        except ImageInvalid:
            states.add("damaged")
    assert states <= {"invalid", "trusted", "damaged", "not_present"}
    assert "invalid" in states


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_truncated_picture_is_invalid_or_damaged(signed: dict[MediaType, bytes], media_type: MediaType) -> None:
    data = signed[media_type]
    for length in range(12, len(data), len(data) // 40):
        try:
            assert report(data[:length], media_type, anchors()).state in ("invalid", "not_present")
        except ImageInvalid:
            continue


GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CAPTURED = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@pytest.mark.parametrize(
    ("actions", "model", "generated_at"),
    [
        ([{"action": "c2pa.created", "digitalSourceType": CAPTURED, "when": "2026-01-01T00:00:00Z"}], None, None),
        ([{"action": "c2pa.created", "digitalSourceType": GENERATED, "softwareAgent": "GPT"}], "GPT", None),
        (
            [
                {
                    "action": "c2pa.created",
                    "digitalSourceType": GENERATED,
                    "softwareAgent": {"name": "a\u202eb\u0007" + "c" * 300},
                }
            ],
            "ab" + "c" * 196,
            None,
        ),
    ],
)
def test_pictures_of_other_generators_and_cameras(
    actions: list[dict[str, object]], model: str | None, generated_at: str | None
) -> None:
    verdict = report(signed_with(actions, PICTURES[PNG]), PNG, anchors())
    assert (verdict.state, verdict.model, verdict.generated_at) == ("trusted", model, generated_at)


def test_a_manifest_elsewhere_is_not_fetched() -> None:
    """A file that a caller sends must not choose whom the service calls."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
        texts = PngInfo()
        texts.add_itxt(
            "XML:com.adobe.xmp",
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" '
            f'dcterms:provenance="{url}"/></rdf:RDF></x:xmpmeta>',
        )
        assert report(file(noise(), "PNG", pnginfo=texts), PNG) == Report("not_present")
        with pytest.raises(BlockingIOError):
            server.accept()


# -- of a deployment ---------------------------------------------------------------------------------------------------


def test_a_verifier_reads_its_authorities_once_and_tells_the_format_itself(signed: dict[MediaType, bytes]) -> None:
    reads = []

    def read() -> bytes:
        reads.append(1)
        return authority().pem

    verifier = Verifier(read)
    assert [verifier.check(data).state for data in signed.values()] == ["trusted"] * 3
    assert len(reads) == 1


def test_a_verifier_without_authorities_trusts_no_one(signed: dict[MediaType, bytes]) -> None:
    verifier = Verifier(lambda: None)
    assert [verifier.check(data).state for data in signed.values()] == ["valid"] * 3


@pytest.mark.parametrize(
    ("data", "error"), [(b"", ImageInvalid), (b"hello", ImageInvalid), (b"GIF89a", ImageFormatUnsupported)]
)
def test_what_is_no_picture_of_the_three_formats_is_refused(data: bytes, error: type[ServiceError]) -> None:
    with pytest.raises(error):
        Verifier(lambda: None).check(data)
