"""`make endpoint`: print shell assignments of API and KEY for the stack that `make serve` runs."""

from __future__ import annotations

import shlex
import sys

from tools.local.stack import running_endpoint


def main() -> int:
    endpoint = running_endpoint()
    if endpoint is None:
        print("No local stack is running. Start one in another terminal: make serve", file=sys.stderr)
        return 1
    print(f"API={shlex.quote(endpoint.base_url)} KEY={shlex.quote(endpoint.api_key)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
