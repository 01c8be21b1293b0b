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

from tools.local.client import ApiError, BrokenImage, Client, JobFailed
from tools.local.endpoint import Endpoint
from tools.local.process import ROOT, StackError, free_port
from tools.local.progress import progress
from tools.local.stack import LOCAL, local_stack, running_endpoint

DEFAULT_PROMPT: Final = "a small red circle above a large blue square on a white background"
LOG: Final = LOCAL / "run.log"
_SEE_LOG: Final = f"\nSee {LOG.relative_to(ROOT)}, or the output of `make serve` if it is running."


def main() -> int:
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # exit through the context managers: they stop the stack
    request = {"prompt": arguments.prompt} | ({} if arguments.seed is None else {"seed": arguments.seed})
    if os.environ.get("MODEL"):  # a running stack may offer another model; the API then answers with an error
        request["model"] = os.environ["MODEL"]
    running = running_endpoint()
    try:
        with _client(running) as client:
            with progress("Generating"):
                result = client.generate(request)
            image = result["images"][0]
            arguments.out.write_bytes(client.download(image))
    except KeyboardInterrupt:
        return _failed("Interrupted.")
    except ApiError as error:
        return _failed(error.describe() + (_SEE_LOG if error.status >= 500 else ""))
    except BrokenImage as error:
        return _failed(f"The downloaded image does not match the result: {error}.")
    except JobFailed as error:
        return _failed(str(error) + _SEE_LOG)
    except requests.RequestException as error:
        return _failed(f"The API cannot be reached: {error}")
    except StackError as error:
        return _failed(f"The local stack did not start. {error}" + _SEE_LOG)
    print(_report(arguments.out, result, image))
    if not running:
        print("The stack has stopped, so the URL no longer works; `make serve` keeps a stack running.", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default=DEFAULT_PROMPT)
    parser.add_argument("--seed", type=int, help="0 to 4294967295; random if omitted")
    parser.add_argument("--out", type=_png, default=Path("out.png"))
    return parser


def _png(text: str) -> Path:
    """Reject a path that cannot be written before generating, not after. Raises argparse.ArgumentTypeError."""
    path = Path(text)
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not the path of a .png file in an existing folder")
    return path


@contextmanager
def _client(running: Endpoint | None) -> Iterator[Client]:
    """Yield a client of the running stack, or of one that is started for this call."""
    if running:
        yield Client(running)
        return
    with ExitStack() as cleanup:
        with progress("Starting the local stack"):
            stack = cleanup.enter_context(local_stack(free_port(), LOG))
        yield Client(stack.endpoint)


def _report(out: Path, result: dict[str, Any], image: dict[str, Any]) -> str:
    timings, cost = result["timings"], result["cost"]
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


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
