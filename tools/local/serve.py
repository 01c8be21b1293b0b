"""`make serve`: run the local stack in the foreground until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import Final, NoReturn

from imagegen.public_url import NotAllowed, check
from tools.local.adapt import LocalReceiver
from tools.local.process import StackError, free_port
from tools.local.stack import local_stack, published_endpoint

DEFAULT_PORT: Final = 4599


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="0 picks a free port (default: %(default)s)")
    parser.add_argument(
        "--receiver", type=_host, help="host name in webhook URLs to route to this machine, port 8443 or 443"
    )
    parser.add_argument("--receiver-ca", type=_ca, help="PEM file of the CA that issued the receiver's certificate")
    arguments = parser.parse_args()
    if bool(arguments.receiver) != bool(arguments.receiver_ca):
        parser.error("--receiver and --receiver-ca must be given together")
    port = arguments.port or free_port()
    receiver = LocalReceiver(arguments.receiver, arguments.receiver_ca.resolve()) if arguments.receiver else None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    started = time.monotonic()
    print("Starting the local stack ...", flush=True)
    try:
        with local_stack(port, receiver=receiver) as stack, published_endpoint(stack.endpoint):
            print(_READY.format(seconds=time.monotonic() - started, **vars(stack.endpoint)), flush=True)
            code = stack.process.wait()
    except StackError as error:
        print(f"The local stack did not start. {error}", file=sys.stderr)
        return 1
    print(f"MiniStack exited unexpectedly with code {code}.", file=sys.stderr)
    return 1


def _port(text: str) -> int:
    """Raises argparse.ArgumentTypeError."""
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: expected 0 to 65535")
    return int(text)


def _host(text: str) -> str:
    """Accept a host that webhook URLs may name. Raises argparse.ArgumentTypeError."""
    try:
        check(f"https://{text}/")
    except NotAllowed as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a host name: the webhook URL {error}") from None
    return text


def _ca(text: str) -> Path:
    """Raises argparse.ArgumentTypeError."""
    try:
        ssl.create_default_context().load_verify_locations(text)
    except (OSError, ssl.SSLError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a PEM file of certificates: {error}") from None
    return Path(text)


def _leave(*_: object) -> NoReturn:
    """Ignore further signals: shutdown takes a moment, and an interrupted one leaves processes behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("\nStopping the local stack ...", flush=True)
    sys.exit(0)


_READY: Final = """\
Ready after {seconds:.1f} s. The functions' logs follow; Ctrl-C stops the stack.

  API             {base_url}
  API key         {api_key}
  docs            {base_url}/docs
  webhook secret  {webhook_secret}

  curl {base_url}/generate -H 'x-api-key: {api_key}' -H 'content-type: application/json' \\
    -d '{{"prompt": "a small red circle above a large blue square on a white background", "seed": 7}}'
"""

if __name__ == "__main__":
    sys.exit(main())
