"""An audit that tests read."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagegen.errors.moderation import Stage
from imagegen.moderation.ports import Blocked


@dataclass
class RecordingAudit:
    """Implements moderation.ports.Audit."""

    blocked: list[Blocked] = field(default_factory=list)
    unavailable: list[tuple[Stage, str]] = field(default_factory=list)

    def moderation_blocked(self, record: Blocked) -> None:
        self.blocked.append(record)

    def moderation_unavailable(self, stage: Stage, cause: str) -> None:
        self.unavailable.append((stage, cause))
