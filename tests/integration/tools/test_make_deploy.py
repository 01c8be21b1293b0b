"""`make deploy` as an operator calls it: real make, moto as AWS, a program that records its arguments as sam."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from imagegen.access import api_key, tenant
from imagegen.access.caller import Caller
from imagegen.aws.callers import DynamoCallers
from imagegen.wiring import epoch_ms
from tests.support.docker_engine import docker_engine
from tests.unit.tools.deploy.test_parameters import parsed_by_sam
from tools.deploy import stack
from tools.deploy.parameters import resolve
from tools.local.process import ACCESS_KEY, HOST, REGION, ROOT
from tools.local.template import Template

FAKE_SAM = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], os.environ.get("ARCHITECTURE")]) + "\\n")
"""


OWN_KEY = "the-value-of-the-stacks-own-key"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Endpoint of a moto server."""
    server = ThreadedMotoServer(HOST, port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


_OF_THE_CALLER = ("MODEL", "ENGINES", "TORCH_INDEX", "MAKELEVEL", "MAKEFLAGS", "MFLAGS")
"""What the shell, or the `make test` around the tests, sets."""


class Project:
    """A copy of what `make deploy` reads, with a samconfig.toml that a test may change."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder, self.log = folder, folder / "sam.log"
        for name in (".venv", "Makefile", "template.yaml", "function", "cli", "tools", "layers"):
            (folder / name).symlink_to(ROOT / name)
        shutil.copy(ROOT / "samconfig.toml", folder)
        self.sam = folder / "fake-sam"
        self.sam.write_text(FAKE_SAM.format(python=ROOT / ".venv" / "bin" / "python", log=str(self.log)))
        self.sam.chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if name not in _OF_THE_CALLER} | {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "AWS_DEFAULT_REGION": REGION, "NO_PROXY": HOST, "DOCKER_HOST": "unix:///none.sock",
        }  # fmt: skip

    def override(self, *entries: str) -> None:
        """Add entries to dev's parameter_overrides."""
        path = self.folder / "samconfig.toml"
        before, dev, after = path.read_text().partition("[dev.global.parameters]\n")
        start = "parameter_overrides = ["
        assert start in after
        added = start + "".join(f"{json.dumps(entry)}, " for entry in entries)
        path.write_text(before + dev + after.replace(start, added, 1))

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run make without setting up the environments, which exist."""
        command = ["make", "-o", ".venv/.ready", "-o", ".local/sam/.ready", f"SAM={self.sam}", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def calls(self) -> dict[str, tuple[list[str], str]]:
        """Return each sam command's arguments and its ARCHITECTURE."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return {arguments[0]: (arguments, architecture) for arguments, architecture in lines}


def overrides(arguments: list[str]) -> dict[str, str]:
    """Return what SAM reads from the arguments of --parameter-overrides, except Release."""
    parsed: dict[str, str] = {}
    for each in parsed_by_sam(arguments[arguments.index("--parameter-overrides") + 1 :]):
        parsed |= each
    parsed.pop("Release", None)
    return parsed


@pytest.fixture
def project(tmp_path: Path, aws: str) -> Project:
    return Project(tmp_path, aws)


def of_this_stack(service: str, endpoint: str) -> Any:
    return boto3.client(
        service, endpoint_url=endpoint, region_name=REGION,
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY,
    )  # fmt: skip


@pytest.fixture
def running(translated: Template, aws: str) -> Iterator[Any]:
    """Create the stack imagegen-dev with these parameters, and delete it afterwards."""
    cloudformation = of_this_stack("cloudformation", aws)
    gateway = of_this_stack("apigateway", aws)
    key = gateway.create_api_key(name="own", value=OWN_KEY, enabled=True)
    api = {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "imagegen-dev"}}
    table = translated["Resources"]["Table"]
    table = table | {"Properties": table["Properties"] | {"DeletionProtectionEnabled": False}}
    template = {
        "Parameters": translated["Parameters"],
        "Conditions": translated["Conditions"],
        "Resources": {"Table": table, "Gateway": api},
        "Outputs": {"ApiKeyId": {"Value": key["id"]}},
    }

    def create(**parameters: str) -> str:
        """Return the name of the table."""
        cloudformation.create_stack(
            StackName="imagegen-dev",
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
        resources = stack.resources(cloudformation, "imagegen-dev")
        _add_to_a_plan(gateway, resources["Gateway"], key["id"])
        return resources["Table"]

    yield create
    cloudformation.delete_stack(StackName="imagegen-dev")
    gateway.delete_api_key(apiKey=key["id"])


def _add_to_a_plan(gateway: Any, api: str, key_id: str) -> None:
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=api, stageName="v1")
    plan = gateway.create_usage_plan(name="own", apiStages=[{"apiId": api, "stage": "v1"}])["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key_id, keyType="API_KEY")


def caller_of(key: str, table: str, endpoint: str) -> Caller | None:
    """Return the key's caller, as the authorizer of this stack does."""
    found = DynamoCallers(table, epoch_ms, of_this_stack("dynamodb", endpoint)).find(api_key.digest(key))
    return None if found is None else found.caller


DEV = {each.name: each.value for each in resolve("dev", []).values() if each.source == "samconfig.toml"}


def test_build_and_deploy_get_the_same_parameters(project: Project) -> None:
    done = project.make("deploy", "MODEL=sd-turbo", "ENGINES=openvino,torch", "ARCHITECTURE=arm64")
    assert done.returncode == 0, done.stderr
    (build, architecture), (deploy, _) = project.calls()["build"], project.calls()["deploy"]
    assert overrides(build) == overrides(deploy)
    assert overrides(build).items() >= {"Model": "sd-turbo", "Engines": "openvino,torch", "TorchIndex": ""}.items()
    assert overrides(build)["Architecture"] == architecture == "arm64"
    assert deploy[-1].startswith("Release=")


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("MODEL", "Model", "sd-turbo"), ("ENGINES", "Engines", "torch"), ("ARCHITECTURE", "Architecture", "arm64"),
        ("TORCH_INDEX", "TorchIndex", "https://example.com/whl/cpu"),
    ],
)  # fmt: skip
def test_a_dry_run_shows_the_value_on_both_lines(project: Project, variable: str, name: str, value: str) -> None:
    printed = project.make("-n", "deploy", f"{variable}={value}").stdout.replace("\\\n", "")
    lines = [line for line in printed.splitlines() if f"{project.sam} build" in line or f"{project.sam} deploy" in line]
    assert len(lines) == 2
    assert all(f" {name}={value} " in line for line in lines)


def test_a_model_in_samconfig_reaches_the_build_and_the_command_line_replaces_it(project: Project) -> None:
    project.override("Model=sd-1.5", "Architecture=arm64")
    project.make("build")
    arguments, architecture = project.calls()["build"]
    assert (overrides(arguments)["Model"], architecture) == ("sd-1.5", "arm64")
    project.make("build", "MODEL=sd-turbo", "ARCHITECTURE=x86_64")
    arguments, architecture = project.calls()["build"]
    assert (overrides(arguments)["Model"], architecture) == ("sd-turbo", "x86_64")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WarmupRate", "rate(10 minutes)"),
        ("WarmupRate", "cron(0 8 ? * MON-FRI *)"),
        ("PictureThresholds", "{\"double\" 'single' $5 $(id) `id` a=b,c;d&e|f #g ~ * ! <x> (y)}"),
        ("PictureThresholds", "{''}"),
        ("AlarmEmail", "a\\h$5'\"`id`@example.com"),
        ("AllowedOrigins", "https://a.example,http://localhost:3000"),
        ("AllowedOrigins", "https://a.example/'$x\"=y"),
        ("TorchIndex", "https://user:p$a's\"s@example.com/whl?a=b&c=(d);e,f"),
        ("KmsKeyArn", "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"),
        ("TokenIssuers", '[{"issuer": "https://id.example.com", "audiences": ["images", "it\'s"]}]'),
    ],
)
def test_any_legal_value_in_samconfig_reaches_both_commands(project: Project, name: str, value: str) -> None:
    project.override(f"{name}={value}")
    done = project.make("deploy")
    assert done.returncode == 0, done.stderr
    assert {overrides(arguments)[name] for arguments, _ in project.calls().values()} == {value}
    assert len(project.calls()) == 2


def test_any_legal_value_on_the_command_line_reaches_both_commands(project: Project) -> None:
    index = "https://user:p$5$(id)'s\"s@example.com/whl?a=b&c=(d);e,f#g"
    project.make("deploy", f"TORCH_INDEX={index}", "IMAGE_REPOSITORY=a $b 'c'")
    assert {overrides(arguments)["TorchIndex"] for arguments, _ in project.calls().values()} == {index}
    deploy, _ = project.calls()["deploy"]
    assert deploy[deploy.index("--image-repository") + 1] == "a $b 'c'"


@pytest.mark.parametrize("arguments", [["MODEL=a b"], ["ENGINES=$(id)"], ["ENV=nope"], ["ENV=a b;id"]])
def test_an_illegal_value_stops_make_before_sam_runs(project: Project, arguments: list[str]) -> None:
    done = project.make("deploy", *arguments)
    assert done.returncode == 2
    assert arguments[0].partition("=")[2] in done.stderr
    assert project.calls() == {}


def test_a_deployment_that_would_change_the_running_model_unasked_is_refused(project: Project, running: Any) -> None:
    running(**DEV, Model="sd-turbo", TorchIndex="https://example.com/cpu")
    done = project.make("deploy")
    assert done.returncode == 2
    assert "Model: sd-turbo -> demo" in done.stderr
    assert "make deploy ENV=dev MODEL=sd-turbo TORCH_INDEX=https://example.com/cpu" in done.stderr
    assert project.calls() == {}


def test_a_deployment_that_names_the_model_replaces_the_running_one(project: Project, running: Any) -> None:
    running(**DEV, Model="sd-turbo")
    assert project.make("deploy", "MODEL=demo").returncode == 0
    project.override("Model=sd-1.5")
    assert project.make("deploy").returncode == 0
    assert overrides(project.calls()["deploy"][0])["Model"] == "sd-1.5"


def test_a_deployment_creates_the_webhook_secret_of_the_stacks_own_key_once(
    project: Project, running: Any, aws: str
) -> None:
    running(**DEV)
    first, second, shown = project.make("deploy"), project.make("deploy"), project.make("webhook-secret")
    name = f"/imagegen-dev/webhooks/{tenant.of_api_key(OWN_KEY)}"
    parameter = of_this_stack("ssm", aws).get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (parameter["Version"], parameter["Value"]) == (1, shown.stdout.strip())
    for done in (first, second):
        assert done.returncode == 0
        assert "make webhook-secret ENV=dev" in done.stdout
        assert parameter["Value"] not in done.stdout + done.stderr


def test_a_deployment_whose_secret_cannot_be_made_says_what_to_run(project: Project) -> None:
    done = project.make("deploy")
    assert done.returncode == 0
    assert "has no webhook secret yet" in done.stderr
    assert done.stderr.strip().endswith("Create it: make webhook-secret ENV=dev")


def test_keys_of_the_running_stack_have_their_tenants_before_the_gateway_stops_checking_them(
    project: Project, running: Any, aws: str
) -> None:
    table = running(**DEV)
    project.sam.write_text("#!/bin/sh\nif [ $1 = deploy ]; then exit 1; fi\n")
    assert project.make("deploy").returncode == 2, "the deployment itself fails"
    caller = caller_of(OWN_KEY, table, aws)
    assert caller is not None
    assert (caller.tenant, set(caller.roles)) == (tenant.of_api_key(OWN_KEY), {"user"})


def test_nothing_is_deployed_if_the_running_stacks_keys_cannot_get_their_tenants(
    project: Project, running: Any
) -> None:
    running(**DEV)
    project.environment["AWS_ENDPOINT_URL_DYNAMODB"] = f"http://{HOST}:9"
    done = project.make("deploy")
    assert done.returncode == 2
    assert "Nothing was deployed: its callers would lose access." in done.stderr
    assert project.calls().keys() == {"build"}


def test_the_first_deployment_shows_an_operators_key_once(project: Project, running: Any, aws: str) -> None:
    table = running(**DEV)
    first, second = project.make("deploy"), project.make("deploy")
    (key,) = re.findall(r"imagegen_\w+", first.stdout)
    caller = caller_of(key, table, aws)
    assert caller is not None
    assert (caller.tenant, set(caller.roles)) == ("operators", {"operator"})
    assert "make operator-key ENV=dev" in first.stdout
    assert (second.returncode, "imagegen_" in second.stdout) == (0, False)
    another = project.make("operator-key").stdout.strip()
    admin = project.make("operator-key", "ROLE=admin").stdout.strip()
    assert len({key, another, admin}) == 3
    roles = [caller.roles for caller in (caller_of(each, table, aws) for each in (another, admin)) if caller]
    assert roles == [{"operator"}, {"admin"}]


def test_a_key_added_later_gets_its_tenant_from_make_migrate_keys(project: Project, running: Any, aws: str) -> None:
    table, gateway = running(**DEV), of_this_stack("apigateway", aws)
    assert project.make("deploy").returncode == 0
    key = gateway.create_api_key(name="later", value="the-value-of-a-key-that-came-later", enabled=True)
    plan = gateway.get_usage_plans()["items"][-1]["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    done = project.make("migrate-keys")
    assert f"later: tenant {tenant.of_api_key(key['value'])}" in done.stdout
    assert key["value"] not in done.stdout + done.stderr
    assert caller_of(key["value"], table, aws) is not None


def test_a_webhook_secret_is_found_by_tenant_and_by_any_of_its_keys(project: Project, running: Any) -> None:
    running(**DEV)
    (key,) = re.findall(r"imagegen_\w+", project.make("deploy").stdout)
    by_key, by_tenant, own = (
        project.make("webhook-secret", *given) for given in ([f"API_KEY={key}"], ["TENANT=operators"], [])
    )
    assert by_key.stdout == by_tenant.stdout != own.stdout
    unknown = project.make("webhook-secret", "API_KEY=a-key-that-no-stack-has-made")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no such API key" in unknown.stderr
    assert "TENANT must be" in project.make("webhook-secret", "TENANT=a/b").stderr


def test_another_parameter_of_the_running_stack_is_not_reset_unasked(project: Project, running: Any) -> None:
    running(**DEV, WarmupState="ENABLED")
    done = project.make("deploy")
    assert (done.returncode, project.calls()) == (2, {})
    assert "WarmupState: ENABLED -> DISABLED" in done.stderr
    assert "make deploy ENV" not in done.stderr
    project.override("WarmupState=ENABLED")
    assert project.make("deploy").returncode == 0


def test_without_credentials_the_account_is_not_checked_and_nothing_is_deployed(project: Project) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del project.environment[name]
    project.environment |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(project.folder)}
    done = project.make("deploy")
    assert done.returncode == 2
    assert "Not checked: imagegen-dev and Lambda's quotas: Unable to locate credentials" in done.stderr
    assert "Unable to locate credentials. Nothing was deployed" in done.stderr
    assert project.calls().keys() == {"build"}


@pytest.mark.parametrize(
    ("target", "variable", "module"),
    [
        ("run", "OUT", "tools.local.run"), ("run", "SEED", "tools.local.run"), ("run", "PROMPT", "tools.local.run"),
        ("serve", "PORT", "tools.local.serve"), ("serve", "RECEIVER_CA", "tools.local.serve"),
        ("bench", "MINUTES", "tools.bench"), ("faults", "PRODUCT", "tools.faults"),
        ("serve", "ISSUERS", "tools.local.serve"),
        ("operator-key", "ROLE", "tools.deploy.operators"),
        ("smoke", "ENV", "tools.deployed.smoke"), ("rollback", "ENV", "tools.deploy.rollback"),
        ("load", "MINUTES", "tools.deployed.load"),
        ("webhook-secret", "ACTION", "tools.deploy.webhook_secret"), ("destroy", "CONFIRM", "tools.deploy.destroy"),
        ("destroy", "ENV", "tools.deploy.destroy"), ("model", "MODEL", "models.prepare"),
    ],
)  # fmt: skip
def test_every_target_passes_a_value_as_it_is(project: Project, target: str, variable: str, module: str) -> None:
    value = "$5 $(id) `id` \"a\" 'b' c;d #e"
    python = project.folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(project.sam.read_text())
    python.chmod(0o755)
    project.make(target, f"{variable}={value}", f"BIN={python.parent}", "DEMO=")
    arguments = json.loads(project.log.read_text().splitlines()[0])[0]
    assert module in arguments
    assert [each for each in arguments if each.endswith(value)]


def test_invoke_needs_a_prompt(project: Project) -> None:
    assert "PROMPT is missing" in project.make("invoke").stderr


# -- the image ---------------------------------------------------------------------------------------------------------

SD_TURBO = {"/opt/models/sd-turbo/openvino/manifest.json"}


def built(project: Project) -> None:
    """Leave what `sam build` leaves."""
    folder = project.folder / ".aws-sam" / "build"
    folder.mkdir(parents=True)
    template = {"Resources": {"Generator": {"Properties": {"ImageUri": "generator:latest"}}}}
    (folder / "template.yaml").write_text(json.dumps(template))


@pytest.mark.parametrize(
    ("files", "architecture", "arguments", "message"),
    [
        (SD_TURBO, "amd64", ["MODEL=demo"], "/opt/models/demo/openvino/manifest.json is missing"),
        (SD_TURBO, "amd64", ["MODEL=sd-turbo", "ENGINES=openvino,torch"], "sd-turbo/torch/manifest.json is missing"),
        (SD_TURBO, "arm64", ["MODEL=sd-turbo"], "it is built for arm64"),
    ],
)
def test_an_image_that_lacks_what_the_functions_are_told_is_not_deployed(
    project: Project, files: set[str], architecture: str, arguments: list[str], message: str
) -> None:
    built(project)
    with docker_engine(files, architecture) as host:
        project.environment["DOCKER_HOST"] = host
        done = project.make("deploy", *arguments)
    assert done.returncode == 2
    assert f"Nothing was deployed: the image generator:latest is not what {arguments[0].replace('MODEL', 'Model')}" in (
        done.stderr
    )
    assert message in done.stderr
    assert project.calls().keys() == {"build"}


def test_an_image_with_the_model_is_deployed(project: Project) -> None:
    built(project)
    with docker_engine(SD_TURBO) as host:
        project.environment["DOCKER_HOST"] = host
        done = project.make("deploy", "MODEL=sd-turbo")
    assert done.returncode == 0, done.stderr
    assert project.calls().keys() == {"build", "deploy"}
