"""The commands of the runbooks, and a shell that runs them with the real AWS CLI against a local stack.

MiniStack lacks the message move tasks of SQS: for those the CLI only checks the parameters
(`--generate-cli-skeleton`). It returns every log line for a pattern of JSON fields: `log_pattern` selects those that
match.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.local import log_pattern
from tools.local.deploy import STACK
from tools.local.process import ROOT

FOLDER: Final = ROOT / "docs" / "runbooks"
_BLOCK: Final = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SECTION: Final = re.compile(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_TIMEOUT_S: Final = 120
_AWS: Final = """#!/bin/bash
set -o pipefail
case "$1 $2" in
  "sqs "*message-move-task*)
    printf '%s ' "$@" >> "$MOVES"; echo >> "$MOVES"
    exec "$REAL_AWS" "$@" --generate-cli-skeleton output ;;
  "logs filter-log-events")
    "$REAL_AWS" --endpoint-url "$AWS_ENDPOINT_URL" "$@" | "$PYTHON" "$LOG_PATTERN" "$@"
    exit ;;
esac
exec "$REAL_AWS" --endpoint-url "$AWS_ENDPOINT_URL" "$@"
"""


def sections() -> dict[str, str]:
    """Return the text of each runbook by file and anchor, such as docs/runbooks/jobs.md#sweeper."""
    return {
        f"docs/runbooks/{page.name}#{heading}": text
        for page in sorted(FOLDER.glob("*.md"))
        for heading, text in _SECTION.findall(page.read_text())
    }


def functions() -> str:
    """Return the stack's name and the functions that all runbooks use, for the local stack."""
    (block,) = blocks((FOLDER / "README.md").read_text())
    assert "stack=imagegen-prod\n" in block
    return block.replace("stack=imagegen-prod\n", f"stack={STACK}\n")


def blocks(text: str) -> list[str]:
    """Return the blocks of commands in a text."""
    return _BLOCK.findall(text)


def blocks_by_alarm() -> dict[str, list[str]]:
    """Return the blocks of commands of each runbook, by the alarm's name without the stack's."""
    return {link.rpartition("#")[2]: blocks(text) for link, text in sections().items()}


class Shell:
    """Bash on a user's machine whose AWS is the local stack."""

    def __init__(self, environment: dict[str, str], folder: Path):
        """`environment`: the user's AWS variables; `folder`: for the `aws` command and the list of moves."""
        self.moves = folder / "moves"
        """The file that lists the commands that the stack cannot run."""
        command = folder / "aws"
        command.write_text(_AWS)
        command.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._environment = kept | environment
        self._environment |= {
            "AWS_PAGER": "",
            "LOG_PATTERN": str(Path(log_pattern.__file__)),
            "MOVES": str(self.moves),
            "PATH": f"{folder}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "REAL_AWS": str(Path(sys.executable).parent / "aws"),
        }

    def run(self, script: str) -> str:
        """Return what the script prints. Raises AssertionError with its stderr if a command fails."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=_TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        return done.stdout
