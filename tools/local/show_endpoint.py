"""`make endpoint`: print shell assignments of API and KEY for the stack that `make serve` runs."""

from __future__ import annotations

import os
import shlex
import sys

from requests.utils import get_environ_proxies

from tools.local.endpoint import Endpoint
from tools.local.process import HOST
from tools.local.stack import running_endpoint


def main() -> int:
    endpoint = running_endpoint()
    if endpoint is None:
        print("No local stack is running. Start one in another terminal: make serve", file=sys.stderr)
        return 1
    print(assignments(endpoint))
    return 0


def assignments(endpoint: Endpoint) -> str:
    """Return shell commands that set API and KEY and, if a proxy is configured, keep curl from asking it."""
    lines = [f"API={shlex.quote(endpoint.base_url)} KEY={shlex.quote(endpoint.api_key)}"]
    if get_environ_proxies(endpoint.base_url):
        others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        lines.append(f"export no_proxy={shlex.quote(f'{others},{HOST}' if others else HOST)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
