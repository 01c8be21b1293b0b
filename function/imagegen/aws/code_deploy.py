"""Deployments of CodeDeploy, from the function that it asks."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from botocore.config import Config

from imagegen.aws.clients import client, translated

_CONFIG: Final = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=20)


class CodeDeployRollouts:
    """Implements rollout.ports.Rollouts."""

    @cached_property
    def _client(self) -> Any:
        return client("codedeploy", _CONFIG)

    def group_of(self, deployment: str) -> str:
        """Return the name of the deployment's group."""
        with translated("CodeDeploy"):
            return str(self._client.get_deployment(deploymentId=deployment)["deploymentInfo"]["deploymentGroupName"])

    def report(self, deployment: str, execution: str, *, passed: bool) -> None:
        """Let the deployment go on, or roll it back."""
        with translated("CodeDeploy"):
            self._client.put_lifecycle_event_hook_execution_status(
                deploymentId=deployment,
                lifecycleEventHookExecutionId=execution,
                status="Succeeded" if passed else "Failed",
            )
