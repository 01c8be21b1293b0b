"""`make dashboard`: draw the widgets of the CloudWatch dashboard from the log of the latest `make serve`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Final

from tools.local.dashboard.function_log import FunctionLog
from tools.local.dashboard.plot import draw
from tools.local.dashboard.series import points
from tools.local.dashboard.widgets import widgets_of_template
from tools.local.deploy import STACK
from tools.local.process import REGION, ROOT
from tools.local.stack import LOCAL, model_id
from tools.local.template import S3Object, translate

_POINTS: Final = 30
"""Periods of the whole run. CloudWatch's are five minutes, in which most local runs would be one point."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=LOCAL / "dashboard.png", help="PNG file (default: %(default)s)")
    path = parser.parse_args().out
    logs = sorted(LOCAL.glob("serve-*.log"), key=lambda each: each.stat().st_mtime)
    log = FunctionLog.of(logs[-1].read_text(errors="replace").splitlines()) if logs else FunctionLog()
    if not log.samples:
        print("There are no metrics: run make serve (without VERBOSE), and send it requests.", file=sys.stderr)
        return 1
    template = translate(ROOT / "template.yaml", S3Object("code", "function.zip"), REGION, {})
    board = widgets_of_template(template, {"AWS::StackName": STACK, "AWS::Region": REGION, "Model": model_id()})
    times = [each.at for each in log.samples]
    seconds = max(times) - min(times)
    period = max(1, math.ceil(seconds / _POINTS))
    begin = min(times) // period * period
    found = {line: points(line, log.samples, period) for each in board for line in each.lines}
    subtitle = (
        f"{logs[-1].name}: {seconds:.0f} s of a local run. Sums are those of {period} s, also where a title names "
        "an hour. The local stack has no metrics of API Gateway, Lambda and SQS."
    )
    draw(board, found, log.tables(), begin, path, subtitle)
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
