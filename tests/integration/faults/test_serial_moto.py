"""moto runs one request at a time, as DynamoDB isolates transactions."""

from __future__ import annotations

import threading
from typing import Any

import boto3
import pytest
from moto.core.botocore_stubber import BotocoreStubber

from tools.faults.template_resources import serial_moto


def test_concurrent_requests_run_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, answer = [0], [0], BotocoreStubber.process_request
    overlapped = threading.Event()

    def process_request(self: BotocoreStubber, request: Any) -> Any:
        running[0] += 1
        most[0] = max(most[0], running[0])
        if most[0] > 1:
            overlapped.set()
        overlapped.wait(0.05)  # the time in which the other thread would come
        response = answer(self, request)
        running[0] -= 1
        return response

    monkeypatch.setattr(BotocoreStubber, "process_request", process_request)
    with serial_moto():
        s3 = boto3.client("s3")
        threads = [threading.Thread(target=s3.create_bucket, kwargs={"Bucket": f"bucket-{n}"}) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {each["Name"] for each in s3.list_buckets()["Buckets"]} == {f"bucket-{n}" for n in range(4)}
    assert most == [1]
