"""`imagegen batch`."""

from __future__ import annotations

from imagegen_cli import options


def batch(
    file: options.BatchFile,
    out: options.BatchFolder = None,
    concurrency: options.Concurrency = 4,
    profile: options.ProfileName = None,
    timeout: options.BatchTimeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Draw a request per line, several at a time. Repeat an interrupted command: no line is drawn or paid twice."""
    from imagegen_cli.batch.command import run_batch
    from imagegen_cli.session import chosen_profile

    run_batch(file, out, concurrency, chosen_profile(profile), timeout, as_json)
