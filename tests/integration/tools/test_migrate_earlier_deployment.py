"""A deployment that the version before tenants wrote: this version takes it over, and its caller loses nothing."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import boto3
import pytest

from imagegen.access import tenant as tenants
from tests.conftest import ROOT
from tests.support.callers import OPERATOR, CallerWorld, webhook_secret
from tests.support.fakes import PLENTY
from tests.support.job_handlers import JobHandlers, body, header
from tests.support.job_world import JobWorld
from tools.deploy.migrate_keys import migrate
from tools.deploy.webhook_secret import apply_action
from tools.faults.job_backend import MovableClock
from tools.lambda_event import authorizer

BEFORE: Final[dict[str, Any]] = json.loads(
    (ROOT / "tests" / "support" / "data" / "deployment-before-tenants.json").read_text()
)
KEY: Final[str] = BEFORE["api_key"]
TENANT: Final = tenants.of_api_key(KEY)


class Upgraded:
    """The old deployment, whose key has been migrated and then rotated without an overlap."""

    def __init__(self, world: JobWorld, handlers: JobHandlers):
        self.world, self.handlers, self.callers = world, handlers, CallerWorld(world)
        self.secret = apply_action(boto3.client("ssm"), "imagegen", TENANT, "show").values[0]
        self._restore()
        self.rows = world.items("")
        self.key = self.callers.keys.rotate(TENANT, self._migrate(), by=OPERATOR, overlap_s=0).key

    def send(self, method: str, path: str, fields: object = b"", **headers: str) -> dict[str, Any]:
        """Send a request with the new key."""
        caller = self.callers.find(self.key)
        assert caller is not None
        context = {"requestId": "r", "path": f"/v1{path}", "authorizer": authorizer() | caller.to_context()}
        return self.handlers.call(method, path, fields, headers=headers, requestContext=context)

    def _restore(self) -> None:
        table = boto3.resource("dynamodb").Table(self.world.resources["Table"])
        for row in BEFORE["rows"]:
            table.put_item(Item=json.loads(json.dumps(row), parse_float=Decimal))
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z").encode()  # S3's clock, by which images expire
        for key, stored in BEFORE["objects"].items():
            content = base64.b64decode(stored["body"]).replace(BEFORE["drawn_at"].encode(), now)
            boto3.client("s3").put_object(
                Bucket=self.world.resources["Bucket"], Key=key, Body=content, ContentType=stored["content_type"]
            )

    def _migrate(self) -> str:
        apigateway = boto3.client("apigateway")
        api = apigateway.create_rest_api(name="imagegen")["id"]
        root = apigateway.get_resources(restApiId=api)["items"][0]["id"]
        apigateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        apigateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
        apigateway.create_deployment(restApiId=api, stageName="v1")
        plan = apigateway.create_usage_plan(name="plan", apiStages=[{"apiId": api, "stage": "v1"}])["id"]
        key = apigateway.create_api_key(name="alice", enabled=True, value=KEY)["id"]
        apigateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
        (migrated,) = migrate(apigateway, api, self.callers.directory, self.callers.secrets)
        assert migrated.tenant == TENANT
        return f"apigateway-{migrated.key_id}"


@pytest.fixture
def upgraded(resources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Upgraded:
    world = JobWorld(resources, clock=MovableClock(BEFORE["start_ms"]))
    return Upgraded(world, JobHandlers(world, monkeypatch))


def test_the_old_key_is_gone_and_no_old_row_has_changed(upgraded: Upgraded) -> None:
    assert upgraded.callers.tenant_of(KEY) is None
    assert upgraded.callers.tenant_of(upgraded.key) == TENANT
    new = ("KEY#", "TENANT#", "KEY_END#")
    assert [row for row in upgraded.world.items("") if not row["pk"].startswith(new)] == upgraded.rows
    assert KEY not in json.dumps(upgraded.callers.rows(), default=str)


def test_jobs_are_listed_with_their_results(upgraded: Upgraded) -> None:
    jobs = body(upgraded.send("GET", "/jobs"))["jobs"]
    assert [(each["id"], each["status"]) for each in jobs] == [
        (BEFORE["queued"], "queued"),
        (BEFORE["succeeded"], "succeeded"),
    ]
    job = body(upgraded.send("GET", f"/jobs/{BEFORE['succeeded']}"))
    assert f"/images/{TENANT}/" in job["result"]["images"][0]["url"]


def test_idempotency_keys_return_their_jobs(upgraded: Upgraded) -> None:
    for key, seed, job in (("order-17", 7, BEFORE["succeeded"]), ("order-18", 8, BEFORE["queued"])):
        answer = upgraded.send("POST", "/jobs", BEFORE["body"] | {"seed": seed}, **{"Idempotency-Key": key})
        assert (body(answer)["id"], header(answer, "Idempotency-Replayed")) == (job, "true")


def test_images_come_from_the_cache(upgraded: Upgraded) -> None:
    result = body(upgraded.send("POST", "/generate", BEFORE["body"]))
    assert (result["cached"], upgraded.world.engine.generations) == (True, 0)


def test_a_job_that_waited_during_the_upgrade_runs_once(upgraded: Upgraded) -> None:
    assert upgraded.handlers.work(BEFORE["message"]) == []
    assert upgraded.handlers.work(BEFORE["message"]) == []
    assert body(upgraded.send("GET", f"/jobs/{BEFORE['queued']}"))["status"] == "succeeded"
    assert upgraded.world.engine.generations == 1
    assert {row["pk"].rpartition("#")[2] for row in upgraded.world.items(f"BILL#{TENANT}#")} == {
        BEFORE["succeeded"],
        BEFORE["queued"],
    }


def test_a_waiting_job_can_be_cancelled_and_the_other_deleted(upgraded: Upgraded) -> None:
    assert body(upgraded.send("POST", f"/jobs/{BEFORE['queued']}/cancel"))["status"] == "cancelled"
    assert upgraded.send("DELETE", f"/jobs/{BEFORE['succeeded']}")["statusCode"] == 204
    assert upgraded.handlers.work(BEFORE["message"]) == []
    assert upgraded.world.engine.generations == 0


def test_the_sweeper_recovers_a_job_whose_message_was_lost(upgraded: Upgraded) -> None:
    upgraded.world.clock.pass_s(2 * 3600)
    upgraded.world.sweep.all(PLENTY)
    upgraded.handlers.run_queued_jobs()
    assert body(upgraded.send("GET", f"/jobs/{BEFORE['queued']}"))["status"] == "succeeded"


def test_the_webhook_secret_is_the_same(upgraded: Upgraded) -> None:
    assert webhook_secret(TENANT) == upgraded.secret
