"""What was asked and what was answered, a JSON line each, kept where SIGKILL cannot reach it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Ledger:
    """One file per process; safe to use from several threads."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / f"{os.getpid()}.ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, event: str, **fields: Any) -> None:
        os.write(self._file, (json.dumps({"event": event, "at": time.time()} | fields) + "\n").encode())


def entries(folder: Path, event: str) -> list[Entry]:
    """Every process's entries of a kind, oldest first."""
    lines = (line for path in folder.glob("*.ledger") for line in path.read_text().splitlines())
    found = (entry for entry in map(json.loads, lines) if entry["event"] == event)
    return sorted(found, key=lambda entry: float(entry["at"]))
