"""What S3 answers to an upload's form, by the conditions of its policy ("POST Policy" in S3's API reference).

moto and MiniStack store whatever they get.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

ACCEPTED: Final = 204
DENIED: Final = (403, "AccessDenied")
UNCONDITIONED: Final = {"policy", "x-amz-signature", "file"}
"""Fields that need no condition; another one is refused unless the policy names it."""


def conditions(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the policy of the form, with its expiration."""
    document: dict[str, Any] = json.loads(base64.b64decode(fields["policy"]))
    return document


def answer(sent: Mapping[str, str], length: int, now: datetime, bucket: str) -> int | tuple[int, str]:
    """Return S3's status, with its code if the form is refused. `sent` are the fields, without the file."""
    policy = conditions(sent)
    if datetime.fromisoformat(policy["expiration"]) <= now:
        return DENIED
    exact = {name: value for each in policy["conditions"] if isinstance(each, dict) for name, value in each.items()}
    ranges = [each for each in policy["conditions"] if isinstance(each, list)]
    assert {each[0] for each in ranges} <= {"content-length-range"}
    if not sent.keys() <= exact.keys() | UNCONDITIONED:
        return DENIED
    if any({**sent, "bucket": bucket}.get(name) != value for name, value in exact.items()):
        return DENIED
    for _, least, most in ranges:
        if length < least:
            return 400, "EntityTooSmall"
        if length > most:
            return 400, "EntityTooLarge"
    return ACCEPTED
