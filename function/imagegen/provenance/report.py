"""What the content credentials in a picture say, and whether they hold.

Covered: manifests inside PNG, JPEG and WebP files, checked with the reference library (c2pa-rs). Not covered: manifests
that a picture only refers to, which are never fetched, and revocation (OCSP), for the same reason: a file that a caller
sends must not choose whom this service calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from c2pa import C2paError, Context, Reader
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from imagegen.errors import ImageInvalid, ProvenanceUnavailable
from imagegen.pictures.inspection import format_of
from imagegen.provenance.bounded_file import BoundedFile
from imagegen.provenance.manifest import MEDIA_TYPES, MediaType
from imagegen.provenance.verdict import Report, State

OFFLINE: Final[dict[str, Any]] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_timestamp_trust": False},
    "core": {"max_decompressed_manifest_size_in_mb": 16},
}
"""Settings of the library, for reading and for signing."""
MAX_TEXT: Final = 200
"""Characters of a text from a picture."""
_STATES: Final[Mapping[str | None, State]] = {"Trusted": "trusted", "Valid": "valid"}
_UNREADABLE: Final = "asset could not be parsed"
"""How the library's message begins for a damaged picture. It has no class of its own for it."""


class Verifier:
    """Checks pictures for a deployment, which names the authorities that it trusts."""

    def __init__(self, read_anchors: Callable[[], bytes | None]):
        """`read_anchors` returns certificates in PEM, or None if no authority is trusted; or raises a ServiceError."""
        self._read_anchors = read_anchors
        self._anchors: str | None = None

    def check(self, data: bytes) -> Report:
        """Return the verdict on a PNG, JPEG or WebP file. Raises what `report` and `format_of` raise.

        Raises ProvenanceUnavailable if the authorities are not certificates: nothing tells then what they trust.
        """
        media_type = MEDIA_TYPES[format_of(data)]
        if self._anchors is None:
            self._anchors = _certificates(self._read_anchors())
        return report(data, media_type, self._anchors)


def report(data: bytes, media_type: MediaType, anchors: str = "") -> Report:
    """Return the verdict on a file. `anchors` are the trusted authorities' certificates in PEM; empty: none is.

    Raises ImageInvalid if the file is damaged so that it cannot be told.
    """
    trust = {"trust": {"trust_anchors": anchors}} if anchors else {}
    file = BoundedFile(data)
    try:
        with Context.from_dict(OFFLINE | trust) as context, Reader(media_type, file, context=context) as reader:
            state = _STATES.get(reader.get_validation_state(), "invalid")
            return Report(state) if state == "invalid" else _described(state, reader.get_active_manifest() or {})
    except (C2paError.ManifestNotFound, C2paError.RemoteManifest):
        return Report("not_present")
    except C2paError as error:
        return _failed(str(error), exhausted=file.exhausted)


def _certificates(pem: bytes | None) -> str:
    """Return the certificates in PEM without the text around them, which lists of authorities have."""
    try:
        found = [] if pem is None else x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ProvenanceUnavailable.because(f"the trusted authorities are no PEM: {error}") from error
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found)


def _failed(message: str, *, exhausted: bool) -> Report:
    if exhausted:
        raise ImageInvalid("The file has too many parts. Open it in an image editor and save it again.")
    if _UNREADABLE in message:
        raise ImageInvalid
    if message.startswith("Remote: "):  # C2paError itself, in this version of the library
        return Report("not_present")
    return Report("invalid")


def _described(state: State, manifest: Mapping[str, Any]) -> Report:
    """Return the report of a manifest whose signature holds."""
    made = _made(manifest)
    agent = made.get("softwareAgent")
    return Report(
        state,
        issuer=_text(manifest.get("signature_info", {}).get("issuer")),
        model=_text(agent.get("name") if isinstance(agent, Mapping) else agent),
        generated_at=_moment(made.get("when")),
    )


def _made(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the last action that a model was part of; empty if there is none."""
    actions = [
        action
        for assertion in manifest.get("assertions", [])
        if assertion.get("label", "").startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", [])
        if "lgorithmicMedia" in str(action.get("digitalSourceType"))
    ]
    return actions[-1] if actions else {}


def _text(value: object) -> str | None:
    """Return what can be shown of a text that anyone may have written."""
    if not isinstance(value, str):
        return None
    return "".join(each for each in value[:MAX_TEXT] if each.isprintable()) or None


def _moment(value: object) -> datetime | None:
    """Return a time of RFC 3339 in UTC; None for anything else."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None
