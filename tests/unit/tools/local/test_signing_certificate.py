"""The development certificate: usable at once, kept while it lasts, and never readable by others."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imagegen.errors import ProvenanceUnavailable
from imagegen.provenance.local_key import LocalKey
from imagegen.provenance.report import report
from imagegen.provenance.signing import ContentCredentials
from tests.support.credentials import DEMO, pictures
from tools.local.signing_certificate import (
    ORGANIZATION,
    Files,
    authority_of,
    development_files,
    signer_of,
)

PICTURES = pictures()


def signing(files: Files) -> ContentCredentials:
    return ContentCredentials(LocalKey(files.key), files.chain.read_bytes)


def test_new_files_sign_pictures_that_no_one_trusts(tmp_path: Path) -> None:
    made = signing(development_files(tmp_path / "new"))
    for media_type, data in PICTURES.items():
        verdict = report(made.sign(data, media_type, DEMO), media_type)
        assert (verdict.state, verdict.issuer) == ("valid", ORGANIZATION)


def test_files_are_kept_while_they_last(tmp_path: Path) -> None:
    before = [path.read_bytes() for path in vars(development_files(tmp_path)).values()]
    assert [path.read_bytes() for path in vars(development_files(tmp_path)).values()] == before


def write(files: Files, lasts: timedelta) -> None:
    authority = authority_of("Development authority")
    signer = signer_of(authority, "Signer", lasts=lasts)
    files.chain.write_bytes(signer.pem + authority.pem)
    files.key.write_bytes(signer.key_pem)


@pytest.mark.parametrize("damage", ["expires soon", "no key", "no chain", "damaged chain"])
def test_files_that_cannot_sign_are_replaced(tmp_path: Path, damage: str) -> None:
    files = development_files(tmp_path)
    before = files.chain.read_bytes()
    match damage:
        case "expires soon":
            write(files, timedelta(days=29))
        case "no key":
            files.key.unlink()
        case "no chain":
            files.chain.unlink()
        case "damaged chain":
            files.chain.write_text("-----BEGIN CERTIFICATE-----")
    renewed = signing(development_files(tmp_path)).chain()
    assert renewed.pem.encode() != before
    assert renewed.expires_at > datetime.now(UTC) + timedelta(days=300)


def test_only_the_owner_may_read_the_key(tmp_path: Path) -> None:
    assert stat.S_IMODE(development_files(tmp_path).key.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, b"", b"no key", authority_of("An authority").pem])
def test_a_key_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProvenanceUnavailable) as refusal:
        LocalKey(path).sign(b"data")
    assert str(path) in refusal.value.private
