"""Resolve a deployment's template parameters and print them for `sam build` and `sam deploy`.

Precedence: the make command line, then `parameter_overrides` in samconfig.toml, then the template's default. Every
parameter is passed to both commands, so that neither falls back to a value of its own: `sam build` would take the
default, and `sam deploy` the running stack's value.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

from samtranslator.yaml_helper import yaml_parse

from tools.deploy.schedule import WrongSchedule, require_match, require_zone

ROOT: Final = Path(__file__).parents[2]
MAKE_VARIABLES: Final = {
    "Model": "MODEL",
    "Engines": "ENGINES",
    "TorchIndex": "TORCH_INDEX",
    "Architecture": "ARCHITECTURE",
}
"""Parameters that feed the build, and the make variables that set them."""
_RELEASE: Final = "Release"
"""Not resolved here: each `make deploy` names a new one."""
_SCHEDULES: Final = ("ScaleUpSchedule", "ScaleDownSchedule", "WarmupRate")

Source = Literal["command line", "samconfig.toml", "default"]
Declarations = Mapping[str, Mapping[str, Any]]


class ParameterError(Exception):
    """A parameter, or the environment, is unknown or has an illegal value."""


@dataclass(frozen=True)
class Parameter:
    """A resolved template parameter."""

    name: str
    value: str
    source: Source


def resolve(environment: str, given: Sequence[str], root: Path = ROOT) -> dict[str, Parameter]:
    """Return all parameters of the template under `root` except Release, by name.

    `given` has the command line's `Name=value` pairs. Raises ParameterError.
    """
    declarations: Declarations = yaml_parse((root / "template.yaml").read_text())["Parameters"]
    resolved = {
        name: Parameter(name, str(each["Default"]), "default")
        for name, each in declarations.items()
        if name != _RELEASE
    }
    overrides = _configured(environment, root / "samconfig.toml") + [_split(pair, "command line") for pair in given]
    for override in overrides:
        _check(override, declarations)
        resolved[override.name] = override
    check_schedules(resolved, datetime.now(UTC).date())
    return resolved


def check_schedules(resolved: Mapping[str, Parameter], today: date) -> None:
    """Raise ParameterError for a schedule that AWS would refuse or that never matches, which no pattern can tell."""
    for name in _SCHEDULES:
        if resolved[name].value:
            _require(resolved[name], lambda text: require_match(text, today))
    _require(resolved["ScheduleTimezone"], require_zone)
    up, down = resolved["ScaleUpSchedule"], resolved["ScaleDownSchedule"]
    if up.value and up.value == down.value:
        raise ParameterError(f"{down.source}: ScaleUpSchedule and ScaleDownSchedule are the same: {up.value}.")


def _require(parameter: Parameter, check: Callable[[str], None]) -> None:
    try:
        check(parameter.value)
    except WrongSchedule as error:
        raise ParameterError(f"{parameter.source}: {parameter.name}={parameter.value}: {error}.") from None


def accepts(declaration: Mapping[str, Any], value: str) -> bool:
    """Return whether CloudFormation accepts `value` for a parameter with this declaration."""
    if "AllowedValues" in declaration:
        return value in map(str, declaration["AllowedValues"])
    if "AllowedPattern" in declaration:
        return re.fullmatch(declaration["AllowedPattern"], value) is not None
    if not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return False
    return bool(declaration["MinValue"] <= float(value) <= declaration.get("MaxValue", float("inf")))


def sam_override(name: str, value: str) -> str:
    """Return `name=value` as SAM's --parameter-overrides parses it, quoted if necessary.

    SAM cuts an unquoted value at a blank and rejects an empty one. Raises ParameterError for the few values that SAM
    has no notation for, such as one that ends in a backslash.
    """
    if "ParameterKey=" in value:
        raise ParameterError(f"{name}: SAM cannot pass {value!r}. Remove `ParameterKey=`, SAM's own keyword.")
    if re.fullmatch(r"[^\s\"'\\]+", value):
        return f"{name}={value}"
    for quote in ('"', "'"):
        escaped = _escaped(value, quote)
        if escaped is not None:
            return f"{name}={quote}{escaped}{quote}"
    raise ParameterError(f"{name}: SAM cannot pass {value!r}. Remove the backslash before the quote or at the end.")


def _escaped(value: str, quote: str) -> str | None:
    r"""Escape `value` for SAM between two `quote`s, or return None if that is impossible.

    SAM ends the value at a quote after an even number of backslashes. It then drops one backslash before each blank and
    quote, but never unescapes `\\`.
    """
    runs = [(len(run), end) for run, end in re.findall(r"(\\*)([ \"']|\Z)", value)]
    if any(backslashes % 2 for backslashes, end in runs if end in (quote, "")):
        return None

    def escape(match: re.Match[str]) -> str:
        run, end = match[1], match[2]
        return f"{run}\\{end}" if end == quote or (run and end) else f"{run}{end}"

    return re.sub(r"(\\*)([ \"']|\Z)", escape, value)


def _configured(environment: str, path: Path) -> list[Parameter]:
    """Return the environment's `parameter_overrides`: each is Name=value, or Name="value" as SAM itself needs it."""
    config = tomllib.loads(path.read_text())
    environments = [name for name, each in config.items() if isinstance(each, dict) and "global" in each]
    if environment not in environments:
        raise ParameterError(f"ENV={environment} is not in {path.name}. Choose one of {', '.join(environments)}.")
    for command, section in config[environment].items():
        if command != "global" and "parameter_overrides" in section.get("parameters", {}):
            raise ParameterError(
                f"{path.name}: move parameter_overrides from [{environment}.{command}.parameters] to "
                f"[{environment}.global.parameters], which `sam build` and `sam deploy` share."
            )
    entries = config[environment]["global"].get("parameters", {}).get("parameter_overrides", [])
    if not (isinstance(entries, list) and all(isinstance(entry, str) for entry in entries)):
        raise ParameterError(f'{path.name}: write parameter_overrides of {environment} as a list of "Name=value".')
    return [_split(entry, "samconfig.toml") for entry in entries]


def _split(pair: str, source: Source) -> Parameter:
    name, separator, value = pair.partition("=")
    if not separator:
        raise ParameterError(f"{source}: {pair!r} is not Name=value.")
    return Parameter(name, _unquoted(value) if source == "samconfig.toml" else value, source)


def _unquoted(value: str) -> str:
    """Remove SAM's quotes and escapes from a value that is wrapped in quotes; return any other value as it is."""
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "\"'":
        return value
    return re.sub(r"\\([ \"'])", r"\1", value[1:-1])


def _check(parameter: Parameter, declarations: Declarations) -> None:
    declaration = declarations.get(parameter.name)
    if declaration is None or parameter.name == _RELEASE:
        known = ", ".join(name for name in declarations if name != _RELEASE)
        raise ParameterError(f"{parameter.source}: {parameter.name} cannot be set. Choose one of {known}.")
    if not accepts(declaration, parameter.value):
        raise ParameterError(f"{parameter.source}: {parameter.name}={parameter.value}: {_allowed(declaration)}")


def _allowed(declaration: Mapping[str, Any]) -> str:
    if "AllowedValues" in declaration:
        return f"use one of {', '.join(map(str, declaration['AllowedValues']))}."
    if "AllowedPattern" in declaration:
        return f"use {declaration.get('ConstraintDescription', declaration['AllowedPattern'])}."
    most = declaration.get("MaxValue")
    return f"use a number of at least {declaration['MinValue']}{f' and at most {most}' if most else ''}."


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser for what make passes to each deployment tool: the environment, and the command line's values."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("environment")
    parser.add_argument("given", nargs="*", metavar="Name=value")
    return parser


def main() -> None:
    parsed = arguments(__doc__).parse_args()
    try:
        resolved = resolve(parsed.environment, parsed.given)
        overrides = [sam_override(each.name, each.value) for each in resolved.values()]
    except ParameterError as error:
        sys.exit(str(error))
    print(shlex.join(overrides))


if __name__ == "__main__":
    main()
