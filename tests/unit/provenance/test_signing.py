"""Signed pictures, read by the reference reader."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from PIL.PngImagePlugin import PngInfo

from imagegen import __version__
from imagegen.errors import ProvenanceUnavailable, StorageUnavailable
from imagegen.provenance.certificate_chain import CertificateChain
from imagegen.provenance.manifest import MediaType, Origin
from imagegen.provenance.report import report
from imagegen.provenance.signing import ContentCredentials
from tests.support.credentials import (
    DEMO,
    MemoryKey,
    actions,
    active,
    at,
    authority,
    chain,
    credentials,
    decoded,
    manifests,
    pictures,
    signer,
    with_a_pixel_changed,
)
from tests.support.pictures import file, noise
from tools.local.signing_certificate import authority_of, signer_of

PICTURES = pictures()
SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PNG: MediaType = "image/png"


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_signed_picture_is_the_same_picture(media_type: MediaType) -> None:
    signed = credentials().sign(PICTURES[media_type], media_type, DEMO)
    assert decoded(signed) == decoded(PICTURES[media_type])
    assert 10_000 < len(signed) - len(PICTURES[media_type]) < 16_000


@pytest.mark.parametrize("media_type", PICTURES)
def test_a_reader_that_trusts_the_authority_trusts_the_picture(media_type: MediaType) -> None:
    signed = credentials().sign(PICTURES[media_type], media_type, DEMO)
    assert manifests(signed, media_type)["validation_state"] == "Trusted"


def test_the_manifest_says_what_made_the_picture_and_nothing_of_the_request() -> None:
    moment = signer().certificate.not_valid_before_utc + timedelta(hours=1)
    manifest = active(credentials(clock=at(moment)).sign(PICTURES[PNG], PNG, DEMO), PNG)
    (generator,) = manifest["claim_generator_info"]
    assert (generator["name"], generator["version"]) == ("Stable Diffusion on Lambda", __version__)
    assert actions(manifest) == [
        {
            "action": "c2pa.created",
            "digitalSourceType": f"{SOURCES}trainedAlgorithmicMedia",
            "softwareAgent": {"name": "demo", "version": "6cc6991b014f"},
            "when": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        }
    ]
    assert "thumbnail" not in manifest
    assert [each["label"] for each in manifest["assertions"]] == ["c2pa.actions.v2"]


def test_each_signature_is_another_one() -> None:
    signing = credentials()
    assert signing.sign(PICTURES[PNG], PNG, DEMO) != signing.sign(PICTURES[PNG], PNG, DEMO)


# -- edits -------------------------------------------------------------------------------------------------------------


def edited(parent: bytes, media_type: MediaType = PNG) -> bytes:
    return credentials().sign(PICTURES[media_type], media_type, Origin("demo", "1", parent))


@pytest.mark.parametrize("parent", PICTURES)
def test_an_edit_names_its_parent_and_what_was_done(parent: MediaType) -> None:
    manifest = active(edited(PICTURES[parent]), PNG)
    opened, edit = actions(manifest)
    assert (opened["action"], edit["action"]) == ("c2pa.opened", "c2pa.edited")
    assert edit["digitalSourceType"] == f"{SOURCES}compositeWithTrainedAlgorithmicMedia"
    assert opened["parameters"]["ingredients"][0]["url"].endswith("c2pa.ingredient.v3")
    (ingredient,) = manifest["ingredients"]
    assert (ingredient["title"], ingredient["relationship"], ingredient["format"]) == ("input", "parentOf", parent)
    assert "active_manifest" not in ingredient


@pytest.mark.parametrize("parent", PICTURES)
def test_an_edit_of_a_signed_picture_keeps_what_that_one_says(parent: MediaType) -> None:
    foreign = signer_of(authority_of("Another authority"), "Someone else")
    signing = ContentCredentials(MemoryKey(foreign.key), lambda: foreign.pem)
    original = signing.sign(PICTURES[parent], parent, Origin("another model", "2"))
    found = manifests(edited(original), PNG)
    assert (found["validation_state"], len(found["manifests"])) == ("Trusted", 2)
    (ingredient,) = found["manifests"][found["active_manifest"]]["ingredients"]
    kept = found["manifests"][ingredient["active_manifest"]]
    assert actions(kept)[0]["softwareAgent"] == {"name": "another model", "version": "2"}


def test_an_edit_of_an_edit_keeps_both() -> None:
    found = manifests(edited(edited(edited(PICTURES[PNG]))), PNG)
    assert (found["validation_state"], len(found["manifests"])) == ("Trusted", 3)


def test_credentials_that_do_not_hold_are_not_passed_on() -> None:
    original = credentials().sign(PICTURES[PNG], PNG, DEMO)
    found = manifests(edited(with_a_pixel_changed(original)), PNG)
    assert (found["validation_state"], len(found["manifests"])) == ("Trusted", 1)


def test_a_parent_with_much_metadata_is_named_without_it() -> None:
    texts = PngInfo()
    texts.add_text("comment", "x" * 300_000)
    original = credentials().sign(file(noise(), "PNG", pnginfo=texts), PNG, DEMO)
    assert len(manifests(edited(original), PNG)["manifests"]) == 1


# -- what must not sign ------------------------------------------------------------------------------------------------


def refused(signing: ContentCredentials) -> str:
    """Return the reason for the log."""
    with pytest.raises(ProvenanceUnavailable) as refusal:
        signing.sign(PICTURES[PNG], PNG, DEMO)
    with pytest.raises(ProvenanceUnavailable):
        _ = signing.identity
    assert refusal.value.private not in refusal.value.detail
    return refusal.value.private


def test_an_expired_certificate_is_refused() -> None:
    expired = signer_of(authority(), "Old", starts=timedelta(days=-30), lasts=timedelta(seconds=-1))
    assert "valid from" in refused(credentials(expired))


def test_a_certificate_that_expires_later_is_refused_then_and_its_successor_is_used() -> None:
    moment, current = [datetime.now(UTC)], [signer("First")]
    signing = ContentCredentials(MemoryKey(signer("First").key), lambda: chain(current[0]), clock=lambda: moment[0])
    first = signing.identity
    moment[0] += timedelta(days=400)
    assert "valid from" in refused(signing)
    moment[0] -= timedelta(days=400)
    assert signing.identity == first


def test_a_key_of_another_certificate_is_refused_before_anything_is_drawn() -> None:
    signing = ContentCredentials(MemoryKey(signer("Another").key), chain)
    assert refused(signing) == "the signing key is not that of the certificate"


def test_a_denied_key_is_refused_with_its_reason() -> None:
    key = MemoryKey(signer().key, failing=ProvenanceUnavailable.because("KMS: ClientError AccessDeniedException"))
    assert refused(ContentCredentials(key, chain)) == "KMS: ClientError AccessDeniedException"


def test_a_key_that_is_denied_later_signs_nothing_and_works_again_afterwards() -> None:
    key, failures = MemoryKey(signer().key), list[ProvenanceUnavailable]()
    signing = ContentCredentials(key, chain, on_failure=failures.append)
    signing.sign(PICTURES[PNG], PNG, DEMO)
    key.failing = ProvenanceUnavailable.because("KMS: ClientError KMSInvalidStateException")
    with pytest.raises(ProvenanceUnavailable) as refusal:
        signing.sign(PICTURES[PNG], PNG, DEMO)
    assert failures == [refusal.value]
    assert refusal.value.private == "KMS: ClientError KMSInvalidStateException"
    key.failing = None
    assert report(signing.sign(PICTURES[PNG], PNG, DEMO), PNG).state == "valid"


def test_a_key_that_is_replaced_later_signs_nothing_and_works_again_afterwards() -> None:
    """Also once the library no longer verifies what it signs."""
    key = MemoryKey(signer().key)
    signing = ContentCredentials(key, chain)
    for _ in range(2):
        signing.sign(PICTURES[PNG], PNG, DEMO)
    key.key = signer("Another").key
    assert refused(signing) == "the signing key is not that of the certificate"
    key.key = signer().key
    assert report(signing.sign(PICTURES[PNG], PNG, DEMO), PNG).state == "valid"


def test_a_chain_that_cannot_be_read_now_is_not_taken_for_a_wrong_one() -> None:
    def unavailable() -> bytes:
        raise StorageUnavailable

    with pytest.raises(StorageUnavailable):
        ContentCredentials(MemoryKey(signer().key), unavailable).sign(PICTURES[PNG], PNG, DEMO)


def test_the_certificates_are_read_once_and_reported_once() -> None:
    key, seen = MemoryKey(signer().key), list[CertificateChain]()
    signing = ContentCredentials(key, chain, on_ready=seen.append)
    for _ in range(3):
        signing.sign(PICTURES[PNG], PNG, DEMO)
    assert [each.fingerprint for each in seen] == [signing.identity]
    assert key.signatures == 4, "one to compare the key with the certificate, and one for each picture"
