"""Refuse a deployment that the account cannot hold, or that would change a running stack unasked (`make deploy`).

Runs before the build and changes nothing. What cannot be checked, for example without permission, is reported and does
not stop the deployment.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from imagegen.access import issuer
from imagegen.catalog.registry import REGISTRY
from tools.deploy import aliases, quotas, stack
from tools.deploy.parameters import MAKE_VARIABLES, Parameter, ParameterError, arguments, resolve

_FUNCTIONS: Final = (*aliases.FUNCTIONS, "Warmer", "RolloutCheck")
_CONFIG: Final = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})


def unasked_changes(running: Mapping[str, str], resolved: Mapping[str, Parameter], environment: str) -> str | None:
    """Return what to do if a default would replace another value of the running stack, or None.

    A deployment without MODEL would otherwise replace a stack's model with the demo model.
    """
    changes = [
        each
        for each in resolved.values()
        if each.source == "default" and running.get(each.name, each.value) != each.value
    ]
    if not changes:
        return None
    lines = [f"  {each.name}: {running[each.name] or '(empty)'} -> {each.value or '(empty)'}" for each in changes]
    kept = [f"{MAKE_VARIABLES[each.name]}={running[each.name]}" for each in changes if each.name in MAKE_VARIABLES]
    way_out = f", or pass it: make deploy ENV={environment} {' '.join(kept)}" if kept else ""
    return (
        "The stack runs with values that neither samconfig.toml nor the command line names:\n"
        + "\n".join(lines)
        + f"\n  Set each in samconfig.toml, parameter_overrides of {environment}, to either value{way_out}"
    )


def model_problem(values: Mapping[str, str]) -> str | None:
    """Return what to do if every generation would be 503 because of the model or the memory, or None."""
    model = REGISTRY.get(values["Model"])
    if model is None:
        return f"Model={values['Model']} is not in the registry. Choose one of {', '.join(REGISTRY)}."
    if int(values["GeneratorMemory"]) < model.memory_mb.half:
        return (
            f"Model={model.id} needs GeneratorMemory={model.memory_mb.half} or more, not {values['GeneratorMemory']}."
        )
    return None


def issuers_problem(values: Mapping[str, str]) -> str | None:
    """Return what to do if the authorizer could not start with these issuers, so that every request is 503, or None."""
    try:
        issuer.parse(values["TokenIssuers"])
    except ValidationError as error:
        places = (f"{'.'.join(map(str, each['loc'])) or 'the list'}: {each['msg']}" for each in error.errors())
        return f"TokenIssuers: {'; '.join(places)}. docs/operations.md has the fields."
    except ValueError as error:
        return f"TokenIssuers: {error}."
    return None


def check(session: Any, stack_name: str, environment: str, resolved: Mapping[str, Parameter]) -> list[str]:
    """Return the reasons to refuse the deployment. Prints what could not be checked to stderr."""
    values = {name: each.value for name, each in resolved.items()}
    problems = (model_problem(values), issuers_problem(values))
    reasons, deployed = [each for each in problems if each], []
    try:
        cloudformation = session.client("cloudformation", config=_CONFIG)
        running = stack.parameters(cloudformation, stack_name)
        if running is not None:
            change = unasked_changes(running, resolved, environment)
            reasons += [change] if change else []
            names = stack.resources(cloudformation, stack_name)
            deployed = [names[function] for function in _FUNCTIONS if function in names]
        functions = session.client("lambda", config=_CONFIG)
        if running is not None:
            rolled_back = aliases.gradual_problem(functions, names, values["Rollout"])
            reasons += [rolled_back] if rolled_back else []
    except (BotoCoreError, ClientError) as error:
        _report(f"{stack_name} and Lambda's quotas: {error}")
        return reasons
    found, unchecked = quotas.problems(functions, values, stack_name, deployed)
    for each in unchecked:
        _report(each)
    return reasons + found


def _report(unchecked: str) -> None:
    print(f"Not checked: {unchecked}", file=sys.stderr)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--stack-name", required=True)
    parsed = parser.parse_args()
    try:
        resolved = resolve(parsed.environment, parsed.given)
    except ParameterError as error:
        sys.exit(str(error))
    reasons = check(boto3.Session(), parsed.stack_name, parsed.environment, resolved)
    if reasons:
        sys.exit("\n".join(["Nothing was built or deployed.", *reasons]))


if __name__ == "__main__":
    main()
