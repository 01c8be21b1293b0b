"""Call a deployment without a pause, and count the requests that fail (`make load`, during a rollout or a rollback)."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tools.deployed.endpoint import NoEndpoint, endpoint_of
from tools.local.load import Outcomes, failed, rounds

MOST_CALLERS: Final = 100
MOST_MINUTES: Final = 240


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--callers", type=int, default=2)
    parsed = parser.parse_args()
    if not 1 <= parsed.callers <= MOST_CALLERS or not 0 < parsed.minutes <= MOST_MINUTES:
        parser.error(f"CALLERS is a number from 1 to {MOST_CALLERS}, MINUTES one above 0, {MOST_MINUTES} at most")
    try:
        endpoint = endpoint_of(parsed.stack_name)
    except NoEndpoint as error:
        sys.exit(f"{parsed.stack_name}: {error}")
    end = time.monotonic() + parsed.minutes * 60
    with ThreadPoolExecutor(parsed.callers) as callers:
        each = callers.map(lambda _: rounds(endpoint, lambda: time.monotonic() < end), range(parsed.callers))
        outcomes = sum(each, Outcomes())
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:7}  {outcome}")
    print(f"{sum(outcomes.values())} requests, {failed(outcomes)} failed")
    sys.exit(failed(outcomes) > 0)


if __name__ == "__main__":
    main()
