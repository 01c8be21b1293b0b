"""Events of AWS services, and other input, that none of the HTTP functions serves.

The services' events are those of `sam local generate-event`, or AWS's documented shapes where it has none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_FILE: Final = Path(__file__).parent / "data" / "foreign-events.json"

FOREIGN_EVENTS: Final[dict[str, Any]] = json.loads(_FILE.read_text()) | {
    "{}": {},
    "null": None,
    "a list": ["a red circle"],
    "a string": "a red circle",
    "a number": 7,
    "a boolean": True,
    "a misspelled request": {"promt": "a red circle"},
    "no records": {"Records": []},
    "records that are not a list": {"Records": "none"},
    "records that are not objects": {"Records": [None, 1, "x"]},
    "records without a body": {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "receiptHandle": "r"}]},
}
