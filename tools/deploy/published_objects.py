"""The objects of a published version: how they get into the bucket, and whether they still have their contents."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from imagegen.catalog import description, manifest
from imagegen.catalog.description import ManifestDigest
from imagegen.catalog.published import PublishedFiles
from imagegen.catalog.registry import Model
from imagegen.catalog.rollout import Release
from imagegen.errors import ModelUnavailable

LARGEST_OBJECT: Final = 5 * 1024**3
"""Bytes that S3 accepts in one request. An object of several parts would have no SHA-256 of all its bytes."""


def put(s3: Any, bucket: str, model: Model, engine: str, folder: Path) -> Release:
    """Store a prepared folder as a version of `model`, its description last, and return the version.

    Objects that are there already are not sent again. Raises ModelUnavailable if the folder does not verify or is too
    large, OSError, and botocore's errors.
    """
    manifest.verify(folder)
    body = (folder / manifest.NAME).read_bytes()
    digests = _digests(body)
    described = description.write(model, {engine: ManifestDigest(len(body), hashlib.sha256(body).hexdigest())})
    release = description.release_of(model.id, described)
    prefix = f"{release.prefix}{engine}/"
    for name, digest in digests.items():
        _put_file(s3, bucket, prefix + name, folder / name, digest)
    _put_file(s3, bucket, prefix + manifest.NAME, folder / manifest.NAME, hashlib.sha256(body).hexdigest())
    s3.put_object(
        Bucket=bucket,
        Key=release.prefix + description.NAME,
        Body=described,
        ContentType="application/json",
        **_checked(release.digest),
    )
    return release


def verify(s3: Any, bucket: str, release: Release, engine: str, files: PublishedFiles) -> None:
    """Raise ModelUnavailable unless each file has the SHA-256 of the manifest, as S3 computed it. Reads no file."""
    for name, digest in _digests(files.body).items():
        key = f"{release.prefix}{engine}/{name}"
        if _stored_digest(s3, bucket, key) != _base64(digest):
            raise ModelUnavailable.because(key, "does not have the SHA-256 that the manifest lists")


def _put_file(s3: Any, bucket: str, key: str, path: Path, digest: str) -> None:
    if path.stat().st_size > LARGEST_OBJECT:
        raise ModelUnavailable.because(path, "has more than 5 GiB, the most that S3 stores with one SHA-256")
    if _stored_digest(s3, bucket, key) == _base64(digest):
        return
    with path.open("rb") as file:
        s3.put_object(Bucket=bucket, Key=key, Body=file, **_checked(digest))


def _stored_digest(s3: Any, bucket: str, key: str) -> str | None:
    """Return the SHA-256 of an object's bytes in base64; None if there is none, or it was stored in parts."""
    try:
        found: str | None = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED").get("ChecksumSHA256")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    return found


def _checked(digest: str) -> dict[str, str]:
    """Return what makes S3 refuse other bytes, and keep the digest."""
    return {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _base64(digest)}


def _digests(body: bytes) -> Mapping[str, str]:
    return {name: entry["sha256"] for name, entry in json.loads(body)["files"].items()}


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
