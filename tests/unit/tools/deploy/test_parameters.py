"""One resolution of the parameters for `sam build` and `sam deploy`, in SAM's own notation."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.support import sam as sam_cli
from tools.deploy.parameters import MAKE_VARIABLES, ROOT, ParameterError, resolve, sam_override

SAM_PARSER = """
import json, sys
from samcli.cli.types import CfnParameterOverridesType
parse = CfnParameterOverridesType().convert
print(json.dumps([parse((text,), None, None) for text in json.load(sys.stdin)]))
"""


def parsed_by_sam(overrides: list[str]) -> list[dict[str, str]]:
    """Return what the installed SAM CLI reads from each argument of --parameter-overrides."""
    python = sam_cli.COMMAND.with_name("python")
    if not python.exists():
        pytest.skip("the AWS SAM CLI is not installed: `make test` installs it")
    done = subprocess.run(
        [str(python), "-c", SAM_PARSER], input=json.dumps(overrides), capture_output=True, text=True, check=True
    )
    parsed: list[dict[str, str]] = json.loads(done.stdout)
    return parsed


def project(folder: Path, *overrides: str, extra: str = "") -> Path:
    """Return `folder` with the template and a samconfig.toml whose only environment is dev."""
    shutil.copy(ROOT / "template.yaml", folder)
    config = f"version = 0.1\n[dev.global.parameters]\nparameter_overrides = {json.dumps(overrides)}\n{extra}"
    (folder / "samconfig.toml").write_text(config)
    return folder


def test_the_command_line_comes_before_samconfig_and_samconfig_before_the_default(tmp_path: Path) -> None:
    root = project(tmp_path, "Model=sd-1.5", "Engines=torch")
    resolved = resolve("dev", ["Model=sd-turbo"], root)
    model, engines, architecture = (resolved[name] for name in ("Model", "Engines", "Architecture"))
    assert (model.value, model.source) == ("sd-turbo", "command line")
    assert (engines.value, engines.source) == ("torch", "samconfig.toml")
    assert (architecture.value, architecture.source) == ("x86_64", "default")


def test_every_parameter_is_resolved_except_the_release() -> None:
    declared = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]
    assert resolve("prod", []).keys() == declared.keys() - {"Release"}


def test_make_can_set_every_parameter_that_feeds_the_build() -> None:
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    metadata = json.dumps([each.get("Metadata") for each in resources.values()])
    built_in = {name for name in resolve("dev", []) if f'{{"Ref": "{name}"}}' in metadata}
    assert built_in == MAKE_VARIABLES.keys()


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("WarmupRate=rate(10 minutes)", "rate(10 minutes)"),
        ('WarmupRate="rate(10 minutes)"', "rate(10 minutes)"),
        ("WarmupRate='rate(10 minutes)'", "rate(10 minutes)"),
        (r'TokenIssuers="[\"a\ b\"]"', '["a b"]'),
    ],
)
def test_samconfig_may_quote_a_value_as_sam_does_or_not_at_all(tmp_path: Path, override: str, value: str) -> None:
    assert resolve("dev", [], project(tmp_path, override))[override.partition("=")[0]].value == value


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Model=A B", "command line: Model=A B: use a registry id, in lower case"),
        ("Model=", "command line: Model=: use a registry id"),
        ("Engines=tensorflow", "use one of openvino, torch, openvino,torch"),
        ("Architecture=mips", "use one of x86_64, arm64"),
        ("TorchIndex=http://plain.example.com", "use empty, or an https URL"),
        ("StageRateLimit=0", "use a number of at least 1 and at most 10000"),
        ("WarmupRate=rate(1 minute)\nStageRateLimit=1", r"use cron\(...\) or rate\(...\)"),
        ("Modell=demo", "Modell cannot be set. Choose one of Model, "),
        ("Release=1", "Release cannot be set"),
        ("demo", "'demo' is not Name=value"),
    ],
)
def test_an_illegal_value_is_refused_with_what_is_allowed(given: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        resolve("dev", [given])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["ScaleUpSchedule=cron(0 0 31 FEB ? *)"], r"ScaleUpSchedule=cron\(0 0 31 FEB \? \*\): it never matches"),
        (["ScaleDownSchedule=rate(0 minutes)"], r"ScaleDownSchedule=rate\(0 minutes\): it never matches"),
        (["WarmupRate=cron(0 8 * * *)"], r"samconfig.toml: WarmupRate=.*: cron has six fields"),
        (["ScheduleTimezone=Europe/Berln"], "ScheduleTimezone=Europe/Berln: there is no such time zone"),
        (
            ["ScaleUpSchedule=cron(0 8 * * ? *)", "ScaleDownSchedule=cron(0 8 * * ? *)"],
            "ScaleUpSchedule and ScaleDownSchedule are the same",
        ),
    ],
)
def test_a_schedule_that_never_matches_is_refused(tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        resolve("dev", [], project(tmp_path, *overrides))


def test_a_mistake_in_samconfig_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"samconfig.toml: LogDays=2: use one of 1, 3,"):
        resolve("dev", [], project(tmp_path, "LogDays=2"))


def test_an_unknown_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"ENV=production .* dev, staging, prod"):
        resolve("production", [])


@pytest.mark.parametrize("command", ["build", "deploy"])
def test_overrides_of_one_command_only_are_refused(tmp_path: Path, command: str) -> None:
    root = project(tmp_path, extra=f'[dev.{command}.parameters]\nparameter_overrides = ["Model=sd-turbo"]\n')
    with pytest.raises(ParameterError, match=rf"from \[dev.{command}.parameters\] to \[dev.global.parameters\]"):
        resolve("dev", [], root)


def test_overrides_in_one_string_are_refused(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "samconfig.toml").write_text('[dev.global.parameters]\nparameter_overrides = "Model=demo LogDays=7"\n')
    with pytest.raises(ParameterError, match='as a list of "Name=value"'):
        resolve("dev", [], root)


def test_sam_reads_every_value_as_it_was_written_or_it_is_refused() -> None:
    """All words of up to five characters from an alphabet that has every character with a meaning for SAM."""
    texts = ["".join(word) for length in range(6) for word in itertools.product("a \\\"'", repeat=length)]
    texts += ["cron(0 8 ? * MON-FRI *)", "a=b,c", "$5 $(whoami) `id` #1", "https://u:p@h/?a=b&c=d;e", "a\tb", "x Y=z"]
    passed, refused = [], []
    for text in texts:
        try:
            passed.append((text, sam_override("P", text)))
        except ParameterError:
            refused.append(text)
    assert parsed_by_sam([override for _, override in passed]) == [{"P": text} for text, _ in passed]
    assert all("\\" in text for text in refused)
    assert "a\\" in refused


def test_sams_own_keyword_in_a_value_is_refused() -> None:
    with pytest.raises(ParameterError, match="ParameterKey="):
        sam_override("P", "cron(ParameterKey=Model,ParameterValue=x)")
