"""Compare what a deployment needs with the account's Lambda quotas, which are low in new accounts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

_CONCURRENCY_QUOTA: Final = "L-B99A9384"
_DEFAULT_QUOTA: Final = 1000
UNRESERVED: Final = 100
"""Executions that Lambda keeps for functions without a reservation, or the account's whole quota if that is less."""
FIXED: Final = {"Sweeper": 1, "DeadLetters": 5, "Warmer": 1, "RolloutCheck": 7}
"""Reservations that are not parameters."""
_NEW_ACCOUNT_MB: Final = 3008


def reservations(parameters: Mapping[str, str]) -> dict[str, int]:
    """Return how many concurrent executions the template reserves with these parameters, by function."""
    generators = int(parameters["ReservedConcurrency"])
    if generators == 0:
        return {}
    return {
        "Generator": generators,
        "Worker": int(parameters["WorkerConcurrency"]),
        **dict.fromkeys(("Api", "Authorizer"), int(parameters["ApiConcurrency"])),
        **FIXED,
    }


def concurrency_problem(functions: Any, parameters: Mapping[str, str], deployed: Collection[str]) -> str | None:
    """Return what to do if the account cannot reserve what the deployment needs, or None.

    `deployed` names the stack's functions, whose reservations are replaced. Raises botocore's ClientError.
    """
    needed = reservations(parameters)
    if problem := _generators_problem(parameters, needed.get("Generator")):
        return problem
    limit = functions.get_account_settings()["AccountLimit"]
    quota, unreserved = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    free = unreserved + sum(_reserved(functions, name) for name in deployed) - min(UNRESERVED, quota)
    total = sum(needed.values())
    if total <= free:
        return None
    shares = ", ".join(f"{name} {count}" for name, count in needed.items())
    desired = max(_DEFAULT_QUOTA, quota - free + total)
    return (
        f"Concurrent executions: the account's quota is {quota}, and at most {max(free, 0)} of them can be reserved; "
        f"this deployment reserves {total} ({shares}).\n"
        f"  Request more: aws service-quotas request-service-quota-increase --service-code lambda "
        f"--quota-code {_CONCURRENCY_QUOTA} --desired-value {desired}\n"
        f"  Until then, set ReservedConcurrency=0 in samconfig.toml: nothing is reserved, up to {quota} "
        f"generators run, and they can block the other functions."
    )


def _generators_problem(parameters: Mapping[str, str], reserved: int | None) -> str | None:
    """Return what to do if more generators are to be ready than may run, or None. None are `reserved` if it is None.

    CloudFormation's rules cannot compare numbers. Lambda throttles every other version, so also the one that
    RolloutCheck draws with, if the provisioned environments use the whole reservation.
    """
    least, most = int(parameters["ProvisionedConcurrency"]), int(parameters["MaxProvisionedConcurrency"])
    if 0 < most < least:
        return f"MaxProvisionedConcurrency={most} is below ProvisionedConcurrency={least}. Raise it, or set it to 0."
    for name in ("ProvisionedConcurrency", "MaxProvisionedConcurrency", "WarmEnvironments"):
        if reserved is not None and int(parameters[name]) > reserved:
            return f"{name}={parameters[name]} exceeds ReservedConcurrency={reserved}. Raise the latter."
    for name in ("ProvisionedConcurrency", "MaxProvisionedConcurrency"):
        if int(parameters[name]) == reserved:
            return (
                f"{name}={parameters[name]} leaves nothing of ReservedConcurrency={reserved} for a new version, so "
                "that every rollout would fail at its check. Raise the latter."
            )
    return None


def _reserved(functions: Any, name: str) -> int:
    reserved: int = functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0)
    return reserved


def memory_problem(functions: Any, parameters: Mapping[str, str], stack_name: str) -> str | None:
    """Return what to do if the account does not allow GeneratorMemory, or None if it was not refused.

    GetAccountSettings does not report this quota. Lambda validates the memory of a request before it looks for the
    function, so this asks for an update of a function that does not exist. Not covered: an account where Lambda
    answers in the other order. Raises botocore's ClientError if the answer is neither.
    """
    memory = int(parameters["GeneratorMemory"])
    try:
        functions.update_function_configuration(FunctionName=f"{stack_name}-quota-check", MemorySize=memory)
    except ClientError as error:
        match error.response["Error"]["Code"]:
            case "ResourceNotFoundException":
                return None
            case "ValidationException" | "InvalidParameterValueException":
                return (
                    f"Memory: the account does not allow GeneratorMemory={memory}; a new account allows "
                    f"{_NEW_ACCOUNT_MB}.\n"
                    f"  Ask AWS Support to raise the Lambda memory quota of this account and region.\n"
                    f"  Until then, set GeneratorMemory={_NEW_ACCOUNT_MB} in samconfig.toml: enough for the demo model."
                )
        raise
    return None


def problems(
    functions: Any, parameters: Mapping[str, str], stack_name: str, deployed: Collection[str]
) -> tuple[list[str], list[str]]:
    """Return the problems found, and what could not be checked because AWS did not answer."""
    found, unchecked = [], []
    checks: dict[str, Callable[[], str | None]] = {
        "Lambda's concurrency quota": lambda: concurrency_problem(functions, parameters, deployed),
        "Lambda's memory quota": lambda: memory_problem(functions, parameters, stack_name),
    }
    for subject, check in checks.items():
        try:
            problem = check()
        except (BotoCoreError, ClientError) as error:
            unchecked.append(f"{subject}: {error}")
        else:
            found += [problem] if problem else []
    return found, unchecked
