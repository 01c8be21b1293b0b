"""Create the jobs table and queues on moto, as template.yaml defines them."""

from __future__ import annotations

import os
from typing import Any, Final

import boto3

from tools.local.process import ROOT
from tools.local.template import S3Object, translate

_QUEUES: Final = ("JOBS_QUEUE_URL", "JOBS_DEAD_LETTERS_URL", "WEBHOOKS_QUEUE_URL", "WEBHOOKS_DEAD_LETTERS_URL")


def make(endpoint: str | None = None) -> None:
    """Create the table and queues named in the environment, in in-process moto or on the moto server at `endpoint`."""
    make_table(boto3.client("dynamodb", endpoint_url=endpoint), os.environ["TABLE_NAME"])
    sqs = boto3.client("sqs", endpoint_url=endpoint)
    for variable in _QUEUES:
        sqs.create_queue(QueueName=os.environ[variable].rpartition("/")[2])


def make_table(dynamodb: Any, name: str) -> None:
    """Create the template's table under `name`."""
    resources = translate(ROOT / "template.yaml", S3Object("code", "code.zip"), "us-east-1", {})["Resources"]
    table = resources["Table"]["Properties"]
    definition: dict[str, Any] = {
        key: table[key] for key in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    }
    dynamodb.create_table(TableName=name, **definition)
