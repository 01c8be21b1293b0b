"""Invocations of other Lambda functions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError

from imagegen.aws.clients import client, code, translated
from imagegen.errors import FunctionBusy
from imagegen.rollout.ports import Answer

_CONNECTIONS: Final = 50
"""As many as warm-ups at once (WarmEnvironments in template.yaml)."""


class LambdaFunctions:
    """Implements rollout.ports.Functions. Makes its client at once: threads use it."""

    def __init__(
        self, answer_within_s: int, waits_s: Sequence[float] = (), sleep: Callable[[float], None] = time.sleep
    ):
        """A function has `answer_within_s`. `waits_s`: before each repetition of a call that Lambda throttles.

        Nothing else is repeated: botocore would invoke a function again that is still running.
        """
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=answer_within_s,
            max_pool_connections=_CONNECTIONS,
            tcp_keepalive=True,
        )
        self._client = client("lambda", config)
        self._waits_s = waits_s
        self._sleep = sleep

    def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        """Return the answer of a function, version or alias. Raises FunctionBusy or another StorageUnavailable."""
        with translated("Lambda"):
            response = self._admitted(function, json.dumps(event))
            payload = json.loads(response["Payload"].read() or "null")
        if "FunctionError" not in response:
            return Answer(payload)
        return Answer(payload, str(payload.get("errorMessage") or response["FunctionError"]))

    def _admitted(self, function: str, payload: str) -> Any:
        for wait_s in self._waits_s:
            try:
                return self._once(function, payload)
            except FunctionBusy:
                self._sleep(wait_s)
        return self._once(function, payload)

    def _once(self, function: str, payload: str) -> Any:
        try:
            return self._client.invoke(FunctionName=function, Payload=payload)
        except ClientError as error:
            if code(error) != "TooManyRequestsException":
                raise
            raise FunctionBusy(private=f"Lambda: ClientError {code(error)}") from error
