"""Address and key of a deployment on AWS: those of BASE_URL and API_KEY, or of a stack and its first tenant."""

from __future__ import annotations

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tools.deploy import stack
from tools.local.endpoint import Endpoint, deployed_endpoint


class NoEndpoint(Exception):
    """There is no such deployment, or its key cannot be read."""


def endpoint_of(stack_name: str) -> Endpoint:
    """Return the endpoint. Raises NoEndpoint."""
    try:
        return deployed_endpoint() or _of_stack(stack_name)
    except KeyError as error:
        raise NoEndpoint(f"{error.args[0]} is missing: set BASE_URL and API_KEY, or deploy the stack") from error
    except (BotoCoreError, ClientError) as error:
        raise NoEndpoint(str(error)) from error


def _of_stack(stack_name: str) -> Endpoint:
    outputs = stack.outputs(boto3.client("cloudformation"), stack_name)
    key = boto3.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
    return Endpoint(outputs["ApiUrl"].rstrip("/"), key)
