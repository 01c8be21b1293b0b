"""Injected faults: what AWS receives, what the caller gets, what is logged, and that missing faults are noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from imagegen.aws.table import condition_failed, conflicted
from tools.faults.botocore_faults import Faults
from tools.faults.conflicts import Conflicts
from tools.faults.counts import CallLog, Tally, bounds
from tools.faults.plan import FaultPlan, Kind, Mix


@dataclass
class Aws:
    """An endpoint that answers every call with success and records its operation."""

    url: str = ""
    seen: list[str] = field(default_factory=list)

    def client(self, service: str, attempts: int = 1) -> Any:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": attempts},
            s3={"addressing_style": "path"},
            read_timeout=5,
        )
        return boto3.client(service, endpoint_url=self.url, config=config)


@pytest.fixture
def endpoint() -> Iterator[Aws]:
    state = Aws()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            state.seen.append(self.headers.get("X-Amz-Target") or self.command)
            body = b"" if self.command in ("PUT", "HEAD") else b'{"Attributes": {"n": {"N": "1"}}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_HEAD = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


def only(kind: Kind) -> FaultPlan:
    return FaultPlan(Mix(**{kind: 1.0}), delay_s=0.001)


def faults(plan: FaultPlan, folder: Path, seed: int = 7) -> Faults:
    return Faults(plan, Random(seed), CallLog(folder))


def update(client: Any) -> Any:
    return client.update_item(TableName="T", Key={"pk": {"S": "a"}})


def transact(client: Any) -> Any:
    put = {"Put": {"TableName": "T", "Item": {"pk": {"S": "a"}}}}
    return client.transact_write_items(TransactItems=[put, put])


@pytest.mark.parametrize(
    ("kind", "raised", "calls_seen"),
    [
        ("refused", EndpointConnectionError, 0),
        ("dropped", ReadTimeoutError, 1),
        ("truncated", ConnectionClosedError, 1),
        ("throttled", ClientError, 0),
        ("failed", ClientError, 0),
    ],
)
@pytest.mark.parametrize("service", ["dynamodb", "s3", "sqs"])
def test_fault_reaches_the_caller_and_only_executed_calls_reach_aws(
    endpoint: Aws, tmp_path: Path, service: str, kind: Kind, raised: type[Exception], calls_seen: int
) -> None:
    client = endpoint.client(service)
    calls: dict[str, Callable[[], Any]] = {
        "dynamodb": lambda: update(client),
        "s3": lambda: client.put_object(Bucket="b", Key="k", Body=b"x"),
        "sqs": lambda: client.delete_message(QueueUrl=f"{endpoint.url}/0/q", ReceiptHandle="r"),
    }
    with faults(only(kind), tmp_path).installed(), pytest.raises(raised):
        calls[service]()
    assert len(endpoint.seen) == calls_seen
    tally = Tally.of(tmp_path, only(kind))
    assert tally.happened == {kind: 1}
    assert tally.lost_acknowledgements == calls_seen


def test_delayed_call_succeeds(endpoint: Aws, tmp_path: Path) -> None:
    with faults(only("delayed"), tmp_path).installed():
        assert update(endpoint.client("dynamodb"))["Attributes"] == {"n": {"N": "1"}}
    assert Tally.of(tmp_path, only("delayed")).happened == {"delayed": 1}


@pytest.mark.parametrize("kind", ["refused", "dropped", "truncated", "throttled", "failed"])
@pytest.mark.parametrize("service", ["dynamodb", "s3"])
def test_botocore_retries_transient_faults(endpoint: Aws, tmp_path: Path, service: str, kind: Kind) -> None:
    client = endpoint.client(service, attempts=2)
    with faults(only(kind), tmp_path).installed(), pytest.raises((BotoCoreError, ClientError)):
        update(client) if service == "dynamodb" else client.put_object(Bucket="b", Key="k", Body=b"x")
    assert Tally.of(tmp_path, only(kind)).happened == {kind: 2}


def test_throttled_transaction_is_rejected_in_each_of_dynamodbs_ways(endpoint: Aws, tmp_path: Path) -> None:
    client, codes = endpoint.client("dynamodb"), set()
    with faults(only("throttled"), tmp_path).installed():
        for _ in range(40):
            with pytest.raises(ClientError) as caught:
                transact(client)
            reasons = caught.value.response.get("CancellationReasons", [])
            codes.add((caught.value.response["Error"]["Code"], *(each["Code"] for each in reasons)))
    assert codes == {
        ("ThrottlingException",),
        ("TransactionCanceledException", "ThrottlingError", "None"),
        ("TransactionCanceledException", "TransactionConflict", "None"),
    }


def test_seed_determines_the_faults(endpoint: Aws, tmp_path: Path) -> None:
    def kinds(folder: str, seed: int) -> list[str]:
        plan = FaultPlan(Mix.evenly(0.6), delay_s=0.0)
        with faults(plan, tmp_path / folder, seed).installed():
            client = endpoint.client("dynamodb")
            for _ in range(30):
                with suppress(BotoCoreError, ClientError):
                    update(client)
        (log,) = (tmp_path / folder).glob("*.calls")
        return log.read_text().splitlines()

    assert kinds("a", 1) == kinds("b", 1) != kinds("c", 2)


def test_mix_is_that_of_the_operation_then_of_the_service(endpoint: Aws, tmp_path: Path) -> None:
    plan = FaultPlan(Mix(), {"dynamodb": Mix(dropped=1.0), "dynamodb.UpdateItem": Mix(refused=1.0)})
    with faults(plan, tmp_path).installed():
        with pytest.raises(EndpointConnectionError):
            update(endpoint.client("dynamodb"))
        with pytest.raises(ReadTimeoutError):
            transact(endpoint.client("dynamodb"))
        endpoint.client("s3").put_object(Bucket="b", Key="k", Body=b"x")
    assert Tally.of(tmp_path, plan).happened == {"refused": 1, "dropped": 1}


def test_no_faults_after_the_block(endpoint: Aws, tmp_path: Path) -> None:
    with faults(only("refused"), tmp_path).installed():
        pass
    update(endpoint.client("dynamodb"))


def logged(folder: Path, kind: Kind, faulted: int, calls: int) -> None:
    log = CallLog(folder)
    for number in range(calls):
        log.add("dynamodb.UpdateItem", kind if number < faulted else "clean", 200)


@pytest.mark.parametrize(("faulted", "healthy"), [(0, False), (150, False), (300, True), (450, False)])
def test_run_without_faults_or_with_half_of_them_does_not_pass(tmp_path: Path, faulted: int, healthy: bool) -> None:
    logged(tmp_path, "dropped", faulted, calls=1000)
    assert (Tally.of(tmp_path, FaultPlan(Mix(dropped=0.3))).doubts() == []) is healthy


@pytest.mark.parametrize("plan", [FaultPlan(Mix()), FaultPlan(Mix(dropped=0.01))])
def test_run_with_too_few_calls_does_not_pass(tmp_path: Path, plan: FaultPlan) -> None:
    logged(tmp_path, "dropped", 10, calls=1000)
    assert Tally.of(tmp_path, plan).doubts()


def test_random_draws_are_within_the_bounds() -> None:
    random, mix = Random(3), Mix.evenly(0.3)
    low, high = bounds(2000 * mix.dropped)
    for _ in range(200):
        assert low <= sum(mix.draw(random) == "dropped" for _ in range(2000)) <= high


def put(client: Any, pk: str, transaction: bool) -> ClientError | None:
    write = {"TableName": "T", "Item": {"pk": {"S": pk}, "sk": {"S": "x"}}}
    try:
        client.transact_write_items(TransactItems=[{"Put": write}]) if transaction else client.put_item(**write)
    except ClientError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("transaction", "code"), [(True, "TransactionCanceledException"), (False, "TransactionConflictException")]
)
def test_a_write_of_a_row_that_a_transaction_holds_is_refused(endpoint: Aws, transaction: bool, code: str) -> None:
    client, conflicts = endpoint.client("dynamodb"), Conflicts(_busy={("held", "x")})
    with conflicts.installed():
        error = put(client, "held", transaction)
        assert put(client, "free", transaction) is None
    assert error is not None
    assert error.response["Error"]["Code"] == code
    assert conflicted(error)
    assert not condition_failed(error)
    assert (len(endpoint.seen), conflicts.refused) == (1, 1)


def test_of_two_transactions_on_one_row_one_is_refused_and_the_row_is_free_again(
    endpoint: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, conflicts, refused = endpoint.client("dynamodb"), Conflicts(), threading.Event()
    # The first transaction holds the row until the second has come.
    monkeypatch.setattr("tools.faults.conflicts.time", SimpleNamespace(sleep=lambda _: refused.wait(60)))

    def both(_: int) -> bool:
        written = put(client, "one", transaction=True) is None
        if not written:
            refused.set()
        return written

    with conflicts.installed():
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(both, range(2))) == [False, True]
        assert put(client, "one", transaction=True) is None
    assert conflicts.refused == 1
