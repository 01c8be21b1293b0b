"""Word lists in S3 and in Parameter Store, as moto implements them."""

from __future__ import annotations

import boto3
import pytest

from imagegen.aws.word_lists import S3WordLists, SsmWordLists
from imagegen.moderation.ports import ListsUnreadable
from imagegen.moderation.word_lists import MAX_BYTES, InvalidLists, WordLists

DOCUMENT = '{"version": "9", "categories": {"brands": ["acme", "裸体"]}}'


def test_an_object_is_read_and_too_large_a_one_is_no_list(bucket: str) -> None:
    source, s3 = S3WordLists(bucket, "moderation/lists.json"), boto3.client("s3")
    with pytest.raises(ListsUnreadable) as caught:
        source.read()
    assert caught.value.reason == "S3: NoSuchKey NoSuchKey"
    s3.put_object(Bucket=bucket, Key="moderation/lists.json", Body=DOCUMENT.encode())
    assert WordLists.parse(source.read()).version == "9"
    s3.put_object(Bucket=bucket, Key="moderation/lists.json", Body=b" " * (MAX_BYTES + 10))
    with pytest.raises(InvalidLists):
        WordLists.parse(source.read())


def test_a_parameter_is_read(bucket: str) -> None:
    source, ssm = SsmWordLists("/imagegen/moderation/lists"), boto3.client("ssm")
    with pytest.raises(ListsUnreadable) as caught:
        source.read()
    assert caught.value.reason == "SSM: ParameterNotFound ParameterNotFound"
    ssm.put_parameter(Name="/imagegen/moderation/lists", Type="String", Value=DOCUMENT)
    assert WordLists.parse(source.read()).version == "9"
