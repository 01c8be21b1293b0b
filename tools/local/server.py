"""MiniStack, patched where it differs from API Gateway and Lambda.

The patches replace private functions, so MiniStack is pinned in tools/requirements.in. tools/local/process.py starts
this module. It exits when its standard input closes, so it never outlives its parent process. The access log goes to
standard output, everything else to standard error.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.core.persistence import PERSIST_STATE, save_all
from ministack.services import apigateway_v1, lambda_svc

from tools.local.access_log import log_requests
from tools.local.checkpoint import save_changes
from tools.local.write_line import write_line

Json = dict[str, Any]

Acquire = Callable[[Json, Json], tuple[Any, Any]]
Release = Callable[[Any], None]


def queue_invocations(acquire: Acquire, release: Release) -> tuple[Acquire, Release]:
    """Return wrappers of MiniStack's slot functions that wait at the concurrency limit instead of throttling.

    Lambda would start another execution environment for a concurrent call. The wait has no limit: the event carries
    the time of the request, so a function answers a late one with generation_timeout. The wrapper also applies the
    function's limit to all of its versions, which MiniStack does not.
    Not covered: first-in-first-out order; a function that invokes itself.
    """
    slots = threading.Condition()

    def acquire_or_wait(version: Json, config: Json) -> tuple[Any, Any]:
        limit = lambda_svc._functions[config["FunctionName"]]["concurrency"]
        with slots:
            while (taken := acquire(version | {"concurrency": limit}, config))[0] is None:
                slots.wait()
            return taken

    def release_and_notify(slot: Any) -> None:
        release(slot)
        with slots:
            slots.notify_all()

    return acquire_or_wait, release_and_notify


def correct_event(build_event: Callable[..., Json]) -> Callable[..., Json]:
    """Return a wrapper that removes `version`, which only the events of HTTP APIs have."""

    def build_corrected(*args: Any, **kwargs: Any) -> Json:
        event = build_event(*args, **kwargs)
        event.pop("version", None)
        return event

    return build_corrected


def report_raised_as_result(bootstrap: str) -> str:
    """Return the program of a Python function's process, changed to answer that its handler raised with status ok.

    MiniStack ends a process that answers with an error. Lambda keeps one whose handler raises, with what it has cached.
    """
    answer = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
    assert bootstrap.count(answer) == 1, "another version of MiniStack"
    return bootstrap.replace(answer, '{"status": "ok", "raised": str(e), "trace": traceback.format_exc()}')


def raise_reported(invoke: Callable[..., Json]) -> Callable[..., Json]:
    """Return a wrapper of Worker.invoke that makes such an answer the error that it is."""

    def invoke_and_raise(*args: Any, **kwargs: Any) -> Json:
        response = invoke(*args, **kwargs)
        if "raised" in response:
            response |= {"status": "error", "error": response.pop("raised")}
        return response

    return invoke_and_raise


def print_logs(emit: Callable[..., None]) -> Callable[..., None]:
    """Return a wrapper that also prints the functions' logs, which otherwise go to CloudWatch Logs only."""

    def print_and_emit(function: Json, request_id: str, log_text: str, *args: Any, **kwargs: Any) -> None:
        if log_text:
            write_line(sys.stderr, log_text)
        emit(function, request_id, log_text, *args, **kwargs)

    return print_and_emit


def exit_when_stdin_closes() -> None:
    """Block until the parent closes the pipe or exits, then stop the whole process group."""
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written to it, so it returns at end of file
    os.killpg(os.getpgrp(), signal.SIGTERM)


def save() -> None:
    """Write the state of all services to STATE_DIR, each file atomically."""
    save_all(app._build_persistence_save_dict())


def main() -> None:
    lambda_svc._acquire_execution_slot, lambda_svc._release_execution_slot = queue_invocations(
        lambda_svc._acquire_execution_slot, lambda_svc._release_execution_slot
    )
    lambda_runtime._PYTHON_WORKER_SCRIPT = report_raised_as_result(lambda_runtime._PYTHON_WORKER_SCRIPT)
    lambda_runtime.Worker.invoke = raise_reported(lambda_runtime.Worker.invoke)
    lambda_svc._emit_lambda_logs = print_logs(lambda_svc._emit_lambda_logs)
    apigateway_v1._build_lambda_event_v1 = correct_event(apigateway_v1._build_lambda_event_v1)
    for service in ("cloudwatch", "cloudwatch_logs"):  # logs and metrics grow without limit; the log file has them
        del app._state_map[service]
    app.app = log_requests(app.app, partial(write_line, sys.stdout))
    if PERSIST_STATE:
        app.app = save_changes(app.app, save)
    threading.Thread(target=exit_when_stdin_closes, daemon=True).start()
    sys.argv = [sys.argv[0]]
    app.main()


if __name__ == "__main__":
    main()
