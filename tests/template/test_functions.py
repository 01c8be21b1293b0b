"""Functions: settings, package, alias, concurrency, logs, warm-up and queues."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings
from samtranslator.yaml_helper import yaml_parse

from imagegen.rollout.probes import PROBES
from imagegen.rollout_wiring import ANSWER_S, PING_S, WAITS_S
from imagegen.settings import AuthorizerSettings, RolloutCheckSettings, Settings, WarmerSettings
from imagegen.webhooks.safe_http import Timeouts
from tests.support.evaluate import Resources, Template, evaluate
from tests.template.conftest import translated
from tools.local.process import ROOT

SERVING = ["Generator", "Worker", "Api", "Sweeper", "DeadLetters", "Webhooks", "Authorizer"]
"""Functions that serve callers, queues and the minute's schedule. They have aliases."""
FUNCTIONS = [*SERVING, "Warmer", "RolloutCheck"]
ZIP_FUNCTIONS = ["Api", "Sweeper", "DeadLetters", "Webhooks", "Authorizer", "Warmer", "RolloutCheck"]

NOT_SET = {
    "MODELS_DIR": "set by the image",
    "MODEL_STORAGE_DIR": "Lambda allows writes to /tmp only",
    "DEVICE": "detected, like PRECISION and THREADS",
    "PRECISION": "the processor's fastest type",
    "THREADS": "one per vCPU, which depends on the function's memory",
    "ONEDNN_MAX_CPU_ISA": "for experiments",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "set by Lambda",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "set by Lambda",
    "AWS_REGION": "set by Lambda",
    "AWS_SAM_LOCAL": "set by `sam local`",
    "CONTENT_CREDENTIALS_CHAIN": "where docs/provenance.md tells the owner to put it, like the ANCHORS",
    "CONTENT_CREDENTIALS_ANCHORS": "for the local stack",
}
READ_BY_LIBRARIES = {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "PYDANTIC_DISABLE_PLUGINS"}
OWN = {
    "Authorizer": {"TOKEN_ISSUERS"},
    "Warmer": {"WARMED_FUNCTION", "WARM_ENVIRONMENTS"},
    "RolloutCheck": {"WARM_ENVIRONMENTS", "NEW_VERSIONS"},
}
"""Variables of one function only."""
REDIS = {"REDIS_URL", "REDIS_PASSWORD", "REDIS_CLUSTER", "REDIS_TIMEOUT_MS"}
REACHING_REDIS = ["Generator", "Worker", "Api"]
"""Functions with these variables, and in the owner's VPC."""


def properties(resources: Resources, name: str) -> Any:
    return resources[name]["Properties"]


def environment(resources: Resources, function: str) -> dict[str, Any]:
    variables: dict[str, Any] = properties(resources, function)["Environment"]["Variables"]
    return variables


@pytest.mark.parametrize("function", FUNCTIONS)
def test_environment_covers_the_settings(resources: Resources, function: str) -> None:
    fields = {name.upper() for name in Settings.model_fields} - NOT_SET.keys()
    if function not in REACHING_REDIS:
        fields -= REDIS
    assert environment(resources, function).keys() == fields | READ_BY_LIBRARIES | OWN.get(function, set())


def test_the_authorizers_environment_covers_its_settings(template: Template) -> None:
    issuers = '[{"issuer": "https://id.example.com", "audiences": ["images"]}]'
    variables = environment(evaluate(template, TokenIssuers=issuers), "Authorizer")
    assert variables["TOKEN_ISSUERS"] == issuers
    assert {name.upper() for name in AuthorizerSettings.model_fields} <= variables.keys()


@pytest.mark.parametrize(("function", "settings"), [("Warmer", WarmerSettings), ("RolloutCheck", RolloutCheckSettings)])
def test_the_environment_of_a_function_covers_its_own_settings(
    resources: Resources, function: str, settings: type[BaseSettings]
) -> None:
    assert {name.upper() for name in settings.model_fields} <= environment(resources, function).keys()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_environment_sets_no_reserved_names(resources: Resources, function: str) -> None:
    assert not [name for name in environment(resources, function) if name.startswith(("AWS_", "LAMBDA_", "_"))]


@pytest.mark.parametrize("function", ZIP_FUNCTIONS)
def test_the_build_of_a_zip_function_contains_its_handler_and_the_word_lists(function: str, tmp_path: Path) -> None:
    """Runs the make target that `sam build` runs; tests/container runs `sam build`."""
    source: Any = yaml_parse((ROOT / "template.yaml").read_text())["Resources"][function]
    assert source["Metadata"]["BuildMethod"] == "makefile"
    command = ["make", "-C", str(ROOT / source["Properties"]["CodeUri"]), f"build-{function}"]
    subprocess.run([*command, f"ARTIFACTS_DIR={tmp_path}"], check=True, capture_output=True)
    module = source["Properties"]["Handler"].rpartition(".")[0]
    assert (tmp_path / f"{module.replace('.', '/')}.py").exists()
    assert (tmp_path / "imagegen" / "moderation" / "word_lists.json").exists()


def test_defaults_are_valid_settings(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(resources, "Generator").items():
        monkeypatch.setenv(name, value if isinstance(value, str) else "bucket")
    settings = Settings()
    assert settings.model_ids == ("demo",)
    assert settings.engines == ("openvino",)
    assert settings.gateway_timeout_seconds == 28
    assert settings.allowed_origins == ("*",)
    assert settings.embed_prompt is True


@pytest.mark.parametrize("engines", ["openvino", "torch", "openvino,torch"])
def test_the_image_and_the_functions_agree_on_the_engines(template: Template, engines: str) -> None:
    resources = evaluate(template, Engines=engines)
    build = resources["Generator"]["Metadata"]
    assert build["DockerBuildArgs"]["ENGINES"] == engines
    assert build["DockerBuildTarget"] == "cpu"
    assert resources["Worker"]["Metadata"] == build
    assert {environment(resources, function)["ENGINES"] for function in FUNCTIONS} == {engines}


def test_generator_is_an_image_with_its_handler_as_command(resources: Resources) -> None:
    generator = properties(resources, "Generator")
    assert generator["PackageType"] == "Image"
    assert not {"Runtime", "Handler", "Layers", "SnapStart"} & generator.keys()
    assert_is_a_module(*generator["ImageConfig"]["Command"])


def test_api_is_a_zip_on_both_layers(resources: Resources) -> None:
    api = properties(resources, "Api")
    assert api["Runtime"] == "python3.13"
    assert_is_a_module(api["Handler"])
    layers = {name: each for name, each in resources.items() if each["Type"] == "AWS::Lambda::LayerVersion"}
    assert api["Layers"] == [{"Ref": name} for name in layers]
    assert all(each["Properties"]["CompatibleRuntimes"] == ["python3.13"] for each in layers.values())
    assert all(each["DeletionPolicy"] == "Delete" for each in layers.values())


def test_only_api_has_the_client_of_redis(resources: Resources) -> None:
    others = [properties(resources, name)["Layers"] for name in ZIP_FUNCTIONS if name != "Api"]
    core, redis = properties(resources, "Api")["Layers"]
    assert others == [[core]] * (len(ZIP_FUNCTIONS) - 1)
    assert properties(resources, redis["Ref"])["LayerName"] == {"Fn::Sub": "${AWS::StackName}-redis"}


def test_no_function_is_in_a_vpc_by_default(resources: Resources) -> None:
    assert [name for name in FUNCTIONS if "VpcConfig" in properties(resources, name)] == []
    assert environment(resources, "Api")["REDIS_URL"] == ""


def test_the_functions_that_reach_redis_are_in_the_owners_vpc(template: Template) -> None:
    """The others need none: Webhooks and Authorizer must reach the internet."""
    ids = {"SubnetIds": "subnet-0123456789abcdef0,subnet-01234567", "SecurityGroupIds": "sg-0123456789abcdef0"}
    resources = evaluate(template, **ids, RedisUrl="rediss://cache.example.com:6379")
    inside = {name: properties(resources, name).get("VpcConfig") for name in FUNCTIONS}
    config = {name: value.split(",") for name, value in ids.items()}
    assert inside == {name: config if name in REACHING_REDIS else None for name in FUNCTIONS}
    urls = {environment(resources, name)["REDIS_URL"] for name in REACHING_REDIS}
    assert urls == {"rediss://cache.example.com:6379"}


def assert_is_a_module(handler: str) -> None:
    module, function = handler.rsplit(".", 1)
    assert importlib.util.find_spec(module)
    assert function == "handler"


def test_memory_and_timeouts(resources: Resources) -> None:
    generator, api = properties(resources, "Generator"), properties(resources, "Api")
    assert (generator["MemorySize"], generator["Timeout"]) == ("10240", 900)
    assert (api["MemorySize"], api["Timeout"]) == (512, 30)


def test_the_disk_of_what_loads_a_model_is_what_the_settings_say(template: Template) -> None:
    resources = evaluate(template, EphemeralStorage="4096", ModelRollout="true")
    for name in ("Generator", "Worker"):
        assert properties(resources, name)["EphemeralStorage"] == {"Size": "4096"}
        assert environment(resources, name)["MODEL_STORAGE_MB"] == "4096"
        assert environment(resources, name)["MODEL_ROLLOUT"] == {"Fn::Sub": "/${AWS::StackName}/models"}
    assert environment(evaluate(template), "Generator")["MODEL_ROLLOUT"] == ""


def test_one_architecture_for_all(template: Template) -> None:
    resources = evaluate(template, Architecture="arm64")
    assert all(properties(resources, name)["Architectures"] == ["arm64"] for name in FUNCTIONS)
    layers = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::LayerVersion"]
    assert [layer["CompatibleArchitectures"] for layer in layers] == [["arm64"]] * 2


@pytest.mark.parametrize("function", FUNCTIONS)
def test_tracing_is_active(resources: Resources, function: str) -> None:
    assert properties(resources, function)["TracingConfig"] == {"Mode": "Active"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_logs_go_to_a_group_with_retention(template: Template, function: str) -> None:
    resources = evaluate(template, LogDays="14")
    logging = properties(resources, function)["LoggingConfig"]
    assert logging == {"LogGroup": {"Ref": f"{function}Logs"}, "LogFormat": "Text"}
    assert properties(resources, f"{function}Logs")["RetentionInDays"] == "14"


def test_every_log_group_has_retention_and_is_deleted_with_the_stack(resources: Resources) -> None:
    groups = [each for each in resources.values() if each["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == len(FUNCTIONS) + 1
    assert all(group["Properties"]["RetentionInDays"] == "30" for group in groups)
    assert all(group["DeletionPolicy"] == "Delete" for group in groups)


# -- version and alias -------------------------------------------------------------------------------------------------


def version(resources: Resources, function: str) -> str:
    """Return the logical id of the version that the function's alias names."""
    name, attribute = properties(resources, f"{function}Aliaslive")["FunctionVersion"]["Fn::GetAtt"]
    assert attribute == "Version"
    assert resources[name]["Type"] == "AWS::Lambda::Version"
    assert properties(resources, name)["FunctionName"] == {"Ref": function}
    return str(name)


@pytest.fixture(scope="module")
def releases() -> list[Resources]:
    """The resources of two releases, the first one twice."""
    return [translated(Release=release)["Resources"] for release in ("2611210815", "2611210815", "2611210816")]


@pytest.mark.parametrize("function", SERVING)
def test_alias_follows_each_release(releases: list[Resources], function: str) -> None:
    first, again, second = (version(each, function) for each in releases)
    assert first == again != second


@pytest.mark.parametrize("function", SERVING)
def test_a_release_changes_the_function_so_that_lambda_publishes_a_version(
    releases: list[Resources], function: str
) -> None:
    assert len({properties(each, function)["Description"] for each in releases}) == 2


def test_everything_calls_the_aliases(resources: Resources) -> None:
    """A call of a function itself would reach code that no check has seen, and that no rollback takes back."""
    without = {
        name: part
        for name, part in resources.items()
        if part["Type"] in ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission", "AWS::Scheduler::Schedule")
    }
    called = [
        each["Properties"].get("FunctionName") or each["Properties"]["Target"]["Arn"] for each in without.values()
    ]
    aliases = [{"Ref": f"{function}Aliaslive"} for function in SERVING]
    assert [each for each in called if each not in aliases] == [{"Fn::GetAtt": ["Warmer", "Arn"]}]
    body = json.dumps(resources["Gateway"]["Properties"]["Body"])
    invoked = set(re.findall(r"functions/\$\{(\w+?)(?:\.Arn)?\}/invocations", body)) - {"__FunctionArn__"}
    assert invoked == {"GeneratorAliaslive", "ApiAliaslive"}
    assert '{"__FunctionArn__": {"Ref": "AuthorizerAliaslive"}}' in body


# -- rollout -----------------------------------------------------------------------------------------------------------

KINDS = ["AllAtOnce", "Canary10Percent5Minutes", "Linear10PercentEvery10Minutes"]


@pytest.mark.parametrize("kind", KINDS)
def test_code_deploy_moves_every_alias_as_the_parameter_says_after_the_check(kind: str) -> None:
    resources = evaluate(translated(Rollout=kind), Rollout=kind)
    for function in SERVING:
        group = properties(resources, f"{function}DeploymentGroup")
        assert group["DeploymentConfigName"] == f"CodeDeployDefault.Lambda{kind}"
        assert resources[f"{function}Aliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"] == {
            "ApplicationName": {"Ref": "ServerlessDeploymentApplication"},
            "DeploymentGroupName": {"Ref": f"{function}DeploymentGroup"},
            "BeforeAllowTrafficHook": {"Ref": "RolloutCheck"},
        }
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        stopping = [each["Name"]["Ref"] for each in group["AlarmConfiguration"].get("Alarms", [])]
        gradual = ["RolloutAlarm", "ServerErrorRateAlarm", "ErrorsAlarm", "ModerationAlarm"]
        assert stopping == ([] if kind == "AllAtOnce" else gradual)
        assert all(each in resources for each in stopping)


def test_the_check_knows_every_function_that_is_rolled_out_and_how_to_see_that_it_starts(resources: Resources) -> None:
    text = environment(resources, "RolloutCheck")["NEW_VERSIONS"]["Fn::Sub"]
    assert json.loads(text) == {
        f"${{{function}DeploymentGroup}}": [function, f"${{{version(resources, function)}}}"] for function in SERVING
    }
    assert RolloutCheckSettings(new_versions=json.loads(text)).new_versions
    assert {*PROBES, "Generator"} == set(SERVING)


def test_the_checks_of_all_aliases_may_run_at_once(resources: Resources) -> None:
    assert properties(resources, "RolloutCheck")["ReservedConcurrentExecutions"] == len(SERVING)


def test_a_version_that_does_not_answer_can_still_be_reported(resources: Resources) -> None:
    """A drawing and a refusal, each throttled before and then as slow as an answer may be."""
    assert 2 * (sum(WAITS_S) + ANSWER_S) < properties(resources, "RolloutCheck")["Timeout"] == 900
    assert properties(resources, "Warmer")["Timeout"] > PING_S


def test_the_check_warms_what_pings_keep_warm(template: Template) -> None:
    warmed = evaluate(template, WarmupState="ENABLED", WarmEnvironments="3")
    assert environment(warmed, "RolloutCheck")["WARM_ENVIRONMENTS"] == "3"
    assert environment(evaluate(template), "RolloutCheck")["WARM_ENVIRONMENTS"] == "0"


# -- concurrency -------------------------------------------------------------------------------------------------------


def provisioned(resources: Resources) -> Any:
    return properties(resources, "GeneratorAliaslive").get("ProvisionedConcurrencyConfig")


def test_nothing_is_provisioned_by_default(resources: Resources) -> None:
    assert provisioned(resources) is None
    assert "GeneratorScaling" not in resources


def test_provisioned_at_all_times(template: Template) -> None:
    resources = evaluate(template, ProvisionedConcurrency="2")
    assert provisioned(resources) == {"ProvisionedConcurrentExecutions": "2"}
    assert "GeneratorScaling" not in resources


def test_provisioned_on_a_schedule(template: Template) -> None:
    up, down = "cron(0 8 ? * MON-FRI *)", "cron(0 18 ? * MON-FRI *)"
    resources = evaluate(
        template,
        ProvisionedConcurrency="3",
        ScaleUpSchedule=up,
        ScaleDownSchedule=down,
        ScheduleTimezone="Europe/Berlin",
    )
    assert provisioned(resources) is None, "a deployment would override the schedule"
    scaling = properties(resources, "GeneratorScaling")
    assert scaling["ResourceId"] == {"Fn::Sub": "function:${Generator}:live"}
    assert resources["GeneratorScaling"]["DependsOn"] == "GeneratorAliaslive"
    actions = {
        action["Schedule"]: (action["Timezone"], action["ScalableTargetAction"])
        for action in scaling["ScheduledActions"]
    }
    assert actions == {
        up: ("Europe/Berlin", {"MinCapacity": "3", "MaxCapacity": "3"}),
        down: ("Europe/Berlin", {"MinCapacity": 0, "MaxCapacity": 0}),
    }


def test_provisioned_as_many_as_are_used(template: Template) -> None:
    resources = evaluate(
        template, ProvisionedConcurrency="2", MaxProvisionedConcurrency="5", ProvisionedUtilization="0.6"
    )
    assert provisioned(resources) == {"ProvisionedConcurrentExecutions": "2"}, "tracking starts with the least"
    scaling = properties(resources, "GeneratorScaling")
    assert (scaling["MinCapacity"], scaling["MaxCapacity"]) == ("2", "5")
    assert "ScheduledActions" not in scaling
    policy = properties(resources, "GeneratorTracking")
    assert policy["ScalingTargetId"] == {"Ref": "GeneratorScaling"}
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": "0.6",
        "PredefinedMetricSpecification": {"PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
    }


def test_tracking_between_schedules(template: Template) -> None:
    resources = evaluate(
        template,
        ProvisionedConcurrency="2",
        MaxProvisionedConcurrency="5",
        ScaleUpSchedule="cron(0 8 ? * MON-FRI *)",
        ScaleDownSchedule="cron(0 18 ? * MON-FRI *)",
    )
    scaling = properties(resources, "GeneratorScaling")
    up, down = (each["ScalableTargetAction"] for each in scaling["ScheduledActions"])
    assert (scaling["MinCapacity"], scaling["MaxCapacity"]) == (0, "5")
    assert (up, down) == ({"MinCapacity": "2", "MaxCapacity": "5"}, {"MinCapacity": 0, "MaxCapacity": 0})
    assert "GeneratorTracking" in resources


def test_a_schedule_alone_tracks_nothing(template: Template) -> None:
    schedules = {"ScaleUpSchedule": "cron(0 8 * * ? *)", "ScaleDownSchedule": "cron(0 18 * * ? *)"}
    assert "GeneratorTracking" not in evaluate(template, ProvisionedConcurrency="2", **schedules)


# -- warm-up -----------------------------------------------------------------------------------------------------------


def test_the_warmer_pings_the_alias(template: Template) -> None:
    resources = evaluate(
        template, WarmupState="ENABLED", WarmupRate="rate(9 minutes)", WarmEnvironments="4", ReservedConcurrency="5"
    )
    schedule = properties(resources, "WarmerPing")
    assert (schedule["State"], schedule["ScheduleExpression"]) == ("ENABLED", "rate(9 minutes)")
    assert environment(resources, "Warmer")["WARMED_FUNCTION"] == {"Ref": "GeneratorAliaslive"}
    assert environment(resources, "Warmer")["WARM_ENVIRONMENTS"] == "4"


def test_warmup_is_off_by_default_and_named_per_stack(resources: Resources) -> None:
    schedule = properties(resources, "WarmerPing")
    assert schedule["State"] == "DISABLED"
    assert "Name" not in schedule


# -- queues ------------------------------------------------------------------------------------------------------------


def test_webhooks_are_delivered_one_at_a_time_and_only_failures_are_retried(resources: Resources) -> None:
    source = properties(resources, "WebhooksDelivery")
    assert source["EventSourceArn"] == {"Fn::GetAtt": ["WebhooksQueue", "Arn"]}
    assert source["FunctionName"] == {"Ref": "WebhooksAliaslive"}
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert (source["BatchSize"], source["ScalingConfig"]) == (1, {"MaximumConcurrency": 50})


def test_a_delivery_fits_the_functions_timeout_and_that_the_visibility_timeout(resources: Resources) -> None:
    function, queue = properties(resources, "Webhooks"), properties(resources, "WebhooksQueue")
    assert Timeouts().total_s * 2 < function["Timeout"]
    assert function["Timeout"] * 6 <= queue["VisibilityTimeout"]


def test_every_queue_is_encrypted_and_has_a_dead_letter_queue_or_is_one(resources: Resources) -> None:
    queues = {name: each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::SQS::Queue"}
    dead_letter_queues = {
        each["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for each in queues.values()
        if "RedrivePolicy" in each
    }
    assert dead_letter_queues == {name for name, each in queues.items() if "RedrivePolicy" not in each}
    assert all(each["SqsManagedSseEnabled"] is True for each in queues.values())
    assert all(queues[name]["MessageRetentionPeriod"] == 14 * 24 * 3600 for name in dead_letter_queues)


def of_type(resources: Resources, kind: str) -> list[Any]:
    return [each["Properties"] for each in resources.values() if each["Type"] == kind]


def test_what_a_schedule_invokes_is_neither_retried_nor_kept(template: Template) -> None:
    """Scheduler invokes asynchronously: by default Lambda retries twice and keeps an event for six hours."""
    resources = template["Resources"]
    targets = [each["Target"]["Arn"] for each in of_type(resources, "AWS::Scheduler::Schedule")]
    configured = of_type(resources, "AWS::Lambda::EventInvokeConfig")
    assert targets == [{"Fn::GetAtt": ["Warmer", "Arn"]}, {"Ref": "SweeperAliaslive"}]
    assert {(each["MaximumRetryAttempts"], each["MaximumEventAgeInSeconds"]) for each in configured} == {(0, 60)}
    assert {(each["FunctionName"]["Ref"], each["Qualifier"]) for each in configured} == {
        ("Generator", "live"), ("Sweeper", "live"), ("Warmer", "$LATEST"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("function", "queue"), [("Worker", "JobsQueue"), ("DeadLetters", "JobsDeadLetters"), ("Webhooks", "WebhooksQueue")]
)
def test_lambda_does_not_end_a_function_that_sends_to_its_own_queue(
    resources: Resources, function: str, queue: str
) -> None:
    """Lambda's recursion guard drops the message after about 16 hops of one trace."""
    role = resources[f"{function}Role"]["Properties"]["Policies"]
    sends = [
        statement["Resource"]
        for policy in role
        for statement in policy["PolicyDocument"]["Statement"]
        if "sqs:SendMessage" in statement["Action"]
    ]
    loops = queue in str(sends)
    assert (resources[function]["Properties"].get("RecursiveLoop") == "Allow") is loops
