"""A TurnStore in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagegen.errors import StorageUnavailable
from imagegen.jobs.ports import Listed


@dataclass
class MemoryTurns:
    """Jobs that wait, and whose turn it was. `jobs` is None while it does not respond."""

    jobs: list[Listed] | None = field(default_factory=list)
    turn: str = ""
    asked: int = 0
    """Calls of `waiting`."""

    def waiting(self, limit: int, after: str = "") -> list[Listed]:
        self.asked += 1
        if self.jobs is None:
            raise StorageUnavailable("unavailable")
        return [each for each in sorted(self.jobs) if each.tenant > after][:limit]

    def last(self) -> str:
        return self.turn

    def take(self, last: str, tenant: str) -> bool:
        taken = self.turn == last
        self.turn = tenant if taken else self.turn
        return taken
