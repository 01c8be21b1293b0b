"""Creates AWS resources from template.yaml on a local AWS: MiniStack for volume, moto within one process."""

from __future__ import annotations

import json
import os
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock

import boto3
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from tools.local.aws_environment import NO_AWS_FILES, take_aws_variables
from tools.local.process import ACCESS_KEY, REGION, ROOT
from tools.local.template import S3Object, Template, translate

BUCKET: Final = "AWS::S3::Bucket"
TABLE: Final = "AWS::DynamoDB::Table"
QUEUE: Final = "AWS::SQS::Queue"
_NAME: Final = re.compile("[A-Za-z0-9]+")


def set_moto_environment() -> None:
    """Set this process's region and fake credentials, and remove what would lead clients past moto."""
    take_aws_variables()
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": ACCESS_KEY}
    os.environ.update(keys, AWS_DEFAULT_REGION=REGION, **NO_AWS_FILES)


def translated_template() -> Template:
    """Return template.yaml as plain CloudFormation, without SAM's transform."""
    return translate(ROOT / "template.yaml", S3Object("code", "code.zip"), REGION, {})


def create_resources(cloudformation: Any, template: Template, *types: str) -> dict[str, str]:
    """Create the template's resources of these types in a new stack.

    Returns physical names (URLs for queues) by logical ID. Raises WaiterError if the stack fails.
    """
    resources = {name: each for name, each in template["Resources"].items() if each["Type"] in types}
    reduced = _needed(template, resources)
    stack = f"stack-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(reduced))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=stack, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    created = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in created}


def _needed(template: Template, resources: dict[str, Any]) -> Template:
    """Return a template with these resources and what they refer to: moto takes long to parse the whole template."""
    needed: Template = {"Resources": resources, "Conditions": {}, "Parameters": {}}
    size = 0
    while size != (size := len(text := json.dumps(needed))):  # conditions refer to conditions
        words = set(_NAME.findall(text))
        for section in ("Conditions", "Parameters"):
            needed[section] = {name: each for name, each in template[section].items() if name in words}
    return needed


@contextmanager
def serial_moto() -> Iterator[None]:
    """Use moto during the block, one request at a time.

    moto 5.2 is not thread-safe: a transaction copies its table, which fails if another thread adds an item meanwhile,
    and restores the copy if a condition fails, which loses what other threads have written.
    """
    lock, process_request = threading.RLock(), BotocoreStubber.process_request

    def one_at_a_time(self: BotocoreStubber, request: Any) -> Any:
        with lock:
            return process_request(self, request)

    with mock.patch.object(BotocoreStubber, "process_request", one_at_a_time), mock_aws():
        yield


@contextmanager
def moto_resources(template: Template, *types: str) -> Iterator[dict[str, str]]:
    """Use moto during the block, with the template's resources of these types. Yields what create_resources returns."""
    with serial_moto():
        yield create_resources(boto3.client("cloudformation"), template, *types)
