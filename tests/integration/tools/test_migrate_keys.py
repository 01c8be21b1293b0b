"""A table that today's code wrote, before and after its API keys are migrated and then rotated."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from imagegen.access import tenant as tenants
from imagegen.access.caller import Caller
from imagegen.errors import JobNotFound, StorageUnavailable
from imagegen.generation.request import GenerateRequest
from imagegen.jobs.idempotency import IdempotencyFingerprint
from imagegen.jobs.job import Job
from tests.conftest import ROOT
from tests.support.callers import OPERATOR, CallerWorld, webhook_secret
from tests.support.job_world import JobWorld
from tools.deploy import migrate_keys, stack
from tools.deploy import webhook_secret as command
from tools.deploy.migrate_keys import Migrated, migrate

STORED = json.loads((ROOT / "tests" / "support" / "data" / "stored-0.1.0.json").read_text())
BODY = {"prompt": "a red circle", "num_inference_steps": 4, "seed": 7}


@dataclass
class Deployment:
    """API Gateway with keys, and for each of alice and bob the rows, image and secret that today's code makes."""

    world: JobWorld
    keys: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.callers = CallerWorld(self.world)
        self.apigateway = boto3.client("apigateway")
        self.api = self.new_api()
        self.plan = self.new_plan(self.api)
        for name in ("alice", "bob"):
            self.keys[name] = self.new_key(name, self.plan)
            self._use(name)

    def tenant(self, name: str) -> str:
        """Return the tenant that today's code gives the key."""
        return tenants.of_api_key(self.keys[name])

    def new_key(self, name: str, plan: str | None, **settings: Any) -> str:
        """Create an API key, as the owner does, and return its value."""
        made = self.apigateway.create_api_key(**{"name": name, "enabled": True} | settings)
        if plan is not None:
            self.apigateway.create_usage_plan_key(usagePlanId=plan, keyId=made["id"], keyType="API_KEY")
        return str(made["value"])

    def migrate(self) -> list[Migrated]:
        return migrate(self.apigateway, self.api, self.callers.directory, self.callers.secrets)

    def submit(self, tenant: str) -> Job:
        """Submit the same request with the same Idempotency-Key, as the tenant's caller does."""
        request = GenerateRequest.parse(BODY)
        plan = self.world.planner.plan(request)
        fingerprint = IdempotencyFingerprint.of("order-17", "POST /jobs", BODY, request, plan.spec)
        return self.world.jobs.submit(plan, tenant=tenant, fingerprint=fingerprint).job

    def old_rows(self) -> list[dict[str, Any]]:
        """Return every row that is not of this version's tenants and keys, sorted."""
        rows = self.world.items("")
        old = [row for row in rows if not row["pk"].startswith(("TENANT#", "KEY#"))]
        return sorted(old, key=lambda row: str(row["pk"]))

    def _use(self, name: str) -> None:
        job = self.submit(self.tenant(name))
        self.jobs[name] = self.world.run(job)
        command.apply_action(boto3.client("ssm"), "imagegen", self.tenant(name), "show")
        self.secrets[name] = webhook_secret(self.tenant(name))

    def new_api(self) -> str:
        api = self.apigateway.create_rest_api(name="imagegen")["id"]
        root = self.apigateway.get_resources(restApiId=api)["items"][0]["id"]
        self.apigateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        self.apigateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
        self.apigateway.create_deployment(restApiId=api, stageName="v1")
        return str(api)

    def new_plan(self, api: str) -> str:
        stages = [{"apiId": api, "stage": "v1"}]
        return str(self.apigateway.create_usage_plan(name=f"of {api}", apiStages=stages)["id"])


@pytest.fixture
def deployment(world: JobWorld) -> Deployment:
    table = boto3.resource("dynamodb").Table(world.resources["Table"])
    for item in STORED["items"].values():  # of version 0.1.0, of a tenant whose key is gone
        table.put_item(Item=json.loads(json.dumps(item), parse_float=Decimal))
    return Deployment(world)


def test_every_key_keeps_its_tenant_and_no_row_changes(deployment: Deployment) -> None:
    before = deployment.old_rows()
    assert {row["pk"].split("#")[0] for row in before} >= {"JOB", "IDEMPOTENCY", "BILL"}
    found = deployment.migrate()
    assert [(each.name, each.tenant, each.problem) for each in found] == [
        (name, deployment.tenant(name), "") for name in ("alice", "bob")
    ]
    assert deployment.old_rows() == before
    for name, key in deployment.keys.items():
        caller = deployment.callers.find(key)
        assert caller == Caller.of(deployment.tenant(name), f"key:apigateway-{found_id(found, name)}", ["user"])


def found_id(found: list[Migrated], name: str) -> str:
    return next(each.key_id for each in found if each.name == name)


def test_a_second_run_changes_nothing(deployment: Deployment) -> None:
    first = deployment.migrate()
    rows = sorted(deployment.callers.rows(), key=lambda row: str(row["pk"] + row["sk"]))
    deployment.callers.clock.pass_s(3600)
    assert deployment.migrate() == first
    assert sorted(deployment.callers.rows(), key=lambda row: str(row["pk"] + row["sk"])) == rows
    assert {name: webhook_secret(deployment.tenant(name)) for name in deployment.secrets} == deployment.secrets


@pytest.mark.parametrize("calls", range(1, 5))
def test_a_run_that_broke_off_is_completed_by_the_next(deployment: Deployment, calls: int) -> None:
    left = [calls]

    def fail(**_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")

    deployment.callers.directory._client.meta.events.register("before-call.dynamodb", fail)
    with pytest.raises(StorageUnavailable):
        deployment.migrate()
    deployment.migrate()
    for name, key in deployment.keys.items():
        assert deployment.callers.tenant_of(key) == deployment.tenant(name)
        assert len(deployment.callers.keys.keys(deployment.tenant(name))) == 1


def test_a_rotation_after_the_migration_loses_nothing(deployment: Deployment) -> None:
    found = deployment.migrate()
    tenant, old = deployment.tenant("alice"), deployment.keys["alice"]
    new = deployment.callers.keys.rotate(tenant, f"apigateway-{found_id(found, 'alice')}", by=OPERATOR).key
    assert deployment.callers.tenant_of(old) == deployment.callers.tenant_of(new) == tenant
    deployment.callers.clock.pass_s(24 * 3600 - 1)
    _check_everything_is_there(deployment, deployment.callers.tenant_of(new))
    deployment.callers.clock.pass_s(1)
    assert (deployment.callers.tenant_of(old), deployment.callers.tenant_of(new)) == (None, tenant)


def _check_everything_is_there(deployment: Deployment, tenant: str | None) -> None:
    assert tenant is not None
    job, world = deployment.jobs["alice"], deployment.world
    assert world.jobs.get(tenant, job.job_id) == job
    assert [each.job_id for each in world.store.page(tenant, limit=10, after=None, state=None).jobs] == [job.job_id]
    assert deployment.submit(tenant).job_id == job.job_id, "the Idempotency-Key"
    generations = world.engine.generations
    repeated = world.run(world.submit(tenant, **BODY))
    assert (repeated.state, world.engine.generations) == ("succeeded", generations), "the cached image"
    assert webhook_secret(tenant) == deployment.secrets["alice"]
    assert any(row["pk"] == f"BILL#{tenant}#{job.job_id}" for row in world.items("BILL#"))
    with pytest.raises(JobNotFound):
        world.jobs.get(deployment.tenant("bob"), job.job_id)


def test_a_key_that_was_revoked_stays_revoked(deployment: Deployment) -> None:
    found = deployment.migrate()
    key_id = f"apigateway-{found_id(found, 'bob')}"
    deployment.callers.keys.revoke(deployment.tenant("bob"), key_id, by=OPERATOR)
    (look_up,) = (row for row in deployment.callers.rows("KEY#") if row["tenant"] == deployment.tenant("bob"))
    table = boto3.resource("dynamodb").Table(deployment.world.resources["Table"])
    table.delete_item(Key={"pk": look_up["pk"], "sk": look_up["sk"]})  # as TTL does
    deployment.migrate()
    assert deployment.callers.tenant_of(deployment.keys["bob"]) is None


def test_keys_that_the_gateway_refuses_today_are_left_out(deployment: Deployment) -> None:
    other_api = deployment.new_api()
    disabled = deployment.new_key("disabled", deployment.plan, enabled=False)
    loose = deployment.new_key("in no plan", None)
    foreign = deployment.new_key("of another API", deployment.new_plan(other_api))
    found = {each.name: each.problem for each in deployment.migrate()}
    assert found == {"alice": "", "bob": "", "disabled": "disabled"}
    assert {deployment.callers.tenant_of(key) for key in (disabled, loose, foreign)} == {None}


def test_a_key_in_two_plans_is_migrated_once(deployment: Deployment) -> None:
    second = deployment.new_plan(deployment.api)
    key_id = deployment.apigateway.get_api_keys()["items"][0]["id"]
    deployment.apigateway.create_usage_plan_key(usagePlanId=second, keyId=key_id, keyType="API_KEY")
    assert len(deployment.migrate()) == 2


def test_a_tenant_without_a_webhook_secret_gets_one(deployment: Deployment) -> None:
    deployment.keys["carol"] = deployment.new_key("carol", deployment.plan)
    deployment.migrate()
    assert webhook_secret(deployment.tenant("carol")).startswith("whsec_")


def test_the_command_prints_tenants_and_no_key(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resources = {"Table": deployment.world.resources["Table"], "Gateway": deployment.api}
    monkeypatch.setattr(stack, "resources", lambda _, name: resources if name == "imagegen" else {})
    monkeypatch.setattr(sys, "argv", ["migrate_keys", "imagegen"])
    migrate_keys.main()
    printed = capsys.readouterr().out
    assert [line.partition(": ")[2] for line in printed.splitlines()] == [
        f"tenant {deployment.tenant(name)}" for name in ("alice", "bob")
    ]
    assert not any(key in printed for key in deployment.keys.values())
    assert webhook_secret(deployment.tenant("alice")) == deployment.secrets["alice"]
    monkeypatch.setattr(sys, "argv", ["migrate_keys", "other"])
    with pytest.raises(SystemExit, match="Table"):
        migrate_keys.main()
