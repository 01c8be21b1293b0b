"""`make destroy` empties the bucket."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tools.deploy.empty_bucket import empty
from tools.local.template import Template


def test_every_object_in_the_stacks_bucket_is_deleted(translated: Template) -> None:
    template = {
        **{key: value for key, value in translated.items() if key != "Rules"},
        "Resources": {"Bucket": translated["Resources"]["Bucket"]},
        "Outputs": {"BucketName": translated["Outputs"]["BucketName"]},
    }
    with mock_aws():
        boto3.client("cloudformation").create_stack(StackName="imagegen-dev", TemplateBody=json.dumps(template))
        (bucket,) = boto3.resource("s3").buckets.all()
        for index in range(3):
            bucket.put_object(Key=f"images/local/{index}.png", Body=b"png")
        assert empty("imagegen-dev") == 3
        assert list(bucket.objects.all()) == []


def test_an_unknown_stack_raises_client_error() -> None:
    with mock_aws(), pytest.raises(ClientError, match="none-such"):
        empty("none-such")
