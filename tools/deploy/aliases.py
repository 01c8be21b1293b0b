"""The alias `live` of each function: the version that has traffic, and the one that CloudFormation released."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ALIAS: Final = "live"
FUNCTIONS: Final = ("Generator", "Worker", "Api", "Sweeper", "DeadLetters", "Webhooks", "Authorizer")
"""Logical ids of the functions with an alias, which CodeDeploy moves."""


@dataclass(frozen=True)
class Live:
    """Where a function's alias points."""

    function: str
    """Logical id."""
    name: str
    released: str
    """The version of the last deployment that CloudFormation finished."""
    version: str
    """The version that has all traffic, or most of it."""


def released(resources: Mapping[str, str], function: str) -> str | None:
    """Return the newest version among the stack's resources, or None. SAM ends the logical id with ten hex digits."""
    pattern = re.compile(rf"{function}Version[0-9a-f]{{10}}")
    versions = [arn.rpartition(":")[2] for name, arn in resources.items() if pattern.fullmatch(name)]
    return max(versions, key=int, default=None)


def live(functions: Any, resources: Mapping[str, str]) -> list[Live]:
    """Return where the aliases of the stack point; without those that it does not have yet. Raises ClientError."""
    found = []
    for function in FUNCTIONS:
        version = released(resources, function)
        if version is not None and f"{function}Alias{ALIAS}" in resources:
            name = resources[function]
            current = functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
            found.append(Live(function, name, version, current))
    return found


def gradual_problem(functions: Any, resources: Mapping[str, str], rollout: str) -> str | None:
    """Return what to do if a gradual rollout would bring back what was rolled back, or None. Raises ClientError.

    CloudFormation names its own last version as the one that keeps most of the traffic meanwhile.
    """
    if rollout == "AllAtOnce":
        return None
    moved = [each for each in live(functions, resources) if each.version != each.released]
    if not moved:
        return None
    told = ", ".join(f"{each.function} runs version {each.version}, not {each.released}" for each in moved)
    return (
        f"The stack was rolled back: {told}.\n  A gradual rollout would send most of the traffic back to the newer "
        f"version first. Deploy once with Rollout=AllAtOnce in samconfig.toml."
    )
