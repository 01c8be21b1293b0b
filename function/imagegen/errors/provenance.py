"""Errors of content credentials, which say where a picture comes from."""

from __future__ import annotations

from imagegen.service_error import ServiceError


class ProvenanceUnavailable(ServiceError):
    """A picture cannot be signed, so none is returned. A later request may succeed, or the owner must repair it."""

    code = "provenance_unavailable"
    status = 503
    retryable = True
    retry_after = 30
    usual_detail = (
        "The picture's content credentials cannot be signed at the moment, and this deployment returns none without "
        "them. Try again later; the deployment's log has the cause."
    )

    @classmethod
    def because(cls, reason: str) -> ProvenanceUnavailable:
        """Return an error whose `reason` goes only to the log."""
        return cls(private=reason)
