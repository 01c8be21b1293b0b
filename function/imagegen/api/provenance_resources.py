"""Response schema of POST /verify: that of OpenAI's content provenance checks, so that its SDKs read it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from imagegen.generation.result import ResponseModel
from imagegen.provenance.verdict import Report, State


class ProvenanceResult(ResponseModel):
    """One kind of provenance: C2PA content credentials."""

    type: Literal["c2pa"] = "c2pa"
    outcome: Literal["detected", "not_detected"]
    validation_state: State = Field(
        description="`trusted`: unchanged, and signed with a certificate of an authority that this deployment trusts. "
        "`valid`: unchanged since it was signed with any other certificate. "
        "`invalid`: changed since, or signed wrongly. "
        "`not_present`: the file has no credentials, which says nothing about the picture."
    )
    issuer: str | None = Field(description="Organization in the signer's certificate, unless invalid.")
    model: str | None = Field(description="Model that made the picture, as the signer says, unless invalid.")
    generated_at: datetime | None = Field(description="When, as the signer says, unless invalid.")


class ProvenanceCheck(ResponseModel):
    """The response of POST /verify."""

    object: Literal["content_provenance_check"] = "content_provenance_check"
    created_at: int = Field(description="When the file was checked, in seconds since 1970.")
    results: list[ProvenanceResult] = Field(description="One for each kind of provenance.")

    @classmethod
    def of(cls, report: Report, now: datetime) -> Self:
        """Return the verdict on a file that was checked now."""
        result = ProvenanceResult(
            outcome="not_detected" if report.state == "not_present" else "detected",
            validation_state=report.state,
            issuer=report.issuer,
            model=report.model,
            generated_at=report.generated_at,
        )
        return cls(created_at=int(now.timestamp()), results=[result])
