from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tools.local.progress import progress

JOB_ID = "01M8BRWJBTDDR5PJSYWRQ3TEKP"


def job(status: str = "running", **done: Any) -> dict[str, Any]:
    empty = {"position": None, "step": 0, "of": 0, "percent": 0, "eta_ms": None}
    return {"id": JOB_ID, "status": status, "progress": empty | done if done else None}


def step(number: int, eta_ms: int | None = 9000) -> dict[str, Any]:
    return job(phase="step", step=number, of=200, percent=number // 2, eta_ms=eta_ms)


def lines_of(capsys: pytest.CaptureFixture[str], *jobs: dict[str, Any]) -> list[str]:
    """Return the lines on a stderr that is no terminal, without the seconds."""
    with progress("Generating") as shown:
        for each in jobs:
            shown.show_job(each)
    return [re.sub(r"[0-9.]+ s", "T", line, count=1) for line in capsys.readouterr().err.splitlines()]


def test_a_job_shows_status_phase_percent_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    queued = job("queued", phase="queue", position=3, eta_ms=20000)
    assert lines_of(capsys, queued, job(phase="load"), step(40), job("succeeded")) == [
        "Generating ...",
        f"Generating ... T, queued, position 3, starts in 20 s, job {JOB_ID}",
        f"Generating ... T, running, load, job {JOB_ID}",
        f"Generating ... T, running, step 40 of 200, 20 %, 9 s left, job {JOB_ID}",
        f"Generating ... T, succeeded, job {JOB_ID}",
        f"Generating ... T, succeeded, job {JOB_ID}",
    ]


def test_off_a_terminal_ten_percent_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines_of(capsys, *[step(number) for number in range(200)])
    assert len(shown) == 2 + 10


def test_on_a_terminal_the_line_is_rewritten_and_never_wraps() -> None:
    script = f"""from tools.local.progress import progress
with progress("Generating") as shown:
    shown.show_job({step(40)!r})"""
    terminal, its_end = os.openpty()
    environment = os.environ | {"COLUMNS": "40"}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, stderr=its_end, check=True)
    os.close(its_end)
    written = os.read(terminal, 65536).decode()
    os.close(terminal)
    *lines, end = written.replace("\r\n", "\n").split("\n")
    assert (len(lines), end) == (1, "")
    assert max(len(each) for each in lines[0].split("\r\x1b[K")) == 39
