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
from tools.deploy.preflight import issuers_problem
from tools.local.adapt import LocalIssuers, LocalReceiver
from tools.local.arguments import MakeParser
from tools.local.deploy import Options
from tools.local.process import ROOT, Output, StackError, free_port
from tools.local.stack import LOCAL, Stack, local_stack, published_endpoint

DEFAULT_PORT: Final = 4599


def main() -> int:
    arguments = _arguments()
    port = arguments.port or free_port()
    data = LOCAL / f"data-{port}" if arguments.port else None
    log = None if arguments.verbose else LOCAL / f"serve-{port}.log"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    started = time.monotonic()
    print("Starting the local stack ...", flush=True)
    try:
        output = Output(log, requests_to_stdout=True)
        with local_stack(port, output, _options(arguments), data) as stack, published_endpoint(stack.endpoint):
            print(_ready(stack, time.monotonic() - started, data, log), flush=True)
            code = stack.process.wait()
    except StackError as error:
        print(f"The local stack did not start. {error}", file=sys.stderr)
        return 1
    print(f"MiniStack exited unexpectedly with code {code}. See {log or 'above'}.", file=sys.stderr)
    return 1


def _arguments() -> argparse.Namespace:
    parser = MakeParser(description=__doc__)
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="0 picks a free port and keeps nothing (default: %(default)s)"
    )
    parser.add_argument(
        "--receiver", type=_host, help="host name in webhook URLs to route to this machine, port 8443 or 443"
    )
    parser.add_argument("--receiver-ca", type=_ca, help="PEM file of the CA that issued the receiver's certificate")
    parser.add_argument(
        "--issuers", type=_issuers, help="value of TokenIssuers: a JSON list of issuers on this machine"
    )
    parser.add_argument("--issuer-ca", type=_ca, help="PEM file of the CA that issued the issuers' certificates")
    parser.add_argument(
        "--picture-check", choices=["auto", "on", "off"], default="", help="whose pictures are judged (default: auto)"
    )
    parser.add_argument("--verbose", action="store_true", help="print the functions' logs and metrics, too")
    arguments = parser.parse_args()
    if bool(arguments.receiver) != bool(arguments.receiver_ca):
        parser.error("RECEIVER and RECEIVER_CA must be given together")
    if bool(arguments.issuers) != bool(arguments.issuer_ca):
        parser.error("ISSUERS and ISSUER_CA must be given together")
    return arguments


def _options(arguments: argparse.Namespace) -> Options:
    receiver = LocalReceiver(arguments.receiver, arguments.receiver_ca.resolve()) if arguments.receiver else None
    issuers = LocalIssuers(arguments.issuers, arguments.issuer_ca.resolve()) if arguments.issuers else None
    return Options(receiver, issuers, arguments.picture_check)


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


def _issuers(text: str) -> str:
    """Raises argparse.ArgumentTypeError."""
    if problem := issuers_problem({"TokenIssuers": text}):
        raise argparse.ArgumentTypeError(problem.removeprefix("TokenIssuers: "))
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


def _ready(stack: Stack, seconds: float, data: Path | None, log: Path | None) -> str:
    kept = f"{data.relative_to(ROOT)}, deleted by `make clean-data`" if data else "nothing: PORT=0"
    logs = log.relative_to(ROOT) if log else "below"
    keys = {"operator_key": stack.operator_key, **vars(stack.endpoint)}
    return _READY.format(seconds=seconds, kept=kept, logs=logs, **keys)


_READY: Final = """\
Ready after {seconds:.1f} s. One line per request follows. Ctrl-C stops the stack.

  API             {base_url}
  API key         {api_key}
  operator key    {operator_key}
  docs            {base_url}/docs
  webhook secret  {webhook_secret}
  logs            {logs}
  kept            {kept}

In another terminal, where the first command sets API and KEY:

  eval "$(make -s endpoint)"
  curl -s $API/generate -H "x-api-key: $KEY" -H 'content-type: application/json' \\
    -d '{{"prompt": "a small red circle above a large blue square on a white background", "seed": 7}}'
"""

if __name__ == "__main__":
    sys.exit(main())
