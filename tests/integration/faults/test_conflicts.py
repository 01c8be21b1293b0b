"""Injected conflicts: which writes meet a transaction on their row, and what DynamoDB answers them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from imagegen.aws.table import condition_failed, conflicted
from tests.support.limits_world import LimitsWorld
from tools.faults.conflicts import Conflicts
from tools.faults.template_resources import TABLE, moto_resources
from tools.local.template import Template


@pytest.fixture
def limits(translated: Template) -> Iterator[LimitsWorld]:
    with moto_resources(translated, TABLE) as names:
        yield LimitsWorld(names["Table"])


@pytest.fixture
def client(limits: LimitsWorld) -> Any:
    return boto3.client("dynamodb")


def put(client: Any, table: str, pk: str, transaction: bool) -> ClientError | None:
    write = {"TableName": table, "Item": {"pk": {"S": pk}, "sk": {"S": "x"}}}
    try:
        client.transact_write_items(TransactItems=[{"Put": write}]) if transaction else client.put_item(**write)
    except ClientError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("transaction", "code"), [(True, "TransactionCanceledException"), (False, "TransactionConflictException")]
)
def test_a_write_of_a_row_that_a_transaction_holds_is_refused(
    limits: LimitsWorld, client: Any, transaction: bool, code: str
) -> None:
    conflicts = Conflicts(_busy={("held", "x")})
    with conflicts.installed():
        error = put(client, limits.table, "held", transaction)
        assert put(client, limits.table, "free", transaction) is None
    assert error is not None
    assert error.response["Error"]["Code"] == code
    assert conflicted(error)
    assert not condition_failed(error)
    assert [row["pk"] for row in limits.items("")] == ["free"]
    assert conflicts.refused == 1


def test_of_two_transactions_at_once_on_one_row_one_is_refused_and_the_row_is_free_again(
    limits: LimitsWorld, client: Any
) -> None:
    conflicts, start = Conflicts(held_s=1.0), Barrier(2)

    def both(_: int) -> ClientError | None:
        start.wait()
        return put(client, limits.table, "one", transaction=True)

    with conflicts.installed():
        with ThreadPoolExecutor(2) as pool:
            assert [error is None for error in sorted(pool.map(both, range(2)), key=str)] == [False, True]
        assert put(client, limits.table, "one", transaction=True) is None
    assert conflicts.refused == 1
