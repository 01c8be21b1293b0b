"""Which share of which AWS calls fails, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from random import Random
from typing import Final, Literal, cast

Kind = Literal["refused", "dropped", "truncated", "throttled", "failed", "delayed", "clean"]
CLEAN: Final = "clean"


@dataclass(frozen=True)
class Mix:
    """The share of calls that meet each fault; at most one fault a call."""

    refused: float = 0.0
    """No connection: AWS never sees the call."""
    dropped: float = 0.0
    """AWS carries the call out; the connection then stays silent until the client gives up."""
    truncated: float = 0.0
    """AWS carries the call out; the connection breaks in the middle of the answer."""
    throttled: float = 0.0
    failed: float = 0.0
    """AWS answers 500 without having done anything."""
    delayed: float = 0.0

    @classmethod
    def evenly(cls, share: float) -> Mix:
        """Each kind as often as the others, `share` of the calls in all."""
        return cls(**{each.name: share / len(fields(cls)) for each in fields(cls)})

    @classmethod
    def lost_replies(cls, share: float) -> Mix:
        return cls(dropped=share / 2, truncated=share / 2)

    def draw(self, random: Random) -> Kind:
        left = random.random()
        for kind, share in asdict(self).items():
            left -= share
            if left < 0:
                return cast(Kind, kind)
        return CLEAN


@dataclass(frozen=True)
class FaultPlan:
    """A mix per operation (`dynamodb.UpdateItem`), per service (`dynamodb`), else the default."""

    default: Mix
    mixes: Mapping[str, Mix] = field(default_factory=dict)
    delay_s: float = 0.05
    """The longest delay."""
    backoff: float = 0.02
    """Share of botocore's own pauses between attempts that is really waited; all of its attempts are made."""

    def of(self, operation: str) -> Mix:
        service = operation.partition(".")[0]
        return self.mixes.get(operation, self.mixes.get(service, self.default))
