"""A new account's quotas are reported before anything is built. botocore's Stubber: moto knows no account limits."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tools.deploy.parameters import resolve
from tools.deploy.quotas import concurrency_problem, memory_problem, problems

NAMES = ("Generator", "Worker", "Api", "Sweeper", "DeadLetters")


@pytest.fixture
def functions() -> Any:
    return boto3.client("lambda", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def parameters(**changed: str) -> dict[str, str]:
    return {name: each.value for name, each in resolve("dev", []).items()} | changed


def settings(stub: Stubber, quota: int, unreserved: int | None = None) -> None:
    limit = {
        "ConcurrentExecutions": quota,
        "UnreservedConcurrentExecutions": quota if unreserved is None else unreserved,
    }
    stub.add_response("get_account_settings", {"AccountLimit": limit}, {})


def test_an_established_account_has_no_problem(functions: Any) -> None:
    with Stubber(functions) as stub:
        settings(stub, 1000)
        assert concurrency_problem(functions, parameters(), []) is None


@pytest.mark.parametrize(("quota", "unreserved", "free"), [(10, 10, 0), (50, 50, 0), (100, 100, 0), (223, 223, 123)])
def test_an_account_that_cannot_reserve_enough_is_refused(
    functions: Any, quota: int, unreserved: int, free: int
) -> None:
    with Stubber(functions) as stub:
        settings(stub, quota, unreserved)
        problem = concurrency_problem(functions, parameters(), [])
    assert problem is not None
    assert f"quota is {quota}, and at most {free} of them can be reserved; this deployment reserves 124" in problem
    assert "--service-code lambda --quota-code L-B99A9384 --desired-value 1000" in problem
    assert "ReservedConcurrency=0" in problem


def test_a_quota_that_just_suffices_is_no_problem(functions: Any) -> None:
    with Stubber(functions) as stub:
        settings(stub, 224)
        assert concurrency_problem(functions, parameters(), []) is None


def test_other_stacks_reservations_count_and_this_stacks_own_are_replaced(functions: Any) -> None:
    with Stubber(functions) as stub:
        settings(stub, 1000, 100)
        for name in NAMES:
            stub.add_response("get_function_concurrency", {"ReservedConcurrentExecutions": 25}, {"FunctionName": name})
        assert concurrency_problem(functions, parameters(), NAMES) is None
        settings(stub, 1000, 100)
        stub.add_response("get_function_concurrency", {}, {"FunctionName": "Generator"})
        problem = concurrency_problem(functions, parameters(), ["Generator"])
    assert "--desired-value 1124" in str(problem)


def test_a_deployment_without_reservations_fits_a_new_account(functions: Any) -> None:
    with Stubber(functions) as stub:
        settings(stub, 10)
        assert concurrency_problem(functions, parameters(ReservedConcurrency="0"), []) is None


def test_more_provisioned_than_reserved_is_refused(functions: Any) -> None:
    problem = concurrency_problem(functions, parameters(ProvisionedConcurrency="6"), [])
    assert "ProvisionedConcurrency=6 exceeds ReservedConcurrency=5" in str(problem)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"MaxProvisionedConcurrency": "6", "ProvisionedConcurrency": "1"}, "MaxProvisionedConcurrency=6 exceeds"),
        ({"MaxProvisionedConcurrency": "1", "ProvisionedConcurrency": "2"}, "=1 is below ProvisionedConcurrency=2"),
        ({"WarmEnvironments": "6", "WarmupState": "ENABLED"}, "WarmEnvironments=6 exceeds ReservedConcurrency=5"),
    ],
)
def test_more_ready_than_may_run_is_refused(functions: Any, changed: dict[str, str], problem: str) -> None:
    assert problem in str(concurrency_problem(functions, parameters(**changed), []))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ProvisionedConcurrency": "5"}, "ProvisionedConcurrency=5"),
        ({"ProvisionedConcurrency": "1", "MaxProvisionedConcurrency": "5"}, "MaxProvisionedConcurrency=5"),
    ],
)
def test_provisioned_concurrency_that_leaves_none_for_the_check_of_a_new_version_is_refused(
    functions: Any, changed: dict[str, str], named: str
) -> None:
    problem = str(concurrency_problem(functions, parameters(**changed), []))
    assert problem.startswith(f"{named} leaves nothing of ReservedConcurrency=5")
    with Stubber(functions) as stub:
        settings(stub, 1000)
        assert concurrency_problem(functions, parameters(ReservedConcurrency="6", **changed), []) is None
        settings(stub, 1000)
        assert concurrency_problem(functions, parameters(ReservedConcurrency="0", **changed), []) is None


@pytest.mark.parametrize("code", ["ValidationException", "InvalidParameterValueException"])
def test_memory_that_the_account_does_not_allow_is_refused(functions: Any, code: str) -> None:
    with Stubber(functions) as stub:
        stub.add_client_error(
            "update_function_configuration", code, "Member must have value less than or equal to 3008"
        )
        problem = memory_problem(functions, parameters(), "imagegen-dev")
    assert "does not allow GeneratorMemory=10240" in str(problem)
    assert "GeneratorMemory=3008" in str(problem)


def test_memory_that_the_account_allows_is_no_problem(functions: Any) -> None:
    with Stubber(functions) as stub:
        expected = {"FunctionName": "imagegen-dev-quota-check", "MemorySize": 10240}
        stub.add_client_error(
            "update_function_configuration", "ResourceNotFoundException", http_status_code=404, expected_params=expected
        )
        assert memory_problem(functions, parameters(), "imagegen-dev") is None


def test_what_may_not_be_asked_is_reported_and_the_rest_is_checked(functions: Any) -> None:
    with Stubber(functions) as stub:
        stub.add_client_error("get_account_settings", "AccessDeniedException", "no permission")
        stub.add_client_error("update_function_configuration", "ValidationException")
        found, unchecked = problems(functions, parameters(), "imagegen-dev", [])
    assert [each.partition(":")[0] for each in found] == ["Memory"]
    assert len(unchecked) == 1
    assert "concurrency quota" in unchecked[0]
    assert "no permission" in unchecked[0]
