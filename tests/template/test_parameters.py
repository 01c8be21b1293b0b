"""Parameters reject bad values before the deployment creates anything; the environments in samconfig.toml are valid."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.support.evaluate import Template, broken_rules
from tools.deploy.parameters import accepts, resolve
from tools.local.process import ROOT

ENVIRONMENTS = ["dev", "staging", "prod"]
SAMCONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text())
CONSTRAINTS = {"AllowedValues", "AllowedPattern", "MinValue"}


def test_each_has_a_description_a_constraint_and_a_valid_default(template: Template) -> None:
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert CONSTRAINTS & parameter.keys(), name
        assert accepts(parameter, str(parameter["Default"])), name


def test_each_is_in_a_parameter_group(template: Template) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(template["Parameters"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Model", "../etc"),
        ("Model", "demo,sd-turbo"),
        ("Engines", ""),
        ("Engines", "torch,openvino"),
        ("Engines", "tensorflow"),
        ("ModelRollout", "yes"),
        ("EphemeralStorage", "511"),
        ("EphemeralStorage", "10241"),
        ("TorchIndex", "http://plain.example.com"),
        ("TorchIndex", "https://example.com/\\"),
        ("Architecture", "mips"),
        ("UsdPerGbSecond", "-1"),
        ("UsdPerGbSecond", "free"),
        ("Release", "v1.2"),
        ("Release", "01234567890"),
        ("StageName", "a/b"),
        ("AllowedOrigins", "https://a.example, https://b.example"),
        ("AllowedOrigins", "https://*.example"),
        ("AllowedOrigins", ""),
        ("AllowedOrigins", "https://a.example\\"),
        ("StageRateLimit", "0"),
        ("TokenIssuers", "https://id.example.com"),
        ("TokenIssuers", '[{"issuer": "https://id.example.com\\u002f"}]'),
        ("GatewayTimeoutSeconds", "0"),
        ("GatewayTimeoutSeconds", "28.5"),
        ("GatewayTimeoutSeconds", "899"),
        ("GeneratorMemory", "10241"),
        ("ProvisionedConcurrency", "-1"),
        ("ReservedConcurrency", "1001"),
        ("WorkerConcurrency", "1"),
        ("ApiConcurrency", "0"),
        ("ScaleUpSchedule", "every morning"),
        ("ScheduleTimezone", "Europe/Berlin; DROP"),
        ("Rollout", "Canary"),
        ("Rollout", ""),
        ("Rollout", "off"),
        ("WarmEnvironments", "0"),
        ("WarmEnvironments", "51"),
        ("MaxProvisionedConcurrency", "-1"),
        ("ProvisionedUtilization", "70"),
        ("ProvisionedUtilization", "0"),
        ("ProvisionedUtilization", "0.05"),
        ("ProvisionedUtilization", "0.95"),
        ("ProvisionedUtilization", "1"),
        ("WarmupState", "true"),
        ("UrlExpiresSeconds", "86400"),
        ("EmbedPrompt", "yes"),
        ("KmsKeyArn", "alias/mine"),
        ("ContentCredentialsKeyArn", "alias/mine"),
        ("ContentCredentialsKeyArn", "file:/tmp/key.pem"),
        ("LogDays", "2"),
        ("LogLevel", "TRACE"),
        ("RedisUrl", "cache.example.com:6379"),
        ("RedisUrl", "rediss://user:password@cache.example.com"),
        ("RedisUrl", "rediss://cache.example.com?ssl_cert_reqs=none"),
        ("RedisPassword", "hunter2"),
        ("RedisTimeoutMs", "0"),
        ("SubnetIds", "subnet-01234567, subnet-89abcdef"),
        ("SubnetIds", "sg-01234567"),
        ("SecurityGroupIds", "default"),
        ("PictureCheck", "true"),
        ("PictureThresholds", "0.5"),
        ("PictureThresholds", '{"*": {"sexual": 0.5}}\\'),
    ],
)
def test_invalid_value_is_rejected(template: Template, name: str, value: str) -> None:
    assert not accepts(template["Parameters"][name], value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TorchIndex", "https://example.com/whl/cpu"),
        ("AllowedOrigins", "https://a.example,http://localhost:3000"),
        ("TokenIssuers", '[{"issuer": "https://id.example.com", "audiences": ["images"]}]'),
        ("GatewayTimeoutSeconds", "898"),
        ("PictureThresholds", '{"*": {"sexual": 0.5}, "acme": {"suggestive": 0.7}}'),
        ("RedisUrl", "rediss://imagegen@master.cache.abc123.use1.cache.amazonaws.com:6379"),
        ("RedisUrl", "redis://localhost/3"),
        ("RedisPassword", "ssm:/imagegen-prod/redis/password"),
        ("SubnetIds", "subnet-01234567,subnet-0123456789abcdef0"),
        ("ScaleUpSchedule", "cron(0 8 ? * MON-FRI *)"),
        ("Rollout", "Linear10PercentEvery1Minute"),
        ("ProvisionedUtilization", "0.1"),
        ("ProvisionedUtilization", "0.75"),
        ("ProvisionedUtilization", "0.9"),
        ("ContentCredentialsKeyArn", "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("KmsKeyArn", "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab"),
    ],
)
def test_valid_value_is_accepted(template: Template, name: str, value: str) -> None:
    assert accepts(template["Parameters"][name], value)


def test_schedules_need_each_other_and_provisioned_concurrency(template: Template) -> None:
    up, down = {"ScaleUpSchedule": "cron(0 8 * * ? *)"}, {"ScaleDownSchedule": "cron(0 18 * * ? *)"}
    some = {"ProvisionedConcurrency": "1"}
    assert not broken_rules(template)
    assert not broken_rules(template, **some)
    assert not broken_rules(template, **some, **up, **down)
    assert len(broken_rules(template, **some, **up)) == 1
    assert len(broken_rules(template, **some, **down)) == 1
    assert len(broken_rules(template, **up, **down)) == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"MaxProvisionedConcurrency": "5"}, "needs a ProvisionedConcurrency above 0"),
        ({"WarmEnvironments": "2"}, "WarmEnvironments needs WarmupState=ENABLED"),
        ({"Rollout": "Canary10Percent5Minutes", "Alarms": "off"}, "Only alarms stop a gradual Rollout"),
        ({"Rollout": "Linear10PercentEvery1Minute", "Alarms": "off"}, "Only alarms stop a gradual Rollout"),
    ],
)
def test_parameters_that_contradict_each_other_fail_with_a_rules_message(
    template: Template, parameters: dict[str, str], message: str
) -> None:
    (broken,) = broken_rules(template, **parameters)
    assert message in broken


@pytest.mark.parametrize(
    "parameters",
    [
        {"MaxProvisionedConcurrency": "5", "ProvisionedConcurrency": "1"},
        {"WarmEnvironments": "2", "WarmupState": "ENABLED"},
        {"Rollout": "Canary10Percent5Minutes"},
        {"Rollout": "AllAtOnce", "Alarms": "off"},
    ],
)
def test_parameters_that_fit_break_no_rule(template: Template, parameters: dict[str, str]) -> None:
    assert not broken_rules(template, **parameters)


def test_what_judges_pictures_needs_its_engine(template: Template) -> None:
    """The functions would refuse to start."""
    safety_checker = {"PictureChecker": "safety_checker", "Model": "sd-turbo"}
    assert len(broken_rules(template, **safety_checker)) == 1
    for engines in ("torch", "openvino,torch"):
        assert not broken_rules(template, **safety_checker, Engines=engines)
    torch = {"Engines": "torch"}
    assert not broken_rules(template, Model="sd-turbo", PictureCheck="on")
    assert not broken_rules(template, **torch)
    assert not broken_rules(template, **torch, Model="sd-turbo", PictureCheck="off")
    assert not broken_rules(template, **torch, Model="sd-turbo", Moderation="false")
    assert len(broken_rules(template, **torch, PictureCheck="on")) == 1
    assert len(broken_rules(template, **torch, Model="sd-turbo")) == 1


def test_redis_is_whole_and_so_is_the_vpc(template: Template) -> None:
    url = {"RedisUrl": "rediss://cache.example.com"}
    subnets, groups = {"SubnetIds": "subnet-01234567"}, {"SecurityGroupIds": "sg-01234567"}
    assert not broken_rules(template, **url)
    assert not broken_rules(template, **url, **subnets, **groups)
    assert not broken_rules(template, **url, RedisPassword="ssm:/a/redis/b", RedisCluster="true")
    assert len(broken_rules(template, RedisPassword="ssm:/a/redis/b", RedisCluster="true")) == 2
    assert len(broken_rules(template, **url, **subnets)) == 1
    assert len(broken_rules(template, **url, **groups)) == 1


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environment_sets_known_parameters_to_valid_values(environment: str) -> None:
    configured = [each for each in resolve(environment, []).values() if each.source == "samconfig.toml"]
    assert len(configured) == len(SAMCONFIG[environment]["global"]["parameters"]["parameter_overrides"])


def test_samconfig_defines_the_environments() -> None:
    assert SAMCONFIG.keys() == {"version", "default", *ENVIRONMENTS}
    for environment in ENVIRONMENTS:
        shared, deploy = (SAMCONFIG[environment][command]["parameters"] for command in ("global", "deploy"))
        assert shared["stack_name"] == f"imagegen-{environment}"  # the Makefile uses this name
        assert deploy["capabilities"] == "CAPABILITY_IAM"
        assert "resolve_image_repos" not in deploy


def test_no_file_names_an_account_or_a_registry() -> None:
    for path in (ROOT / "template.yaml", ROOT / "samconfig.toml"):
        assert not re.search(r"\b\d{12}\b|dkr\.ecr|amazonaws\.com/", path.read_text()), path
