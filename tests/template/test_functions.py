"""Functions: settings, package, alias, concurrency, logs, warm-up and queues."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from imagegen.settings import AuthorizerSettings, Settings
from imagegen.webhooks.safe_http import Timeouts
from tests.support.evaluate import Resources, Template, evaluate
from tests.template.conftest import translated
from tools.local.process import ROOT

FUNCTIONS = ["Generator", "Worker", "Api", "Sweeper", "DeadLetters", "Webhooks", "Authorizer"]
ZIP_FUNCTIONS = ["Api", "Sweeper", "DeadLetters", "Webhooks", "Authorizer"]

NOT_SET = {
    "MODELS_DIR": "set by the image",
    "DEVICE": "detected, like PRECISION and THREADS",
    "PRECISION": "the processor's fastest type",
    "THREADS": "one per vCPU, which depends on the function's memory",
    "ONEDNN_MAX_CPU_ISA": "for experiments",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "set by Lambda",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "set by Lambda",
    "AWS_SAM_LOCAL": "set by `sam local`",
    "CONTENT_CREDENTIALS_CHAIN": "where docs/provenance.md tells the owner to put it, like the ANCHORS",
    "CONTENT_CREDENTIALS_ANCHORS": "for the local stack",
}
READ_BY_LIBRARIES = {"POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "PYDANTIC_DISABLE_PLUGINS"}
OWN = {"Authorizer": {"TOKEN_ISSUERS"}}
"""Variables of one function only."""


def properties(resources: Resources, name: str) -> Any:
    return resources[name]["Properties"]


def environment(resources: Resources, function: str) -> dict[str, Any]:
    variables: dict[str, Any] = properties(resources, function)["Environment"]["Variables"]
    return variables


@pytest.mark.parametrize("function", FUNCTIONS)
def test_environment_covers_the_settings(resources: Resources, function: str) -> None:
    fields = {name.upper() for name in Settings.model_fields}
    assert environment(resources, function).keys() == fields - NOT_SET.keys() | READ_BY_LIBRARIES | OWN.get(
        function, set()
    )


def test_the_authorizers_environment_covers_its_settings(template: Template) -> None:
    issuers = '[{"issuer": "https://id.example.com", "audiences": ["images"]}]'
    variables = environment(evaluate(template, TokenIssuers=issuers), "Authorizer")
    assert variables["TOKEN_ISSUERS"] == issuers
    assert {name.upper() for name in AuthorizerSettings.model_fields} <= variables.keys()


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


def test_api_is_a_zip_on_the_layer(resources: Resources) -> None:
    api = properties(resources, "Api")
    assert api["Runtime"] == "python3.13"
    assert_is_a_module(api["Handler"])
    (layer,) = [name for name, each in resources.items() if each["Type"] == "AWS::Lambda::LayerVersion"]
    assert api["Layers"] == [{"Ref": layer}]
    assert properties(resources, layer)["CompatibleRuntimes"] == ["python3.13"]
    assert resources[layer]["DeletionPolicy"] == "Delete"


def assert_is_a_module(handler: str) -> None:
    module, function = handler.rsplit(".", 1)
    assert importlib.util.find_spec(module)
    assert function == "handler"


def test_memory_and_timeouts(resources: Resources) -> None:
    generator, api = properties(resources, "Generator"), properties(resources, "Api")
    assert (generator["MemorySize"], generator["Timeout"]) == ("10240", 900)
    assert (api["MemorySize"], api["Timeout"]) == (512, 30)


def test_one_architecture_for_all(template: Template) -> None:
    resources = evaluate(template, Architecture="arm64")
    assert all(properties(resources, name)["Architectures"] == ["arm64"] for name in FUNCTIONS)
    layers = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::LayerVersion"]
    assert [layer["CompatibleArchitectures"] for layer in layers] == [["arm64"]]


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


def version(template: Template) -> str:
    (name,) = [name for name, each in template["Resources"].items() if each["Type"] == "AWS::Lambda::Version"]
    alias = properties(template["Resources"], "GeneratorAliaslive")
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [name, "Version"]}
    return str(name)


def test_alias_follows_each_release() -> None:
    releases = [version(translated(Release=release)) for release in ("2611210815", "2611210815", "2611210816")]
    assert releases[0] == releases[1] != releases[2]


def test_a_release_changes_the_function_so_that_lambda_publishes_a_version() -> None:
    descriptions = {
        translated(Release=release)["Resources"]["Generator"]["Properties"]["Description"] for release in "ab"
    }
    assert len(descriptions) == 2


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


# -- warm-up -----------------------------------------------------------------------------------------------------------


def test_warmup_pings_the_alias(template: Template) -> None:
    schedule = properties(evaluate(template, WarmupState="ENABLED", WarmupRate="rate(9 minutes)"), "GeneratorWarmup")
    assert (schedule["State"], schedule["ScheduleExpression"]) == ("ENABLED", "rate(9 minutes)")
    assert schedule["Target"]["Arn"] == {"Ref": "GeneratorAliaslive"}
    assert json.loads(schedule["Target"]["Input"]) == {"warmup": True}


def test_warmup_is_off_by_default_and_named_per_stack(resources: Resources) -> None:
    schedule = properties(resources, "GeneratorWarmup")
    assert schedule["State"] == "DISABLED"
    assert "Name" not in schedule


# -- queues ------------------------------------------------------------------------------------------------------------


def test_webhooks_are_delivered_one_at_a_time_and_only_failures_are_retried(resources: Resources) -> None:
    source = properties(resources, "WebhooksDelivery")
    assert source["EventSourceArn"] == {"Fn::GetAtt": ["WebhooksQueue", "Arn"]}
    assert source["FunctionName"] == {"Ref": "Webhooks"}
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
    assert len(targets) == len(configured) == 2
    assert {(each["MaximumRetryAttempts"], each["MaximumEventAgeInSeconds"]) for each in configured} == {(0, 60)}
    assert {each["Qualifier"] for each in configured} == {"$LATEST", "live"}


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
