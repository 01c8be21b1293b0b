"""The client of one command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from imagegen_cli.client import Client
from imagegen_cli.deadline import Deadline
from imagegen_cli.environment import read_environment
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure, usage
from imagegen_cli.profile import Profile
from imagegen_cli.target import target
from imagegen_cli.watch import Watch, watching

SETTLED: Final = {
    ExitCode.USAGE,
    ExitCode.REFUSED,
    ExitCode.KEY_REFUSED,
    ExitCode.NOT_FOUND,
    ExitCode.JOB_FAILED,
    ExitCode.JOB_CANCELLED,
}
"""After these there is nothing to go on with."""


@contextmanager
def session(
    profile: Profile, as_json: bool, timeout: float | None, what: str | None = None
) -> Iterator[tuple[Client, Watch]]:
    """Yield a client of the deployment, and what shows the progress of `what`. Raises Failure."""
    if timeout is not None and not timeout > 0:  # also NaN
        raise usage("--timeout: give more than 0 seconds.")
    with watching(what, as_json) as watch:
        yield Client(profile, Deadline(timeout), watch.note), watch


def chosen_profile(name: str | None) -> Profile:
    """Return the deployment that a command with this `--profile` calls. Raises Failure."""
    return target(name, read_environment(), Path.cwd())


@contextmanager
def resumable(*hints: str, settled: Set[ExitCode] = SETTLED, **known: str) -> Iterator[None]:
    """Tell a caller whose command ends here how to go on: after Ctrl-C, and after a failure not in `settled`."""
    try:
        yield
    except KeyboardInterrupt:
        failure = Failure(ExitCode.INTERRUPTED, "Interrupted.")
        failure.go_on(hints, **known)
        raise failure from None
    except Failure as failure:
        if failure.exit_code not in settled:
            failure.go_on(hints, **known)
        raise


def command(profile: Profile, *words: str) -> str:
    """Return a command for the same deployment, as a shell reads it."""
    return shlex.join(["imagegen", *words, *(["--profile", profile.name] if profile.name else [])])
