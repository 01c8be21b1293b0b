"""boto3's clients, made one at a time: what makes them is not safe to use from several threads, they are."""

from __future__ import annotations

import threading
from typing import Any, Final

import boto3
from botocore.config import Config

_MAKING: Final = threading.Lock()


def client(service: str, config: Config) -> Any:
    with _MAKING:
        return boto3.client(service, config=config)
