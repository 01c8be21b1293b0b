"""`make run`: generate one image through the API and download it from its presigned URL."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import requests

from tools.local.arguments import MakeParser
from tools.local.client import ApiError, BrokenImage, Client, JobFailed
from tools.local.endpoint import Endpoint
from tools.local.image_file import FORMATS, image_path, save
from tools.local.process import ROOT, Output, StackError, free_port
from tools.local.progress import progress
from tools.local.stack import LOCAL, local_stack, running_endpoint

DEFAULT_PROMPT: Final = "a small red circle above a large blue square on a white background"
LOG: Final = LOCAL / "run.log"
_FAILURES: Final = (ApiError, BrokenImage, JobFailed, StackError)


def main() -> int:
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # exit through the context managers: they stop the stack
    running = running_endpoint()
    try:
        result = _generate(arguments, running)
    except (KeyboardInterrupt, OSError, *_FAILURES) as error:  # requests' exceptions are OSErrors
        print(_explain(error, arguments.out, _log_of(running)), file=sys.stderr)
        return 1
    print(_report(arguments.out, result))
    if not running:
        print("The stack has stopped, so the URL no longer works; `make serve` keeps a stack running.", file=sys.stderr)
    return 0


def _generate(arguments: argparse.Namespace, running: Endpoint | None) -> dict[str, Any]:
    """Generate, save the image and return the result."""
    with _client(running) as client:
        with progress("Generating") as shown:
            result = client.generate(_request(arguments), on_job=shown.show_job)
        save(arguments.out, client.download(result["images"][0]))
    return result


def _explain(error: BaseException, out: Path, log: str) -> str:
    """Return what went wrong, as the developer should read it."""
    match error:
        case KeyboardInterrupt():
            return "Interrupted."
        case ApiError():
            return error.describe() + (f"\nSee {log}." if error.status >= 500 else "")
        case JobFailed():
            return f"{error}\nSee {log}."
        case BrokenImage():
            return f"The downloaded image does not match the result: {error}."
        case requests.RequestException():
            return f"The API cannot be reached: {error}\nSee {log}."
        case OSError():
            return f"{error.filename or out}: {error.strerror}."
    return f"The local stack did not start. {error}"


def _log_of(running: Endpoint | None) -> str:
    return "the log of `make serve`" if running else str(LOG.relative_to(ROOT))


def _parser() -> MakeParser:
    parser = MakeParser(description=__doc__)
    parser.add_argument("--prompt", default=DEFAULT_PROMPT)
    parser.add_argument("--seed", type=_seed, help="0 to 4294967295; random if omitted")
    parser.add_argument("--out", type=image_path, default="out.png", help="its extension chooses the format")
    return parser


def _seed(text: str) -> int:
    """Raises argparse.ArgumentTypeError. The API checks the bounds."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 4294967295") from None


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    request = {"prompt": arguments.prompt, "output_format": FORMATS[arguments.out.suffix.lower()]}
    if arguments.seed is not None:
        request["seed"] = arguments.seed
    if os.environ.get("MODEL"):  # a running stack may offer another model; the API then answers with an error
        request["model"] = os.environ["MODEL"]
    return request


@contextmanager
def _client(running: Endpoint | None) -> Iterator[Client]:
    """Yield a client of the running stack, or of one that is started for this call."""
    if running:
        print(f"Using the stack of `make serve` at {running.base_url}.", file=sys.stderr)
        yield Client(running)
        return
    with ExitStack() as cleanup:
        with progress("Starting the local stack"):
            stack = cleanup.enter_context(local_stack(free_port(), Output(LOG)))
        yield Client(stack.endpoint)


def _report(out: Path, result: dict[str, Any]) -> str:
    timings, cost, image = result["timings"], result["cost"], result["images"][0]
    phases = ", ".join(f"{name.removesuffix('_ms')} {ms}" for name, ms in timings.items() if name != "total_ms")
    origin = "from the cache" if result["cached"] else "cold start" if result["cold_start"] else "warm"
    lines = [
        f"{out}",
        f"  url      {image['url']}",
        f"  seed     {image['seed']}",
        f"  image    {image['width']} x {image['height']}, {image['bytes']:,} bytes, model {result['model']}",
        f"  timings  {timings['total_ms']} ms total ({phases}), {origin}",
        f"  cost     ${cost['usd']:.8f} on Lambda ({cost['billed_ms']} ms at {cost['memory_mb']:,} MB)",
        *(f"  warning  {warning}" for warning in result["warnings"]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
