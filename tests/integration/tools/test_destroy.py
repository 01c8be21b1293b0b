"""`make destroy` asks, exports the bills, empties the bucket and lifts the table's protection, in this order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tools.deploy import bills
from tools.deploy.destroy import Refused, confirm, prepare
from tools.deploy.empty_bucket import NotEmptied, empty, empty_bucket
from tools.local.template import Template

STACK = "imagegen-dev"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
FILE = "bills-imagegen-dev-20261126T120000Z.jsonl"


@pytest.fixture
def names(translated: Template) -> Iterator[dict[str, str]]:
    """Physical names of a stack's table and bucket."""
    template = {
        **{key: value for key, value in translated.items() if key not in ("Rules", "Outputs")},
        "Resources": {name: translated["Resources"][name] for name in ("Bucket", "Table")},
    }
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName=STACK, TemplateBody=json.dumps(template))
        created = cloudformation.list_stack_resources(StackName=STACK)["StackResourceSummaries"]
        yield {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in created}


def put_bills(table: str, count: int) -> None:
    rows = boto3.resource("dynamodb").Table(table)
    with rows.batch_writer() as batch:
        for index in range(count):
            batch.put_item({"pk": f"BILL#alice#{index:05}", "sk": "BILL", "images": 2, "usd": "0.00004184"})
        batch.put_item({"pk": "JOB#alice#1", "sk": "JOB", "prompt": "a secret"})


def put_objects(bucket: str, count: int) -> None:
    s3 = boto3.client("s3")
    for index in range(count):
        s3.put_object(Bucket=bucket, Key=f"images/{index:05}.png", Body=b"")


def test_the_bills_are_exported_and_then_everything_may_be_deleted(names: dict[str, str], tmp_path: Path) -> None:
    put_bills(names["Table"], 3)
    put_objects(names["Bucket"], 2)
    printed: list[str] = []
    prepare(STACK, NOW, tmp_path, printed.append)
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert sorted(line["pk"] for line in lines) == [f"BILL#alice#{index:05}" for index in range(3)]
    assert {(line["images"], line["usd"]) for line in lines} == {(2, "0.00004184")}
    assert printed == [f"{STACK}: exported 3 bills to {tmp_path / FILE}", f"{STACK}: deleted 2 objects"]
    assert [file.name for file in tmp_path.iterdir()] == [FILE]
    boto3.client("dynamodb").delete_table(TableName=names["Table"])
    boto3.client("s3").delete_bucket(Bucket=names["Bucket"])


def test_the_table_cannot_be_deleted_without_it(names: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="DeletionProtectionEnabled"):
        boto3.client("dynamodb").delete_table(TableName=names["Table"])


def test_a_stack_without_bills_leaves_no_file(names: dict[str, str], tmp_path: Path) -> None:
    prepare(STACK, NOW, tmp_path, print)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_deleted_if_the_bills_cannot_be_written(names: dict[str, str], tmp_path: Path) -> None:
    put_bills(names["Table"], 1)
    put_objects(names["Bucket"], 1)
    with pytest.raises(OSError, match="missing"):
        prepare(STACK, NOW, tmp_path / "missing", print)
    (tmp_path / FILE).write_text("from an earlier run")
    with pytest.raises(FileExistsError, match=FILE):
        prepare(STACK, NOW, tmp_path, print)
    assert (tmp_path / FILE).read_text() == "from an earlier run"
    assert boto3.client("s3").list_objects_v2(Bucket=names["Bucket"])["KeyCount"] == 1
    assert boto3.client("dynamodb").describe_table(TableName=names["Table"])["Table"]["DeletionProtectionEnabled"]


def test_a_link_in_the_place_of_the_bills_is_not_followed(names: dict[str, str], tmp_path: Path) -> None:
    put_bills(names["Table"], 1)
    (tmp_path / "bills").symlink_to(tmp_path / "absent")
    with pytest.raises(FileExistsError, match="bills"):
        bills.export(boto3.client("dynamodb"), names["Table"], tmp_path / "bills")
    assert not (tmp_path / "absent").exists()


def test_bills_of_many_pages_are_exported(names: dict[str, str], tmp_path: Path) -> None:
    table = boto3.resource("dynamodb").Table(names["Table"])
    filler = "x" * 390_000
    for index in range(4):  # a scan returns 1 MB per page
        table.put_item(Item={"pk": f"BILL#bob#{index}", "sk": "BILL", "filler": filler, "images": index})
    assert bills.export(boto3.client("dynamodb"), names["Table"], tmp_path / "bills") == 4
    assert sorted(json.loads(line)["images"] for line in (tmp_path / "bills").read_text().splitlines()) == [0, 1, 2, 3]


def test_it_can_be_repeated_after_a_deletion_that_failed(names: dict[str, str], tmp_path: Path) -> None:
    put_bills(names["Table"], 1)
    prepare(STACK, NOW, tmp_path, print)
    prepare(STACK, NOW + timedelta(seconds=1), tmp_path, print)
    assert len([file for file in tmp_path.iterdir() if file.read_text().count("BILL#") == 1]) == 2


def test_an_unknown_stack_is_refused(tmp_path: Path) -> None:
    with mock_aws(), pytest.raises(Refused, match="there is no such stack"):
        prepare("imagegen-prod", NOW, tmp_path, print)


@pytest.mark.parametrize("given", ["", "yes", "imagegen-dev", "imagegen-prod "])
def test_only_the_stacks_name_confirms(given: str) -> None:
    with pytest.raises(Refused, match="nothing was deleted"):
        confirm("imagegen-prod", given, None)
    with pytest.raises(Refused, match="nothing was deleted"):
        confirm("imagegen-prod", None, lambda _: given)


def test_the_name_is_asked_for_on_a_terminal_only() -> None:
    confirm("imagegen-prod", "imagegen-prod", None)
    confirm("imagegen-prod", None, lambda _: "imagegen-prod")
    with pytest.raises(Refused, match="CONFIRM=imagegen-prod"):
        confirm("imagegen-prod", None, None)


def test_objects_are_deleted_a_thousand_per_call_with_all_their_versions(names: dict[str, str]) -> None:
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket=names["Bucket"], VersioningConfiguration={"Status": "Enabled"})
    put_objects(names["Bucket"], 1001)
    put_objects(names["Bucket"], 1)  # a second version
    s3.delete_object(Bucket=names["Bucket"], Key="images/00001.png")  # a delete marker
    calls: list[Any] = []
    s3.meta.events.register("before-call.s3.DeleteObjects", lambda **call: calls.append(call))
    assert empty_bucket(s3, names["Bucket"]) == 1003
    assert len(calls) == 2
    s3.delete_bucket(Bucket=names["Bucket"])


def test_what_s3_did_not_delete_is_an_error(names: dict[str, str], tmp_path: Path) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    put_objects("locked", 2)
    s3.put_object_legal_hold(Bucket="locked", Key="images/00001.png", LegalHold={"Status": "ON"})
    with pytest.raises(NotEmptied, match=r"1 objects in locked .* \(AccessDenied 1\), for example images/00001.png"):
        empty_bucket(s3, "locked")


def test_emptying_an_unknown_stack_raises_client_error() -> None:
    with mock_aws(), pytest.raises(ClientError, match="none-such"):
        empty("none-such")
