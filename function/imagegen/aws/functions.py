"""Invocations of other Lambda functions."""

from __future__ import annotations

import json
from typing import Any, Final

from botocore.config import Config

from imagegen.aws.clients import client, translated
from imagegen.rollout.ports import Answer

_CONNECTIONS: Final = 50
"""As many as warm-ups at once (WarmEnvironments in template.yaml)."""


class LambdaFunctions:
    """Implements rollout.ports.Functions. Makes its client at once: threads use it."""

    def __init__(self, attempts: int):
        """`attempts` per invocation: after the first, if Lambda throttles it or does not answer."""
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            connect_timeout=5,
            read_timeout=910,  # above every function's timeout, so that none is invoked again while it runs
            max_pool_connections=_CONNECTIONS,
            tcp_keepalive=True,
        )
        self._client = client("lambda", config)

    def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        """Return the answer of a function, version or alias."""
        with translated("Lambda"):
            response = self._client.invoke(FunctionName=function, Payload=json.dumps(event))
            payload = json.loads(response["Payload"].read() or "null")
        if "FunctionError" not in response:
            return Answer(payload)
        return Answer(payload, str(payload.get("errorMessage") or response["FunctionError"]))
