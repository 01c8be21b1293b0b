"""A Lambda execution environment: a process that handles one event at a time and is stopped in between.

It is forked from a server that has already imported everything, so a killed environment is replaced within
milliseconds.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from threading import Timer
from typing import Any, Final, Literal

from tools.faults.botocore_faults import Faults
from tools.faults.counts import CallLog
from tools.faults.history import History
from tools.faults.kills import Kills
from tools.faults.limits import InvocationClock, Limits
from tools.faults.plan import FaultPlan
from tools.lambda_event import Context

Handler = Callable[[Any, Context], Any]
NO_LIMITS: Final = Limits()
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class Hooks:
    """How a function's code reports to the harness."""

    history: History
    kills: Kills
    clock: InvocationClock


@dataclass(frozen=True)
class Function:
    """A Lambda function: code, environment variables, timeout, and the faults that its AWS calls meet."""

    build: Callable[[Hooks], Handler]
    """Called at each cold start. Must be picklable: it is passed to another process."""
    folder: Path
    """For logs and history of the run."""
    plan: FaultPlan
    seed: int
    timeout_s: float
    variables: dict[str, str] = field(default_factory=dict)
    max_kills: int | None = None
    """Limit on kills at a point that was reached; kills at `any` are not counted."""


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended: `killed` by the harness, `crashed` without it, `error` raised by the handler.

    `value` is the handler's return value, the traceback, or the process's exit code.
    """

    ended: Literal["returned", "error", "killed", "crashed", "timeout"]
    value: Any = None


def prepare(modules: Sequence[str]) -> None:
    """Set the modules that the fork server imports. Call this before the first environment starts."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(modules))


class Environment:
    """Use from one thread at a time. Its process dies with the process that created it."""

    def __init__(self, function: Function, name: str):
        self._function = function
        self._name = name
        self._starts = 0
        self._context = multiprocessing.get_context("forkserver")
        self._process: Any = None
        self._pipe: Connection | None = None

    def invoke(self, event: Any, limits: Limits = NO_LIMITS) -> Outcome:
        """Handle an event, with a cold start if there is no process."""
        pipe, allowed_s = self._resume(), self._function.timeout_s if limits.timeout_s is None else limits.timeout_s
        pipe.send((event, limits, allowed_s))
        timer = Timer(limits.kill_after_s, self._process.kill)
        if limits.point == "any":
            timer.start()
        try:
            if not self._answers_within(allowed_s, pipe):
                self.end()
                return Outcome("timeout")
            outcome: Outcome = pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            killed = self._process.exitcode == -signal.SIGKILL and limits.point is not None
            outcome = Outcome("killed" if killed else "crashed", self._process.exitcode)
            self.end()
            return outcome
        finally:
            timer.cancel()
        with suppress(ProcessLookupError):  # the timer may have killed it after its answer
            os.kill(self._process.pid, signal.SIGSTOP)
        return outcome

    def _answers_within(self, allowed_s: float, pipe: Connection) -> bool:
        """Time spent waiting for a CPU does not count: on Lambda an environment has its own."""
        ends, left = time.monotonic() + allowed_s - self._cpu_wait_s(), allowed_s
        while not pipe.poll(left):
            left = ends + self._cpu_wait_s() - time.monotonic()
            if left <= 0:
                return False
        return True

    def _cpu_wait_s(self) -> float:
        """Seconds that its main thread has been runnable without a CPU since it started (Linux; else 0)."""
        try:
            return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9
        except OSError:
            return 0.0

    def end(self) -> None:
        """Kill the process. The next invocation is a cold start."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _resume(self) -> Connection:
        if self._process is not None and not self._process.is_alive():
            self.end()
        if self._process is None or self._pipe is None:
            self._starts += 1
            self._pipe, child_pipe = self._context.Pipe()
            name = f"{self._name}-{self._starts}"
            self._process = self._context.Process(target=_serve, args=(child_pipe, self._function, name), daemon=True)
            self._process.start()
            child_pipe.close()
            with suppress(EOFError):  # it crashed during init: the next read from the pipe reports that
                self._pipe.recv()  # ready: Lambda's timeout starts after the init phase
        else:
            os.kill(self._process.pid, signal.SIGCONT)
        return self._pipe


def _serve(pipe: Connection, function: Function, name: str) -> None:
    if sys.platform == "linux":  # a stopped process would outlive its parent
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(function.variables)
    log = os.open(function.folder / "functions.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    random = Random(f"{function.seed}/{name}")
    history = History(function.folder)
    kills = Kills(history, function.folder, function.max_kills)
    with Faults(function.plan, random, CallLog(function.folder), kills.watch).installed():
        clock = InvocationClock()
        handler = function.build(Hooks(history, kills, clock))
        pipe.send("ready")
        while True:
            try:
                event, limits, allowed_s = pipe.recv()
            except EOFError:
                return
            kills.arm(limits.point)
            context = Context(allowed_s)
            clock.begin(context, limits.last_step)
            outcome = _invoke(handler, event, context)
            kills.reached("before_answer")
            pipe.send(outcome)


def _invoke(handler: Handler, event: Any, context: Context) -> Outcome:
    try:
        return Outcome("returned", json.loads(json.dumps(handler(event, context))))
    except Exception:
        return Outcome("error", traceback.format_exc())
