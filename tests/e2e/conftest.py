"""One stack for the session: the deployment at BASE_URL if that is set, else a local stack started here."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.credentials import decoded
from tests.support.openapi_contract import check_response
from tools.local.adapt import LocalReceiver
from tools.local.client import Client
from tools.local.deploy import STACK, Options
from tools.local.deploy import client as client_of
from tools.local.endpoint import Endpoint, deployed_endpoint
from tools.local.process import Output, free_port, user_environment
from tools.local.runbook_commands import Shell
from tools.local.stack import LOCAL, local_stack
from tools.local.webhook_receiver import HOST, Authority

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


def small_request(**changes: Any) -> dict[str, Any]:
    """Return a cheap request with a random seed: earlier runs on the same stack have not cached it."""
    seed = secrets.randbelow(2**32)
    return {"prompt": "a red circle on a white background", "num_inference_steps": 2, "seed": seed} | changes


@dataclass(frozen=True)
class Aws:
    """Queues, functions and logs behind a local stack's API, with the account's root credentials."""

    endpoint: Endpoint

    def send(self, queue: str, body: str, **attributes: str) -> None:
        values = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
        self._sqs.send_message(QueueUrl=self._id(queue), MessageBody=body, MessageAttributes=values)

    def dead_letters_of(self, queue_arn: str) -> str:
        """Return the ARN of the queue's dead-letter queue."""
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"],
            AttributeNames=["RedrivePolicy"],
        )["Attributes"]
        return str(json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"])

    def mapping_state(self, queue: str) -> str:
        """Return the state of the queue's event source mapping."""
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._id(queue), AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        (mapping,) = self.client("lambda").list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
        return str(mapping["State"])

    def message_count(self, *queues: str) -> int:
        """Return the number of messages in the queues, including messages in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = [self._sqs.get_queue_attributes(QueueUrl=self._id(queue), AttributeNames=names) for queue in queues]
        return sum(int(each["Attributes"][name]) for each in found for name in names)

    def invoke(self, function: str, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Invoke the function, with an empty event by default, and return its result."""
        response = self.client("lambda").invoke(FunctionName=self._id(function), Payload=json.dumps(event or {}))
        payload: dict[str, Any] = json.loads(response["Payload"].read())
        return payload

    def function(self, logical_id: str) -> str:
        """Return the name of the function."""
        return self._id(logical_id)

    def bills(self, tenant: str) -> set[str]:
        """Return the ids of the tenant's jobs and requests that have a bill, so that were generated."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self._id("Table"))
        keys = [item["pk"]["S"] for page in pages for item in page["Items"]]
        return {key.rpartition("#")[2] for key in keys if key.startswith(f"BILL#{tenant}#")}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a user whose AWS is the local stack."""
        return user_environment(self._url)

    def log(self) -> str:
        return log_file().read_text()

    def lines(self, job_id: str) -> list[dict[str, Any]]:
        """Return the functions' log lines about the job."""
        found = [json.loads(line) for line in self.log().splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in found if line.get("job_id") == job_id]

    @property
    def _sqs(self) -> Any:
        return self.client("sqs")

    def client(self, service: str) -> Any:
        """Return boto3's client of the service."""
        return client_of(service, self._url)

    @property
    def _url(self) -> str:
        parts = urlsplit(self.endpoint.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    def _id(self, logical_id: str) -> str:
        stacks = self.client("cloudformation")
        found = stacks.describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)["StackResourceDetail"]
        return str(found["PhysicalResourceId"])


def log_file() -> Path:
    """Return the file to which the local stack writes."""
    return LOCAL / f"e2e-{os.environ.get('PYTEST_XDIST_WORKER', 'gw0')}.log"


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The CA that issues the certificate of the webhook receiver on this machine."""
    return Authority()


@pytest.fixture(scope="session")
def stack(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    if deployed := deployed_endpoint():
        yield deployed
        return
    ca = tmp_path_factory.mktemp("receiver") / "ca.pem"
    authority.ca.cert_pem.write_to_path(str(ca))
    with local_stack(free_port(), Output(log_file()), Options(LocalReceiver(HOST, ca), picture_check="on")) as running:
        yield running.endpoint


@pytest.fixture(scope="session")
def aws(stack: Endpoint) -> Aws:
    if deployed_endpoint():
        pytest.skip("needs AWS credentials, which the tests of a deployed stack do not have")
    return Aws(stack)


@pytest.fixture
def shell(aws: Aws, tmp_path: Path) -> Shell:
    """The shell of a user who follows a document."""
    return Shell(aws.environment, tmp_path)


@pytest.fixture(scope="session")
def client(stack: Endpoint) -> Client:
    """A client whose every response must be as documented."""
    session = requests.Session()
    session.hooks["response"] = [check_response(stack.base_url)]
    return Client(stack, session=session)


@pytest.fixture
def assert_same_image(request: pytest.FixtureRequest) -> Callable[[bytes, bytes], None]:
    """Return a function that compares the pixels of two images, and saves both in .local/e2e if they differ.

    Files of the same picture differ: each signature is another one.
    """

    def compare(expected: bytes, actual: bytes) -> None:
        if decoded(expected) == decoded(actual):
            return
        folder = LOCAL / "e2e" / request.node.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "expected.png").write_bytes(expected)
        (folder / "actual.png").write_bytes(actual)
        pytest.fail(f"the images differ; see {folder}")

    return compare
