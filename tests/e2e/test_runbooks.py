"""The commands of docs/operations.md, run by bash and the real AWS CLI against the local stack.

MiniStack lacks the message move tasks of SQS. For those the CLI only checks the parameters, and the test checks that
the tasks move messages from a dead-letter queue to its own source.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.conftest import ROOT
from tests.e2e.conftest import Aws
from tools.local.deploy import STACK
from tools.local.endpoint import Endpoint
from tools.local.runbook_commands import Shell

DOCUMENT = (ROOT / "docs" / "operations.md").read_text()


def blocks(title: str) -> list[str]:
    """Return the commands of the section, for the local stack's name."""
    section = DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [each.replace("imagegen-dev", STACK) for each in re.findall(r"```bash\n(.*?)```", section, re.DOTALL)]


def moved(aws: Aws, shell: Shell) -> list[tuple[str, str]]:
    """Return (dead-letter queue, destination) of each started task, and check that the one redrives to the other."""
    pairs = []
    for line in shell.moves.read_text().splitlines():
        words = line.split()
        options = dict(zip(words[2::2], words[3::2], strict=True))
        if words[1] == "start-message-move-task":
            source, destination = options["--source-arn"], options["--destination-arn"]
            assert aws.dead_letters_of(destination) == source
            pairs.append((source, destination))
    return pairs


def test_the_value_of_the_first_tenants_key_is_printed(shell: Shell, stack: Endpoint) -> None:
    (block,) = blocks("Callers")
    assert shell.run(block).strip() == stack.api_key


def test_buried_webhooks_are_shown_with_their_reason_and_moved_back(aws: Aws, shell: Shell) -> None:
    aws.send("WebhooksDeadLetters", '{"version": 1}', reason="status_410")
    names, show, move, *_ = blocks("Dead letters")
    shown: list[Any] = json.loads(shell.run(names + show))
    assert ["status_410", '{"version": 1}'] in shown
    assert json.loads(shell.run(names + show)) == shown  # they stay in the queue
    shell.run(names + move)
    ((source, destination),) = moved(aws, shell)
    assert ("WebhooksDeadLetters" in source, "WebhooksQueue" in destination) == (True, True)


def test_dead_jobs_are_kept_from_failing_and_moved_back(aws: Aws, shell: Shell) -> None:
    names, _, _, stop, move, start = blocks("Dead letters")
    assert aws.mapping_state("JobsDeadLetters") == "Enabled"
    shell.run(names + stop)
    assert aws.mapping_state("JobsDeadLetters") == "Disabled"
    # The rest is typed into the same shell, which knows the mapping.
    shell.run(names + stop + move + start)
    assert aws.mapping_state("JobsDeadLetters") == "Enabled"
    ((source, destination),) = moved(aws, shell)
    assert ("JobsDeadLetters" in source, "JobsQueue" in destination) == (True, True)
