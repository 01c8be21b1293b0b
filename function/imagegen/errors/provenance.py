"""Errors of content credentials, which say where a picture comes from."""

from __future__ import annotations

from imagegen.service_error import ServiceError


class ProvenanceUnavailable(ServiceError):
    """A picture cannot be signed, so none is returned, or not be checked. The owner must repair it, unless KMS does."""

    code = "provenance_unavailable"
    status = 503
    retryable = True
    retry_after = 30
    usual_detail = (
        "Content credentials can be neither signed nor checked at the moment, and this deployment returns no picture "
        "without them. Try again later; the deployment's log has the cause."
    )

    @classmethod
    def because(cls, reason: str) -> ProvenanceUnavailable:
        """Return an error whose `reason` goes only to the log."""
        return cls(private=reason)
