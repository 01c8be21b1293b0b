"""The program: its commands, and how it ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Annotated

import typer

from imagegen_cli import __version__
from imagegen_cli.commands import (
    batch,
    cost,
    edit,
    generate,
    jobs,
    keys,
    me,
    models,
    profiles,
    report,
    upload,
    upscale,
    usage,
    verify,
)
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.output import show_failure

app = typer.Typer(
    name="imagegen",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # half the time of --help, and text that can be copied
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate.generate)
app.command()(edit.edit)
app.command()(upscale.upscale)
app.command()(upload.upload)
app.command()(verify.verify)
app.command()(batch.batch)
app.command(name="jobs")(jobs.list_jobs)
app.command(name="job")(jobs.show_job)
app.command()(jobs.cancel)
app.command()(models.models)
app.command()(me.me)
app.command()(usage.usage)
app.command()(report.report)
app.command()(cost.cost)
app.add_typer(keys.app, name="keys")
app.add_typer(profiles.app, name="profile")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def imagegen(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Draw images with Stable Diffusion on Lambda: a client of any deployment."""


def main() -> None:
    """Run the command of the process's arguments, and exit."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.TERMINATED))  # through the blocks that delete drafts
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character is no failure
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in options
    try:
        code = app(args=list(arguments) or ["--help"], prog_name="imagegen", standalone_mode=False)
        if code == ExitCode.INTERRUPTED:  # Typer has caught KeyboardInterrupt
            raise KeyboardInterrupt
        return int(code or ExitCode.OK)
    except Failure as failure:
        return _ended(as_json, failure)
    except typer.TyperException as error:
        return _ended(as_json, Failure(ExitCode.USAGE, f"{error.format_message()} `--help` lists what there is."))
    except (KeyboardInterrupt, typer.Abort):
        return _ended(as_json, Failure(ExitCode.INTERRUPTED, "Interrupted."))


def _ended(as_json: bool, failure: Failure) -> int:
    show_failure(as_json, failure)
    return failure.exit_code
