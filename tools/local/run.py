"""`make run`: `imagegen generate` on the stack that `make serve` runs, or on one that is started for it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from imagegen_cli.credential import api_key
from imagegen_cli.destination import destination
from imagegen_cli.drawing import Drawing, draw
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.profile import Profile
from imagegen_cli.watch import watching
from tools.local.arguments import MakeParser
from tools.local.endpoint import Endpoint
from tools.local.process import ROOT, Output, StackError, free_port
from tools.local.stack import LOCAL, local_stack, running_endpoint

DEFAULT_PROMPT: Final = "a small red circle above a large blue square on a white background"
LOG: Final = LOCAL / "run.log"
_LOGGED: Final = {ExitCode.SERVICE_FAILED, ExitCode.UNREACHABLE, ExitCode.TIMEOUT, ExitCode.JOB_FAILED}


def main() -> int:
    drawing = _drawing()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # exit through the context managers: they stop the stack
    running = running_endpoint()
    try:
        with _endpoint(running) as endpoint:
            draw(drawing, Profile(None, endpoint.base_url, api_key(endpoint.api_key)), timeout=None, as_json=False)
    except (KeyboardInterrupt, OSError, Failure, StackError) as error:
        print(_explain(error, "the log of `make serve`" if running else str(LOG.relative_to(ROOT))), file=sys.stderr)
        return 1
    if not running:
        print("The stack has stopped, so the URL no longer works; `make serve` keeps a stack running.", file=sys.stderr)
    return 0


def _drawing() -> Drawing:
    """Return what the arguments ask for. Exits with 2 if one of them is wrong."""
    parser = MakeParser(description=__doc__)
    parser.add_argument("--prompt", default=DEFAULT_PROMPT)
    parser.add_argument("--seed", type=_seed, help="0 to 4294967295; random if omitted")
    parser.add_argument("--out", type=Path, default="out.png", help="its extension chooses the format")
    arguments = parser.parse_args()
    try:
        place = destination(arguments.out, "OUT")
    except Failure as failure:
        parser.error(failure.detail)
    # A running stack may offer another model than MODEL; the API then answers with an error.
    optional = {"seed": arguments.seed, "output_format": place.format, "model": os.environ.get("MODEL") or None}
    request = {name: value for name, value in optional.items() if value is not None}
    return Drawing({"prompt": arguments.prompt, **request}, place, wait=True)


def _seed(text: str) -> int:
    """Raises argparse.ArgumentTypeError. The API checks the bounds."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 4294967295") from None


@contextmanager
def _endpoint(running: Endpoint | None) -> Iterator[Endpoint]:
    """Yield the running stack, or one that is started for this call. Raises StackError and OSError."""
    if running:
        print(f"Using the stack of `make serve` at {running.base_url}.", file=sys.stderr)
        yield running
        return
    with ExitStack() as cleanup:
        with watching("Starting the local stack", as_json=False):
            stack = cleanup.enter_context(local_stack(free_port(), Output(LOG)))
        yield stack.endpoint


def _explain(error: BaseException, log: str) -> str:
    """Return what went wrong, without hints on how to go on: the stack may have stopped."""
    match error:
        case KeyboardInterrupt():
            return "Interrupted."
        case Failure():
            return error.text() + (f"\nSee {log}." if error.exit_code in _LOGGED else "")
    return f"The local stack did not start. {error}"


if __name__ == "__main__":
    sys.exit(main())
