"""Empty a deployed stack's bucket, so that CloudFormation can delete it (`make destroy`)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import boto3

from tools.deploy import stack


class NotEmptied(Exception):
    """S3 did not delete some objects."""


def empty(stack_name: str) -> int:
    """Delete everything in the stack's bucket and return how many versions and delete markers there were.

    Returns 0 if the bucket is already gone. Raises NotEmptied, and botocore's ClientError, for example if there is no
    such stack.
    """
    names = stack.resources(boto3.client("cloudformation"), stack_name)
    return empty_bucket(boto3.client("s3"), names["Bucket"]) if "Bucket" in names else 0


def empty_bucket(s3: Any, bucket: str) -> int:
    """Delete every version and delete marker in the bucket, up to 1,000 per call, and return how many there were.

    Raises NotEmptied with S3's error codes at the first call that leaves some.
    """
    deleted = 0
    while found := _versions(s3.list_object_versions(Bucket=bucket)):  # always the first page: the last one is gone
        refused = s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True}).get("Errors", [])
        if refused:
            codes = ", ".join(f"{code} {count}" for code, count in Counter(each["Code"] for each in refused).items())
            raise NotEmptied(
                f"{len(refused)} objects in {bucket} were not deleted ({codes}), for example {refused[0]['Key']}"
            )
        deleted += len(found)
    return deleted


def _versions(page: Any) -> list[dict[str, str]]:
    return [
        {"Key": each["Key"], "VersionId": each["VersionId"]}
        for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    ]
