"""AWS mocked by moto, with the resources of template.yaml."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto import mock_aws

from imagegen import telemetry
from imagegen.entrypoints import dead_letters, generator, job_routes, sweeper, worker
from tests.conftest import ROOT
from tests.support.job_handlers import JobHandlers
from tests.support.job_world import JobWorld
from tools.local.template import S3Object, Template, translate


def translation() -> Template:
    return translate(ROOT / "template.yaml", S3Object("code", "code.zip"), "us-east-1", {})


@pytest.fixture(scope="session")
def translated() -> Template:
    return translation()


@contextmanager
def played(translated: Template, *kinds: str) -> Iterator[dict[str, str]]:
    """Moto with the template's resources of these types. Yields physical IDs by logical ID."""
    resources = {name: each for name, each in translated["Resources"].items() if each["Type"] in kinds}
    template = {key: value for key, value in translated.items() if key != "Outputs"} | {"Resources": resources}
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="integration", TemplateBody=json.dumps(template))
        created = cloudformation.list_stack_resources(StackName="integration")["StackResourceSummaries"]
        yield {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in created}


@pytest.fixture
def bucket(translated: Template) -> Iterator[str]:
    """Name of the image bucket, created from the template."""
    with played(translated, "AWS::S3::Bucket") as names:
        yield names["Bucket"]


@pytest.fixture
def queues(translated: Template) -> Iterator[dict[str, str]]:
    """URLs of the queues, created from the template, by logical ID."""
    with played(translated, "AWS::SQS::Queue") as names:
        yield names


@pytest.fixture
def resources(translated: Template) -> Iterator[dict[str, str]]:
    """Physical IDs of the bucket, table, and queues, created from the template, by logical ID."""
    with played(translated, "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue") as names:
        yield names


@pytest.fixture
def world(resources: dict[str, str]) -> JobWorld:
    return JobWorld(resources)


@pytest.fixture
def handlers(world: JobWorld, monkeypatch: pytest.MonkeyPatch) -> JobHandlers:
    for module in (job_routes, generator, worker, sweeper, dead_letters):
        monkeypatch.setattr(module, "jobs", lambda: world.jobs)
    for module in (generator, worker):
        monkeypatch.setattr(module, "service", lambda: world.service)
    monkeypatch.setattr(worker, "queue", lambda: world.queue)
    return JobHandlers(world)


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Returns everything printed so far. The logger keeps its first stream, which capsys does not capture."""
    log = io.StringIO()
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    original = handler.setStream(log)
    yield lambda: log.getvalue() + "".join(capsys.readouterr())
    handler.setStream(original)
