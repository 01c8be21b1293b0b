"""The functions that check and warm new versions: the probes meet the real handlers, on moto."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from imagegen.aws.code_deploy import CodeDeployRollouts
from imagegen.aws.functions import LambdaFunctions
from imagegen.entrypoints import authorizer, generator, rollout_check, warmer
from imagegen.errors import FunctionBusy, StorageUnavailable
from imagegen.generation.result import WarmUp
from imagegen.rollout.ports import Answer
from imagegen.rollout.probes import PROBES
from imagegen.rollout_wiring import RolloutCheckContainer, WarmerContainer
from imagegen.settings import RolloutCheckSettings, WarmerSettings
from tests.support.handlers import ENTRYPOINTS, wired_handlers
from tools.lambda_event import Context

HANDLERS = {name: each.handler for name, each in ENTRYPOINTS.items()} | {"Authorizer": authorizer.handler}
GROUPS = {f"stack-{name}DeploymentGroup-1A2B": (name, name) for name in [*PROBES, "Generator"]}
HOOK = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "execution"}


class InProcess:
    """Lambda: events and answers are JSON, and an exception is an answer."""

    def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        try:
            answer = HANDLERS[function](json.loads(json.dumps(event)), Context())
        except Exception as error:
            return Answer({"errorMessage": str(error)}, str(error))
        return Answer(json.loads(json.dumps(answer)))


class Broken:
    def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        raise StorageUnavailable("", private="Lambda: ClientError AccessDeniedException")


class Deployment:
    """A deployment of a group, and what CodeDeploy was told."""

    def __init__(self, function: str):
        self.group = next((group for group, (name, _) in GROUPS.items() if name == function), function)
        self.told: list[tuple[str, str, bool]] = []

    def group_of(self, deployment: str) -> str:
        return self.group

    def report(self, deployment: str, execution: str, *, passed: bool) -> None:
        self.told.append((deployment, execution, passed))


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[None]:
    with wired_handlers():
        yield


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Deployment]]:
    """Return what the handler answers for a deployment of the function, and the deployment."""

    def checked(function: str, functions: Any = None) -> tuple[Any, Deployment]:
        container = RolloutCheckContainer(RolloutCheckSettings(new_versions=GROUPS))
        deployment = Deployment(function)
        container.functions, container.rollouts = functions or InProcess(), deployment
        monkeypatch.setattr(rollout_check, "container", container)
        return rollout_check.handler(HOOK, Context()), deployment

    return checked


@pytest.mark.parametrize("function", PROBES)
def test_a_version_that_starts_gets_traffic(check: Callable[..., tuple[Any, Deployment]], function: str) -> None:
    answer, deployment = check(function)
    assert answer == {"passed": True, "problem": None}
    assert deployment.told == [("d-1", "execution", True)]


@pytest.mark.parametrize("function", [*PROBES, "Generator"])
def test_a_version_that_cannot_be_invoked_does_not(
    check: Callable[..., tuple[Any, Deployment]], function: str, printed: Callable[[], str]
) -> None:
    answer, deployment = check(function, Broken())
    assert answer["problem"] == "Lambda: ClientError AccessDeniedException"
    assert deployment.told == [("d-1", "execution", False)]
    (line,) = [json.loads(line) for line in printed().splitlines() if '"rollout checked"' in line]
    assert (line["level"], line["deployment"], line["problem"]) == ("ERROR", "d-1", answer["problem"])


def test_a_check_that_crashes_stops_the_rollout(check: Callable[..., tuple[Any, Deployment]]) -> None:
    class Crashing:
        def invoke(self, function: str, event: dict[str, Any]) -> Answer:
            raise KeyError("a field that a later version renamed")

    answer, deployment = check("Generator", Crashing())
    assert answer["problem"] == "the check itself failed: KeyError"
    assert deployment.told == [("d-1", "execution", False)]


def test_a_group_of_another_stack_is_not_passed(check: Callable[..., tuple[Any, Deployment]]) -> None:
    answer, deployment = check("another-group")
    assert "another-group is not one of this stack's" in answer["problem"]
    assert deployment.told == [("d-1", "execution", False)]


@pytest.mark.parametrize("event", [{}, [], None, "x", {"DeploymentId": "d-1"}, HOOK | {"DeploymentId": 1}])
def test_another_event_is_refused_and_code_deploy_is_not_called(event: Any) -> None:
    assert rollout_check.handler(event, Context())["statusCode"] == 400


def test_code_deploy_is_told_by_the_names_of_its_api() -> None:
    rollouts = CodeDeployRollouts()
    with Stubber(rollouts._client) as stub:
        stub.add_response(
            "get_deployment", {"deploymentInfo": {"deploymentGroupName": "group"}}, {"deploymentId": "d-1"}
        )
        assert rollouts.group_of("d-1") == "group"
        for passed, status in ((True, "Succeeded"), (False, "Failed")):
            told = {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "execution", "status": status}
            stub.add_response("put_lifecycle_event_hook_execution_status", {}, told)
            rollouts.report("d-1", "execution", passed=passed)


def test_an_answer_and_an_exception_of_a_function_are_told_apart() -> None:
    functions = LambdaFunctions(answer_within_s=5)
    with Stubber(functions._client) as stub:
        stub.add_response("invoke", {"Payload": _Body(b'{"status": "warm"}')}, {"FunctionName": "f", "Payload": "{}"})
        assert functions.invoke("f", {}) == Answer({"status": "warm"})
        failed = b'{"errorMessage": "Unauthorized", "errorType": "Refused"}'
        stub.add_response("invoke", {"Payload": _Body(failed), "FunctionError": "Unhandled"})
        assert functions.invoke("f", {}).raised == "Unauthorized"
        stub.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
        with pytest.raises(StorageUnavailable) as raised:
            functions.invoke("f", {})
    assert "TooManyRequestsException" in raised.value.private


def test_a_check_waits_for_free_concurrency_and_repeats_nothing_else() -> None:
    waited: list[float] = []
    functions = LambdaFunctions(answer_within_s=5, waits_s=(2, 4), sleep=waited.append)
    with Stubber(functions._client) as stub:
        stub.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
        stub.add_response("invoke", {"Payload": _Body(b"1")})
        assert functions.invoke("f", {}) == Answer(1)
        for _ in range(3):
            stub.add_client_error("invoke", "TooManyRequestsException", http_status_code=429)
        with pytest.raises(FunctionBusy):
            functions.invoke("f", {})
        stub.add_client_error("invoke", "ServiceException", http_status_code=500)
        with pytest.raises(StorageUnavailable) as other:
            functions.invoke("f", {})
        assert not isinstance(other.value, FunctionBusy)
    assert waited == [2, 2, 4]


class _Body:
    def __init__(self, data: bytes):
        self._data = data

    def read(self) -> bytes:
        return self._data


# -- warm-up -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """Return what the warmer answers. All environments are this process, whose model is warm."""
    warm = WarmUp(
        model="demo", engine="openvino", device="cpu", precision="f32", reason="", cold_start=False, load_ms=0
    )
    monkeypatch.setattr(generator, "_warm", lambda model: warm)
    monkeypatch.setitem(HANDLERS, "generator:live", generator.handler)

    def ping(environments: int) -> Any:
        container = WarmerContainer(WarmerSettings(warmed_function="generator:live", warm_environments=environments))
        container.functions = InProcess()
        monkeypatch.setattr(warmer, "container", container)
        return warmer.handler({}, Context())

    return ping


def test_one_environment_is_warm(pings: Callable[[int], Any], printed: Callable[[], str]) -> None:
    assert pings(1) == {"wanted": 1, "environments": 1, "cold": 0, "failures": {}}
    (line,) = [json.loads(line) for line in printed().splitlines() if '"environments warmed"' in line]
    assert (line["level"], line["wanted"], line["environments"]) == ("INFO", 1, 1)


def test_pings_that_reach_the_same_environment_are_a_warning(
    pings: Callable[[int], Any], printed: Callable[[], str]
) -> None:
    assert pings(2)["environments"] == 1
    (line,) = [json.loads(line) for line in printed().splitlines() if '"environments warmed"' in line]
    assert (line["level"], line["wanted"], line["environments"]) == ("WARNING", 2, 1)
