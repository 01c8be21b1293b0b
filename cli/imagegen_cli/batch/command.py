"""`imagegen batch`, from the file to the sum of the receipts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from imagegen_cli.batch.drawer import Drawer, key_of
from imagegen_cli.batch.entry import Entry, Totals
from imagegen_cli.batch.folder import Folder
from imagegen_cli.batch.lines import Line, read_lines
from imagegen_cli.batch.progress import progress
from imagegen_cli.batch.run import Run
from imagegen_cli.batch.stopping import Stop
from imagegen_cli.client import Client
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure, usage
from imagegen_cli.home import expanded
from imagegen_cli.output import show
from imagegen_cli.profile import Profile

_HINT: Final = "Lines that are done stay done. To go on, repeat the command."


def run_batch(
    path: Path, out: Path | None, concurrency: int, profile: Profile, timeout: float | None, as_json: bool
) -> None:
    """Draw what is left of the file's lines, and report on all of them. Raises Failure."""
    if timeout is not None and not timeout > 0:  # also NaN
        raise usage("--timeout: give more than 0 seconds.")
    lines = read_lines(expanded(path))
    with Folder(_folder(path, out)) as folder:
        keys = {key_of(folder.batch_id, line): line for line in lines}
        earlier = sum(key in folder.entries for key in keys)
        stopped = _draw(folder, keys, profile, Stop(timeout), concurrency, as_json)
        entries = _entries(folder, keys)
    summary = _summary(folder, len(lines), earlier, entries)
    show(as_json, summary, lambda: _text(summary))
    _require_success(stopped, entries)


def _folder(path: Path, out: Path | None) -> Path:
    folder = expanded(out or Path(path.stem))
    if folder.exists() and not folder.is_dir():
        raise usage(f"{folder} is not a folder: name the folder of the images with --out.")
    return folder


def _draw(
    folder: Folder, keys: Mapping[str, Line], profile: Profile, stop: Stop, concurrency: int, as_json: bool
) -> Failure | None:
    """Draw the lines that have no entry. Returns why the batch stopped before its end."""
    left = [line for key, line in keys.items() if key not in folder.entries]
    drawer = Drawer(Client(profile, stop, lambda _: None, stop.sleep), folder, stop)
    try:
        with progress(len(keys), len(keys) - len(left), as_json) as shown:
            run = Run(left, drawer, folder, stop, lambda entry: shown.ended(entry, _entries(folder, keys)))
            run.draw(min(concurrency, len(left)))
    except KeyboardInterrupt:
        return Failure(ExitCode.INTERRUPTED, "Interrupted.")
    except Failure as failure:
        return failure
    return None


def _entries(folder: Folder, keys: Mapping[str, Line]) -> list[Entry]:
    """Those of the file; the folder may have others, of lines that have been edited since."""
    return [folder.entries[key] for key in keys if key in folder.entries]


def _summary(folder: Folder, lines: int, earlier: int, entries: Sequence[Entry]) -> dict[str, Any]:
    totals = asdict(Totals.of(entries))
    return {"results": str(folder.results), "lines": lines, "earlier": earlier, **totals, "left": lines - len(entries)}


def _text(summary: Mapping[str, Any]) -> str:
    rows = [
        f"{summary['results']}: {summary['succeeded']:,} of {summary['lines']:,} lines succeeded, "
        f"{summary['failed']:,} failed, {summary['left']:,} left ({summary['earlier']:,} by earlier runs)",
        f"  images   {summary['images']:,}, {summary['cached']:,} lines from the cache",
        f"  cost     ${summary['usd']:.8f} on AWS ({summary['seconds']:,.1f} s)",
    ]
    return "\n".join(rows)


def _require_success(stopped: Failure | None, entries: Sequence[Entry]) -> None:
    """Raises Failure: why the batch stopped, or, if a line has failed, that of a job."""
    failed = [entry for entry in entries if not entry.has_succeeded]
    if stopped:
        stopped.go_on([_HINT])
        raise stopped
    if failed:
        again = sum(bool(entry.retryable) for entry in failed)
        failure = Failure(ExitCode.JOB_FAILED, f"{len(failed)} of the lines failed; {again} of them may pass later.")
        failure.go_on([_HINT] if again else [])
        raise failure
