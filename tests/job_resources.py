"""Table and queues under the names that tests/conftest.py sets, as template.yaml describes them."""

from __future__ import annotations

import os
from typing import Any

import boto3

from tests.conftest import ROOT
from tests.stack.template import S3Object, translate


def make(endpoint: str | None = None) -> None:
    """In the AWS that moto plays: in this process, or at `endpoint`."""
    resources = translate(ROOT / "template.yaml", S3Object("code", "code.zip"), "us-east-1", {})["Resources"]
    table = resources["Table"]["Properties"]
    wanted: dict[str, Any] = {
        name: table[name] for name in ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    }
    boto3.client("dynamodb", endpoint_url=endpoint).create_table(TableName=os.environ["TABLE_NAME"], **wanted)
    sqs = boto3.client("sqs", endpoint_url=endpoint)
    for variable in ("JOBS_QUEUE_URL", "JOBS_DEAD_LETTERS_URL"):
        sqs.create_queue(QueueName=os.environ[variable].rpartition("/")[2])
