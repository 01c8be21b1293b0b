"""AWS as moto plays it, with the resources of template.yaml."""

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
from tests.conftest import ROOT
from tools.local.template import S3Object, Template, translate


def translation() -> Template:
    return translate(ROOT / "template.yaml", S3Object("code", "code.zip"), "us-east-1", {})


@pytest.fixture(scope="session")
def translated() -> Template:
    return translation()


@contextmanager
def played(translated: Template, *kinds: str) -> Iterator[dict[str, str]]:
    """Moto with the template's resources of these types: the name that each got, by its name in the template."""
    resources = {name: each for name, each in translated["Resources"].items() if each["Type"] in kinds}
    template = {key: value for key, value in translated.items() if key != "Outputs"} | {"Resources": resources}
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="integration", TemplateBody=json.dumps(template))
        made = cloudformation.list_stack_resources(StackName="integration")["StackResourceSummaries"]
        yield {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made}


@pytest.fixture
def bucket(translated: Template) -> Iterator[str]:
    """Name of the images' bucket, made from the template."""
    with played(translated, "AWS::S3::Bucket") as names:
        yield names["Bucket"]


@pytest.fixture
def queues(translated: Template) -> Iterator[dict[str, str]]:
    """URLs of the queues, made from the template, by their names there."""
    with played(translated, "AWS::SQS::Queue") as names:
        yield names


@pytest.fixture
def resources(translated: Template) -> Iterator[dict[str, str]]:
    """Bucket, table and queues, made from the template: what each is called, by its name there."""
    with played(translated, "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue") as names:
        yield names


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Everything that was printed: the logger keeps the stream it was made with, whatever pytest captures."""
    log = io.StringIO()
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(log)
    yield lambda: log.getvalue() + "".join(capsys.readouterr())
    handler.setStream(before)
