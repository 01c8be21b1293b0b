"""AWS as moto plays it, with the resources of template.yaml."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.conftest import ROOT
from tests.stack.template import S3Object, Template, translate

PLAYED = {"AWS::S3::Bucket"}
"""Resource types that tests use; the rest of the template needs no counterpart here."""


@pytest.fixture(scope="session")
def translated() -> Template:
    return translate(ROOT / "template.yaml", S3Object("code", "code.zip"), "us-east-1", {})


@pytest.fixture
def bucket(translated: Template) -> Iterator[str]:
    """Name of the images' bucket, made from the template."""
    resources = {name: each for name, each in translated["Resources"].items() if each["Type"] in PLAYED}
    template = {key: value for key, value in translated.items() if key != "Outputs"} | {"Resources": resources}
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="integration", TemplateBody=json.dumps(template))
        (only,) = cloudformation.list_stack_resources(StackName="integration")["StackResourceSummaries"]
        yield only["PhysicalResourceId"]
