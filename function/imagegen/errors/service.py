"""Errors of the service: its models, its storage, its time."""

from __future__ import annotations

from imagegen.service_error import ServiceError


class InternalError(ServiceError):
    """A fault of the service that no other class describes."""

    retryable = True
    usual_detail = "The service failed. Its log has the cause under this request or job id."


class ModelUnavailable(ServiceError):
    """The model's files are missing, corrupt or too large. Only the deployment's owner can repair it."""

    code = "model_unavailable"
    status = 503

    @classmethod
    def because(cls, path: object, reason: str) -> ModelUnavailable:
        """Return an error whose `path` and `reason` go only to the log."""
        return cls("The model cannot be loaded. The deployment's log has the cause.", private=f"{path} {reason}")


class GenerationFailed(ServiceError):
    """The engine cannot generate this request. The same request fails again, another one may not."""

    code = "generation_failed"
    caused_by_request = True
    usual_detail = (
        "The engine cannot generate this request. The deployment's log has the cause. Try another scheduler, size or "
        "number of steps."
    )


class GenerationInvalid(ServiceError):
    """The result is no picture: values that are not finite, or one color. It is neither stored nor billed."""

    code = "generation_invalid"
    caused_by_request = True
    usual_detail = (
        "The networks did not return a picture. The same request fails again: try another seed, scheduler, size or "
        "number of steps."
    )


class StorageUnavailable(ServiceError):
    """An AWS service that stores images, jobs, messages or secrets failed or did not respond."""

    code = "storage_unavailable"
    status = 503
    retryable = True
    retry_after = 5


class FunctionBusy(StorageUnavailable):
    """Every environment that a Lambda function may have is busy."""


class DeliveryUnavailable(ServiceError):
    """No URL of an image can be signed, so none is returned. The deployment's owner must repair it, unless SSM does."""

    code = "delivery_unavailable"
    status = 503
    retryable = True
    retry_after = 30
    usual_detail = (
        "The URLs of images cannot be signed at the moment. Images that were drawn are kept: try again later. The "
        "deployment's log has the cause."
    )

    @classmethod
    def because(cls, reason: str) -> DeliveryUnavailable:
        """Return an error whose `reason` goes only to the log."""
        return cls(private=reason)


class GenerationTimeout(ServiceError):
    """Not enough time left to start or to finish."""

    code = "generation_timeout"
    status = 504
    retryable = True
    caused_by_request = True


class GenerationTooLong(GenerationTimeout):
    """Several runs of a job did not fit within the function's timeout."""

    retryable = False
    usual_detail = "The generation exceeds the longest run. Request fewer steps, fewer images or a smaller size."
