"""The command line of stable-diffusion.cpp, from its start to the image file. It exits after one, so none is warm."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tools.bench.case import Case
from tools.bench.child import Child
from tools.bench.measurements import Image, Run


def main() -> None:
    child = Child()
    case = Case(**child.task)
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "--model": os.environ["CHECKPOINT"],
            "--prompt": case.event()["prompt"],
            "--width": case.size,
            "--height": case.size,
            "--steps": case.steps,
            "--cfg-scale": case.guidance,
            "--sampling-method": "euler",
            "--threads": len(os.sched_getaffinity(0)),
            "--output": Path(folder) / "image.png",
        }
        started_s = child.since_start()
        started = time.perf_counter()
        subprocess.run(["sd-cli", *(str(each) for option in options.items() for each in option)], check=True)
        seconds = time.perf_counter() - started
    unknown = float("nan")
    image = Image(seconds, case.steps, unknown, unknown)
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    child.write_result(asdict(Run(unknown, unknown, child.since_start() - started_s, [image], peak_mb, peak_mb)))


if __name__ == "__main__":
    main()
