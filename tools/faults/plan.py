"""The share of AWS calls that meet a fault, by operation and kind of fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from random import Random
from typing import Final, Literal, cast

Kind = Literal["refused", "dropped", "truncated", "throttled", "failed", "delayed", "clean"]
CLEAN: Final = "clean"


@dataclass(frozen=True)
class Mix:
    """The share of calls that meet each fault. A call meets at most one."""

    refused: float = 0.0
    """The connection fails: the call does not reach AWS."""
    dropped: float = 0.0
    """AWS executes the call, but the client times out before it reads an answer."""
    truncated: float = 0.0
    """AWS executes the call, but the connection breaks in the middle of the answer."""
    throttled: float = 0.0
    """AWS rejects the call because of its rate."""
    failed: float = 0.0
    """AWS answers 500 without executing the call."""
    delayed: float = 0.0
    """The call succeeds after a delay of up to FaultPlan.delay_s."""

    @classmethod
    def evenly(cls, share: float) -> Mix:
        """Return a mix in which `share` of the calls meet a fault, each kind equally often."""
        return cls(**{each.name: share / len(fields(cls)) for each in fields(cls)})

    @classmethod
    def lost_replies(cls, share: float) -> Mix:
        """Return a mix in which AWS executes every call, but the answers to `share` of them do not arrive."""
        return cls(dropped=share / 2, truncated=share / 2)

    def draw(self, random: Random) -> Kind:
        """Return the fault of the next call, or `clean`."""
        left = random.random()
        for kind, share in asdict(self).items():
            left -= share
            if left < 0:
                return cast(Kind, kind)
        return CLEAN


@dataclass(frozen=True)
class FaultPlan:
    """A mix per operation (`dynamodb.UpdateItem`) or per service (`dynamodb`); else the default."""

    default: Mix
    mixes: Mapping[str, Mix] = field(default_factory=dict)
    delay_s: float = 0.05
    """Longest delay."""
    backoff: float = 0.02
    """Factor on botocore's pauses between attempts. The number of attempts does not change."""

    def of(self, operation: str) -> Mix:
        """Return the mix for an operation such as `dynamodb.UpdateItem`."""
        service = operation.partition(".")[0]
        return self.mixes.get(operation, self.mixes.get(service, self.default))
