"""Log of requests, responses and deliveries. Survives SIGKILL."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class History:
    """JSON lines in `folder`, one file per process. Safe to use from several threads."""

    def __init__(self, folder: Path):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / f"{os.getpid()}.history", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, event: str, **fields: Any) -> None:
        """Append an entry with the current time as `at`, in epoch seconds."""
        os.write(self._file, (json.dumps({"event": event, "at": time.time()} | fields) + "\n").encode())

    def entries(self, event: str) -> list[Entry]:
        """Entries of every process with this event name, oldest first."""
        lines = (line for path in self._folder.glob("*.history") for line in path.read_text().splitlines())
        found = (entry for entry in map(json.loads, lines) if entry["event"] == event)
        return sorted(found, key=lambda entry: float(entry["at"]))
