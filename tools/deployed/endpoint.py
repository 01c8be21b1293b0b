"""Address and key of a deployment on AWS: those of BASE_URL and API_KEY, or of a stack and its first tenant."""

from __future__ import annotations

import boto3

from tools.deploy import stack
from tools.local.endpoint import Endpoint, deployed_endpoint


def endpoint_of(stack_name: str) -> Endpoint:
    """Return the endpoint. Raises KeyError for a BASE_URL without an API_KEY, and botocore's errors."""
    if given := deployed_endpoint():
        return given
    outputs = stack.outputs(boto3.client("cloudformation"), stack_name)
    key = boto3.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)["value"]
    return Endpoint(outputs["ApiUrl"].rstrip("/"), key)
