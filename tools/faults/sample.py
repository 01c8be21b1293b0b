"""The decided design in its smallest form, whole or broken on purpose: what proves that the harness sees anything.

Not the product. `BROKEN` names a fault of the code: `forgets` accepts without writing, `repeats` makes a job per copy
of a request, `sticks` hides a running job from the sweeper, `unbilled` ends jobs without their bill.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import time
import uuid
from typing import Any, Final

import boto3
from botocore.config import Config
from ulid import ULID

from tools.faults.environment import Handler, Surroundings
from tools.faults.ministack import StandIn
from tools.faults.product import Places, Product
from tools.lambda_event import Context

Item = dict[str, Any]

_TENANT: Final = "tenant"
_MAX_ATTEMPTS: Final = 6
_STEPS: Final = 3
_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 4}, s3={"addressing_style": "path"})


def deploy(aws: StandIn) -> Places:
    """A deployment of its own on a running stand-in."""
    name = f"sample-{uuid.uuid4().hex[:8]}"
    keys = {"pk": "S", "sk": "S", "due_shard": "S", "due_at": "N"}
    aws.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()],
        KeySchema=_key_schema("pk", "sk"),
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_due",
                "KeySchema": _key_schema("due_shard", "due_at"),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    aws.client("s3").create_bucket(Bucket=name)
    sqs = aws.client("sqs")
    queue_url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
    dead_letters_url = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    return Places(name, name, queue_url, dead_letters_url)


def variables(places: Places, broken: str = "", lease_ms: int = 2000) -> dict[str, str]:
    return {
        "TABLE_NAME": places.table,
        "BUCKET_NAME": places.bucket,
        "JOBS_QUEUE_URL": places.queue_url,
        "DEAD_LETTERS_URL": places.dead_letters_url,
        "BROKEN": broken,
        "LEASE_MS": str(lease_ms),
    }


def _key_schema(partition: str, order: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": order, "KeyType": "RANGE"}]


class _Sample:
    def __init__(self, surroundings: Surroundings):
        self.surroundings = surroundings
        self.dynamodb = boto3.client("dynamodb", config=_CONFIG)
        self.sqs = boto3.client("sqs", config=_CONFIG)
        self.s3 = boto3.client("s3", config=_CONFIG)
        self.table, self.bucket = os.environ["TABLE_NAME"], os.environ["BUCKET_NAME"]
        self.queue_url, self.dead_url = os.environ["JOBS_QUEUE_URL"], os.environ["DEAD_LETTERS_URL"]
        self.broken, self.lease_ms = os.environ["BROKEN"], int(os.environ["LEASE_MS"])

    # -- accepting -----------------------------------------------------------------------------------------------------

    def submit(self, key: str, request: Item) -> str:
        job_id = str(ULID())
        if self.broken == "forgets":
            return job_id
        name = uuid.uuid4().hex if self.broken == "repeats" else hashlib.sha256(key.encode()).hexdigest()
        once = {"pk": {"S": f"IDEMPOTENCY#{_TENANT}#{name}"}, "sk": {"S": "IDEMPOTENCY"}, "job_id": {"S": job_id}}
        job = _key(job_id) | {
            "tenant": {"S": _TENANT},
            "job_id": {"S": job_id},
            "state": {"S": "queued"},
            "attempt": {"N": "0"},
            "request": {"S": json.dumps(request)},
            "metadata": {"M": {"n": {"S": str(request["metadata"]["n"])}}},
            "due_shard": {"S": "0"},
            "due_at": {"N": str(_now() + self.lease_ms)},
        }
        try:
            self._transact(self._put(once), self._put(job))
        except _Refused:
            found = self.dynamodb.get_item(
                TableName=self.table, Key={name: once[name] for name in ("pk", "sk")}, ConsistentRead=True
            )
            return str(found["Item"]["job_id"]["S"])
        self.send(job_id)
        return job_id

    def send(self, job_id: str) -> None:
        """The row stays due, and the sweeper sends again, until its message was accepted."""
        body = {"version": 1, "job_id": job_id, "tenant": _TENANT}
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps(body))
        self._update(job_id, "REMOVE due_shard, due_at", "#state = :queued", {":queued": {"S": "queued"}})

    # -- working -------------------------------------------------------------------------------------------------------

    def work(self, body: str) -> None:
        try:
            message = json.loads(body)
            job_id = message["job_id"]
            legal = message["version"] == 1
        except (ValueError, KeyError, TypeError):
            legal = False
        if not legal:
            self.sqs.send_message(QueueUrl=self.dead_url, MessageBody=body)
            return
        owner = uuid.uuid4().hex
        job = self._claim(job_id, owner)
        if job is None:
            return
        request = json.loads(job["request"]["S"])
        self.surroundings.ledger.add("generating", n=request["metadata"]["n"], pid=os.getpid())
        for _ in range(_STEPS):
            time.sleep(0.005)
            self.surroundings.kills.reached("denoising")
        if request["prompt"] == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        image = f"images/{_TENANT}/{job_id}/0.png"
        self.s3.put_object(Bucket=self.bucket, Key=image, Body=b"picture")
        self._finish(job_id, owner, image)

    def _claim(self, job_id: str, owner: str) -> Item | None:
        values: Item = {":running": {"S": "running"}, ":queued": {"S": "queued"}, ":owner": {"S": owner}}
        values |= {":one": {"N": "1"}, ":lease": {"N": str(_now() + self.lease_ms)}}
        if self.broken == "sticks":
            due = " REMOVE due_shard, due_at"
        else:
            due = ", due_shard = :shard, due_at = :lease"
            values[":shard"] = {"S": "0"}
        expression = f"SET #state = :running, #owner = :owner, attempt = attempt + :one, lease_until = :lease{due}"
        condition = "#state = :queued"
        if not self._update(job_id, expression, condition, values):
            job = self._read(job_id)
            if job is None or job.get("owner") != {"S": owner}:
                return None
        return self._read(job_id)

    def _finish(self, job_id: str, owner: str, image: str) -> None:
        done: Item = {
            "Update": {
                "TableName": self.table,
                "Key": _key(job_id),
                "UpdateExpression": "SET #state = :done, #result = :result REMOVE due_shard, due_at",
                "ConditionExpression": "#state = :running AND #owner = :owner",
                "ExpressionAttributeNames": {"#state": "state", "#owner": "owner", "#result": "result"},
                "ExpressionAttributeValues": {
                    ":done": {"S": "succeeded"},
                    ":running": {"S": "running"},
                    ":owner": {"S": owner},
                    ":result": {"M": {"images": {"L": [{"M": {"key": {"S": image}}}]}}},
                },
            }
        }
        bill = {"pk": {"S": f"BILL#{_TENANT}#{job_id}"}, "sk": {"S": "BILL"}, "job_id": {"S": job_id}}
        try:
            self._transact(done, *([] if self.broken == "unbilled" else [self._put(bill)]))
        except _Refused:
            return  # ours already, when the answer was lost; else another worker's

    # -- sweeping ------------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        due = self.dynamodb.query(
            TableName=self.table,
            IndexName="by_due",
            KeyConditionExpression="due_shard = :shard AND due_at < :now",
            ExpressionAttributeValues={":shard": {"S": "0"}, ":now": {"N": str(_now())}},
        )
        for row in due["Items"]:
            try:
                self._restart(row)
            except Exception as error:  # the next sweep tries again
                self.surroundings.ledger.add("sweep_failed", error=type(error).__name__)

    def _restart(self, row: Item) -> None:
        job_id = row["job_id"]["S"]
        if row["state"]["S"] == "running":
            state = "failed" if int(row["attempt"]["N"]) >= _MAX_ATTEMPTS else "queued"
            values: Item = {":next": {"S": state}, ":running": {"S": "running"}, ":owner": row["owner"]}
            forgotten = "due_shard, due_at" if state == "failed" else "#owner"
            expression = f"SET #state = :next REMOVE {forgotten}"
            moved = self._update(job_id, expression, "#state = :running AND #owner = :owner", values)
            if not moved or state == "failed":
                return
        self.send(job_id)

    # -- the table -----------------------------------------------------------------------------------------------------

    def _read(self, job_id: str) -> Item | None:
        item: Item | None = self.dynamodb.get_item(TableName=self.table, Key=_key(job_id), ConsistentRead=True).get(
            "Item"
        )
        return item

    def _put(self, item: Item) -> Item:
        return {"Put": {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}

    def _update(self, job_id: str, expression: str, condition: str, values: Item) -> bool:
        names = {"#state": "state"} | ({"#owner": "owner"} if "#owner" in expression + condition else {})
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key=_key(job_id),
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _transact(self, *items: Item) -> None:
        token = uuid.uuid4().hex
        for attempt in range(6):
            try:
                self.dynamodb.transact_write_items(TransactItems=list(items), ClientRequestToken=token)
            except self.dynamodb.exceptions.TransactionCanceledException as error:
                if any(each["Code"] == "ConditionalCheckFailed" for each in error.response["CancellationReasons"]):
                    raise _Refused from None
                time.sleep(0.01 * 2**attempt)
            else:
                return
        raise TimeoutError("the transaction is throttled")


class _Refused(Exception):
    """A condition does not hold."""


def _key(job_id: str) -> Item:
    return {"pk": {"S": f"JOB#{_TENANT}#{job_id}"}, "sk": {"S": "JOB"}}


def _now() -> int:
    return int(time.time() * 1000)


def api(surroundings: Surroundings) -> Handler:
    sample = _Sample(surroundings)

    def handle(event: Any, context: Context) -> Any:
        request = json.loads(base64.b64decode(event["body"]))
        try:
            job_id = sample.submit(event["headers"]["Idempotency-Key"], request)
        except Exception as error:
            return {"statusCode": 503, "body": json.dumps({"code": type(error).__name__})}
        return {"statusCode": 202, "body": json.dumps({"id": job_id})}

    return handle


def worker(surroundings: Surroundings) -> Handler:
    sample = _Sample(surroundings)

    def handle(event: Any, context: Context) -> Any:
        failed = []
        for record in event["Records"]:
            try:
                sample.work(record["body"])
            except Exception:
                failed.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failed}

    return handle


def sweeper(surroundings: Surroundings) -> Handler:
    sample = _Sample(surroundings)
    return lambda event, context: sample.sweep()


SAMPLE: Final = Product("sample", deploy, variables, api, worker, sweeper, _MAX_ATTEMPTS, 0)
