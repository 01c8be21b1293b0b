"""The job handlers, wired to a JobWorld."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import boto3
import pytest

from imagegen.access import tenant
from imagegen.entrypoints import api, dead_letters, generator, worker
from tests.support.handlers import use_container
from tests.support.job_world import JobWorld
from tests.support.openapi_contract import checked
from tools.deploy import webhook_secret
from tools.lambda_event import Context, api_event

UNKNOWN_JOB = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
PROMPT = {"prompt": "a red circle", "num_inference_steps": 4}
HOOK = {"webhook": {"url": "https://example.com/hook", "events": ["job.succeeded", "job.cancelled"]}}


class JobHandlers:
    """Calls the handlers as API Gateway and SQS do."""

    def __init__(self, world: JobWorld, monkeypatch: pytest.MonkeyPatch):
        self.world = world
        use_container(monkeypatch, world.container)
        self.make_webhook_secret("key-of-alice")

    def call(self, method: str, path: str, body: object = b"", **changes: Any) -> dict[str, Any]:
        parts = path.split("/")
        name = f"{parts[1].removesuffix('s')}_id"
        route: dict[str, Any] = {
            "resource": "/".join(f"{{{name}}}" if i == 2 else part for i, part in enumerate(parts))
        }
        if len(parts) > 2:
            route |= {"pathParameters": {name: unquote(parts[2])}}
        event = api_event(body, method=method, path=unquote(path), **changes) | route
        handler = generator.handler if path in ("/generate", "/verify") else api.handler
        return checked(event, handler(event, Context()))

    def make_webhook_secret(self, api_key: str) -> None:
        """As `make webhook-secret` does."""
        webhook_secret.apply_action(boto3.client("ssm"), "imagegen", tenant.of_api_key(api_key), "show")

    def submit(self, body: object = PROMPT, **headers: str) -> dict[str, Any]:
        return self.call("POST", "/jobs", body, headers=headers)

    def work(self, *bodies: str) -> list[str]:
        """Invoke the worker with one record per body. Returns the message IDs that it reports as failed."""
        return _failed(worker.handler(_sqs_event(*bodies), Context()))

    def dead_letter(self, body: str) -> list[str]:
        """Invoke the dead-letter handler with one record. Returns the message IDs that it reports as failed."""
        return _failed(dead_letters.handler(_sqs_event(body), Context()))

    def run_queued_jobs(self) -> None:
        assert self.work(*(json.dumps(message["Body"]) for message in self.world.messages())) == []


def _sqs_event(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": str(index), "body": body, "eventSource": "aws:sqs", "receiptHandle": "r", "attributes": {}}
            for index, body in enumerate(bodies)
        ]
    }


def _failed(answer: Mapping[str, Any]) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def body(answer: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer["body"])
    return document


def header(answer: dict[str, Any], name: str) -> str | None:
    values = answer["multiValueHeaders"].get(name)
    return values[0] if values else None


def queued_webhooks(handlers: JobHandlers) -> list[tuple[str, ...]]:
    """URL, event type, and final state of each webhook that was queued."""
    return [message[2:] for message in handlers.world.webhooks.queued]
