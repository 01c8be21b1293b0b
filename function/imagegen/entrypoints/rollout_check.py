"""The zip function that CodeDeploy asks before a new version has traffic (BeforeAllowTraffic)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imagegen import telemetry
from imagegen.api.event_kind import refusal
from imagegen.entrypoints import initialized
from imagegen.errors import ServiceError
from imagegen.rollout_wiring import RolloutCheckContainer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

CODE_DEPLOY: Final = "lifecycle events of CodeDeploy"

container = RolloutCheckContainer.from_environment()


@telemetry.logger.inject_lambda_context(clear_state=True, log_event=False)
@telemetry.metrics.log_metrics
def handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Check the version that the deployment is about, and tell CodeDeploy; refuse any other event.

    A check that fails or cannot be made rolls the deployment back. Raises ServiceError if CodeDeploy cannot be told:
    Lambda invokes the function again, and CodeDeploy rolls back after an hour without an answer.
    """
    if not _is_hook(event):
        return refusal(context, CODE_DEPLOY)
    deployment = event["DeploymentId"]
    problem = _problem(deployment)
    telemetry.rollout_checked(deployment, problem)
    container.rollouts.report(deployment, event["LifecycleEventHookExecutionId"], passed=problem is None)
    return {"passed": problem is None, "problem": problem}


def _is_hook(event: object) -> bool:
    names = ("DeploymentId", "LifecycleEventHookExecutionId")
    return isinstance(event, dict) and all(isinstance(event.get(name), str) for name in names)


def _problem(deployment: str) -> str | None:
    try:
        group = container.rollouts.group_of(deployment)
        if group not in container.settings.new_versions:
            return f"the deployment group {group} is not one of this stack's"
        function, version = container.settings.new_versions[group]
        return container.check.problem(function, version)
    except ServiceError as error:
        telemetry.failed(error)
        return error.private or error.public_code
    except Exception as error:
        telemetry.crashed(error)
        return f"the check itself failed: {type(error).__name__}"


initialized()
