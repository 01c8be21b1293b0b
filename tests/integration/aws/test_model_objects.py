"""Published versions in S3 and the rollout in Parameter Store, as moto implements them."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config

from imagegen.aws import clients, model_objects
from imagegen.aws.model_objects import S3ModelObjects, SsmRollout
from imagegen.errors import StorageUnavailable

KEY = "models/demo/aaaaaaaaaaaa/version.json"


def test_an_object_is_read_up_to_a_size(bucket: str) -> None:
    objects = S3ModelObjects(bucket)
    assert objects.read(KEY, 10) is None
    boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=b"0123456789")
    assert objects.read(KEY, 10) == b"0123456789"
    assert objects.read(KEY, 9) == b"0123456789"
    assert objects.read(KEY, 4) == b"01234"


def test_a_range_has_the_bytes_of_the_object_and_one_beyond_its_end_is_an_error(bucket: str) -> None:
    objects = S3ModelObjects(bucket)
    boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=b"0123456789")
    assert b"".join(objects.read_range(KEY, 2, 3)) == b"234"
    assert b"".join(objects.read_range(KEY, 8, 5)) == b"89"
    for key, start in ((KEY, 10), ("models/none", 0)):
        with pytest.raises(StorageUnavailable):
            b"".join(objects.read_range(key, start, 5))


def test_a_bucket_that_hangs_leaves_a_request_time_to_go_on_with_the_version_before(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Any] = []

    def client(service: str, config: Config) -> Any:
        used.append(config)
        return clients.client(service, config)

    monkeypatch.setattr(model_objects, "client", client)
    objects = S3ModelObjects(bucket)
    objects.read(KEY, 10)
    objects.sizes("models/")
    longest_s = max(each.retries["total_max_attempts"] * (each.connect_timeout + each.read_timeout) for each in used)
    assert longest_s <= 28 - 10, "of the 28 s of a request, and Api's 30 s"


def test_sizes_are_those_below_a_prefix_also_of_many_objects(bucket: str) -> None:
    s3 = boto3.client("s3")
    for number in range(1001):
        s3.put_object(Bucket=bucket, Key=f"models/a/{number}", Body=b"x" * (number % 3))
    s3.put_object(Bucket=bucket, Key="models/b/1", Body=b"x")
    sizes = S3ModelObjects(bucket).sizes("models/a/")
    assert len(sizes) == 1001
    assert (sizes["models/a/0"], sizes["models/a/1000"]) == (0, 1)


def test_a_rollout_is_read_each_time_and_may_be_absent(bucket: str) -> None:
    source, ssm = SsmRollout("/imagegen/models"), boto3.client("ssm")
    assert source.read() is None
    for text in ("1", "2"):
        ssm.put_parameter(Name="/imagegen/models", Type="String", Value=text, Overwrite=text == "2")
        assert source.read() == text


def test_what_does_not_answer_is_unavailable(bucket: str) -> None:
    objects = S3ModelObjects(f"{bucket}-gone")
    for call in (lambda: objects.sizes("models/"), lambda: b"".join(objects.read_range(KEY, 0, 1))):
        with pytest.raises(StorageUnavailable):
            call()
