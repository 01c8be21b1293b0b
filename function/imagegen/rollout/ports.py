"""What checks and warm-ups need from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Answer:
    """What a function answered."""

    payload: Any
    raised: str = ""
    """The message of the exception that the function raised, or Lambda's, such as for a timeout. Empty: none."""


class Functions(Protocol):
    """Invokes deployed functions. Thread-safe."""

    def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        """Return the answer of a function, version or alias, by name or ARN.

        Raises StorageUnavailable if Lambda does not answer, or refuses the call: FunctionBusy if it throttles for a
        while.
        """


class Files(Protocol):
    """Reads stored pictures."""

    def read(self, key: str) -> bytes | None:
        """Return the object, or None if there is none. Raises StorageUnavailable."""


class Rollouts(Protocol):
    """Deployments of CodeDeploy."""

    def group_of(self, deployment: str) -> str:
        """Return the name of the deployment's group. Raises StorageUnavailable."""

    def report(self, deployment: str, execution: str, *, passed: bool) -> None:
        """Let the deployment go on, or roll it back. Raises StorageUnavailable."""
