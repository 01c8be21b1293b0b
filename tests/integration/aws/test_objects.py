"""The contract of stores of checkpoints, against the in-memory fake and S3, so that the fake cannot drift."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from imagegen.aws.objects import CHECKPOINTS, S3Objects
from imagegen.errors import StorageUnavailable
from imagegen.generation.ports import CheckpointStore
from tests.support.fakes import MemoryCheckpoints

KEY = "checkpoints/alice/01JD0000000000000000000000.npz"


@pytest.fixture(params=["memory", "s3"])
def store(request: pytest.FixtureRequest, bucket: str) -> CheckpointStore:
    return MemoryCheckpoints() if request.param == "memory" else S3Objects(bucket)


def test_the_latest_write_is_read_until_it_is_deleted(store: CheckpointStore) -> None:
    assert store.read(KEY) is None
    for body in (b"first", b"second", b""):
        store.write(KEY, body)
        assert store.read(KEY) == body
    for _ in range(2):
        store.delete(KEY)
        assert store.read(KEY) is None


@pytest.mark.parametrize("call", ["read", "write", "delete"])
def test_failures_are_translated(bucket: str, call: str) -> None:
    store = S3Objects(bucket)
    operation = {"read": "get_object", "write": "put_object", "delete": "delete_object"}[call]
    with Stubber(store._client) as stub:
        stub.add_client_error(operation, "SlowDown", http_status_code=503)
        with pytest.raises(StorageUnavailable):
            getattr(store, call)(KEY, *([b"x"] if call == "write" else []))


def test_a_call_ends_soon_enough_for_the_writes_that_follow(bucket: str) -> None:
    """Two seconds before the deadline, S3 must not take longer than that, retries included."""
    config: Any = S3Objects(bucket, CHECKPOINTS)._client.meta.config
    assert config.connect_timeout + config.read_timeout <= 2
    assert config.retries["total_max_attempts"] == 1
