"""Empty a deployed stack's bucket, so that CloudFormation can delete it (`make destroy`)."""

from __future__ import annotations

import argparse
import sys

import boto3
from botocore.exceptions import ClientError


def empty(stack_name: str) -> int:
    """Delete every object in the bucket that the stack's output `BucketName` names; return how many there were.

    Raises botocore's ClientError, for example if the stack does not exist.
    """
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    objects = list(boto3.resource("s3").Bucket(outputs["BucketName"]).objects.all())
    for item in objects:
        item.delete()
    return len(objects)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    stack_name = parser.parse_args().stack_name
    try:
        count = empty(stack_name)
    except ClientError as error:
        sys.exit(f"{stack_name}: {error.response['Error']['Message']}")
    print(f"{stack_name}: deleted {count} objects")


if __name__ == "__main__":
    main()
