"""Empty a deployed stack's bucket, so that CloudFormation can delete it (`make destroy`)."""

from __future__ import annotations

import argparse
import sys

import boto3
from botocore.exceptions import ClientError


def empty(stack_name: str) -> int:
    """Delete every object of the stack's output `BucketName`; return how many there were.

    Raises botocore's ClientError where the stack or the bucket cannot be reached.
    """
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    objects = list(boto3.resource("s3").Bucket(outputs["BucketName"]).objects.all())
    for each in objects:
        each.delete()
    return len(objects)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    stack_name = parser.parse_args().stack_name
    try:
        count = empty(stack_name)
    except ClientError as error:
        sys.exit(f"{stack_name}: {error.response['Error']['Message']}")
    print(f"{stack_name}: {count} objects deleted")


if __name__ == "__main__":
    main()
