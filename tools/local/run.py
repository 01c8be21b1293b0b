"""`make run`: one picture through the API, its presigned URL and back to this machine."""

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

from tools.local.client import ApiError, BrokenImage, Client, JobEnded
from tools.local.endpoint import Endpoint
from tools.local.local import LOCAL, announced, local_stack
from tools.local.process import ROOT, StackError, free_port
from tools.local.progress import progress

DEFAULT_PROMPT: Final = "a small red circle above a large blue square on a white background"
LOG: Final = LOCAL / "run.log"
_SEE_LOG: Final = f"\nThe cause is in {LOG.relative_to(ROOT)}, or where `make serve` runs."


def main() -> int:
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a stack started here ends with it
    request = {"prompt": arguments.prompt} | ({} if arguments.seed is None else {"seed": arguments.seed})
    if "MODEL" in os.environ:  # a stack that is running may offer another one, and then says so
        request["model"] = os.environ["MODEL"]
    running = announced()
    try:
        with _client(running) as client:
            with progress("Generating"):
                result = client.generate(request)
            image = result["images"][0]
            arguments.out.write_bytes(client.download(image))
    except KeyboardInterrupt:
        return _failed("Stopped.")
    except ApiError as error:
        return _failed(error.describe() + (_SEE_LOG if error.status >= 500 else ""))
    except BrokenImage as error:
        return _failed(f"The image is not what the API promised: {error}.")
    except JobEnded as error:
        return _failed(str(error) + _SEE_LOG)
    except requests.RequestException as error:
        return _failed(f"The API did not answer: {error}")
    except StackError as error:
        return _failed(f"The local stack did not start. {error}" + _SEE_LOG)
    print(_report(arguments.out, result, image))
    if not running:
        print("The URL went with the stack that was started for it; `make serve` keeps one.", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default=DEFAULT_PROMPT)
    parser.add_argument("--seed", type=int, help="0 to 4294967295; drawn by the server where absent")
    parser.add_argument("--out", type=_png, default=Path("out.png"))
    return parser


def _png(text: str) -> Path:
    """Refused before a picture is made rather than after."""
    path = Path(text)
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not the path of a .png file in an existing folder")
    return path


@contextmanager
def _client(running: Endpoint | None) -> Iterator[Client]:
    """A client of the stack that is running, or of one for the duration of this call."""
    if running:
        yield Client(running)
        return
    with ExitStack() as until_the_end:
        with progress("Starting the local stack"):
            stack = until_the_end.enter_context(local_stack(free_port(), LOG))
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
        f"  timings  {timings['total_ms']} ms in all ({phases}), {origin}",
        f"  cost     ${cost['usd']:.8f} on Lambda ({cost['billed_ms']} ms at {cost['memory_mb']:,} MB)",
        *(f"  warning  {warning}" for warning in result["warnings"]),
    ]
    return "\n".join(lines)


def _failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
