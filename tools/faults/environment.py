"""An execution environment of Lambda: a process that handles one event at a time and is frozen in between.

It is forked from a server that has the imports done, so that a killed one is back within milliseconds.
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
from tools.faults.history import Ledger
from tools.faults.kills import Kills, Moment
from tools.faults.plan import FaultPlan
from tools.lambda_event import Context

Json = dict[str, Any]
Handler = Callable[[Any, Context], Any]
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class Surroundings:
    """What a function's code is given beside events."""

    folder: Path
    """Where logs and ledgers of the run lie."""
    random: Random
    ledger: Ledger
    kills: Kills


@dataclass(frozen=True)
class Function:
    """Code, environment variables and time limit of a Lambda function; the faults its AWS calls meet."""

    build: Callable[[Surroundings], Handler]
    """A module's function, so that it can be named to another process; called at each cold start."""
    folder: Path
    plan: FaultPlan
    seed: int
    timeout_s: float
    variables: dict[str, str] = field(default_factory=dict)
    most_kills: int | None = None
    """How many of its processes may be killed at a moment that was reached; `any` is not counted."""


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended: `killed` by us, `crashed` by itself; an `error` was raised by the handler."""

    ended: Literal["returned", "error", "killed", "crashed", "timeout"]
    value: Any = None


def prepare(modules: Sequence[str]) -> None:
    """Name what every environment imports, before the first is started."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(modules))


class Environment:
    """Invoked from one thread at a time. Ends with the process that made it."""

    def __init__(self, function: Function, name: str):
        self._function = function
        self._name = name
        self._starts = 0
        self._context = multiprocessing.get_context("forkserver")
        self._process: Any = None
        self._pipe: Connection | None = None

    def invoke(
        self, event: Any, moment: Moment | None = None, kill_after_s: float = 0.0, timeout_s: float | None = None
    ) -> Outcome:
        """The handler's answer. At `moment` the process is killed; `any` means `kill_after_s` from now."""
        pipe, allowed_s = self._thaw(), self._function.timeout_s if timeout_s is None else timeout_s
        pipe.send((event, moment, allowed_s))
        timer = Timer(kill_after_s, self._process.kill)
        if moment == "any":
            timer.start()
        try:
            if not self._answers_within(allowed_s, pipe):
                self.end()
                return Outcome("timeout")
            outcome: Outcome = pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            killed = self._process.exitcode == -signal.SIGKILL and moment is not None
            outcome = Outcome("killed" if killed else "crashed", self._process.exitcode)
            self.end()
            return outcome
        finally:
            timer.cancel()
        with suppress(ProcessLookupError):  # the timer was faster
            os.kill(self._process.pid, signal.SIGSTOP)
        return outcome

    def _answers_within(self, allowed_s: float, pipe: Connection) -> bool:
        """On Lambda it has processors of its own: what it waited for one here is not counted."""
        ends, left = time.monotonic() + allowed_s - self._waited_s(), allowed_s
        while not pipe.poll(left):
            left = ends + self._waited_s() - time.monotonic()
            if left <= 0:
                return False
        return True

    def _waited_s(self) -> float:
        """How long its main thread was ready and had no processor, ever (Linux; elsewhere nothing is known)."""
        try:
            return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9
        except OSError:
            return 0.0

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def _thaw(self) -> Connection:
        if self._process is not None and not self._process.is_alive():
            self.end()
        if self._process is None or self._pipe is None:
            self._starts += 1
            self._pipe, theirs = self._context.Pipe()
            name = f"{self._name}-{self._starts}"
            self._process = self._context.Process(target=_serve, args=(theirs, self._function, name), daemon=True)
            self._process.start()
            theirs.close()
            with suppress(EOFError):  # one that crashes here is told by the next look into the pipe
                self._pipe.recv()  # ready: Lambda's time-out begins after the init phase
        else:
            os.kill(self._process.pid, signal.SIGCONT)
        return self._pipe


def _serve(pipe: Connection, function: Function, name: str) -> None:
    if sys.platform == "linux":  # a stopped process would outlive whoever started it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.environ.update(function.variables)
    log = os.open(function.folder / "functions.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    random = Random(f"{function.seed}/{name}")
    ledger = Ledger(function.folder)
    kills = Kills(ledger, function.folder, function.most_kills)
    surroundings = Surroundings(function.folder, random, ledger, kills)
    with Faults(function.plan, random, CallLog(function.folder), kills.watch).installed():
        handler = function.build(surroundings)
        pipe.send("ready")
        while True:
            try:
                event, moment, allowed_s = pipe.recv()
            except EOFError:
                return
            kills.arm(moment)
            outcome = _invoke(handler, event, allowed_s)
            kills.reached("before_answer")
            pipe.send(outcome)


def _invoke(handler: Handler, event: Any, allowed_s: float) -> Outcome:
    try:
        return Outcome("returned", json.loads(json.dumps(handler(event, Context(allowed_s)))))
    except Exception:
        return Outcome("error", traceback.format_exc())
