"""The real Lambda handlers, wired to AWS as moto implements it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
import pytest

from imagegen.access import tenant
from imagegen.entrypoints import api, dead_letters, generator, sweeper, webhooks, worker
from imagegen.wiring import Container
from tests.support.openapi_contract import checked
from tools.deploy import webhook_secret
from tools.faults.template_resources import serial_moto
from tools.lambda_event import Context
from tools.local import job_resources

ENTRYPOINTS: Final = {
    "Generator": generator,
    "Worker": worker,
    "Api": api,
    "Sweeper": sweeper,
    "DeadLetters": dead_letters,
    "Webhooks": webhooks,
}


def invoke(function: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return the answer, which must be as documented."""
    return checked(event, ENTRYPOINTS[function].handler(event, Context()))


def use_container(monkeypatch: pytest.MonkeyPatch, container: Container) -> None:
    """Have all handlers use the same container."""
    for entrypoint in ENTRYPOINTS.values():
        monkeypatch.setattr(entrypoint, "container", container)


def create_webhook_secret(ssm: Any) -> None:
    """Create the signing secret of the sample events' caller, as `make webhook-secret` does."""
    webhook_secret.apply_action(ssm, "imagegen", tenant.of_api_key("sample-key-1234567890"), "show")


@contextmanager
def wired_handlers() -> Iterator[None]:
    """A mock of AWS with the bucket, table, and queues that the handlers find in their environment.

    Handlers get a new container: the clients of another one would belong to an earlier mock.
    """
    with serial_moto(), pytest.MonkeyPatch.context() as monkeypatch:
        container = Container.from_environment()
        boto3.client("s3").create_bucket(Bucket=container.settings.bucket_name)
        job_resources.make()
        create_webhook_secret(boto3.client("ssm"))
        use_container(monkeypatch, container)
        yield
