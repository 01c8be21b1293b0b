"""MiniStack, with what API Gateway and Lambda do and MiniStack does not put right.

MiniStack is pinned in tools/requirements.in, for these are its private functions. tools/local/process.py starts this
module; it ends when its standard input does, so that it never outlives whoever started it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from ministack import app
from ministack.services import apigateway_v1, lambda_svc

Json = dict[str, Any]

Acquire = Callable[[Json, Json], tuple[Any, Any]]
Release = Callable[[Any], None]


def wait_for_a_turn(acquire: Acquire, release: Release) -> tuple[Acquire, Release]:
    """Lambda starts another environment for a concurrent call. MiniStack refuses it at the limit; here it waits.

    It waits as long as it takes: the event carries the time of the request, so a function answers a late one with
    generation_timeout. MiniStack also forgets that the limit is the function's, whichever version is called.
    Not covered: first come, first served; a function that calls itself.
    """
    turn = threading.Condition()

    def waiting(version: Json, config: Json) -> tuple[Any, Any]:
        limit = lambda_svc._functions[config["FunctionName"]]["concurrency"]
        with turn:
            while (taken := acquire(version | {"concurrency": limit}, config))[0] is None:
                turn.wait()
            return taken

    def telling(slot: Any) -> None:
        release(slot)
        with turn:
            turn.notify_all()

    return waiting, telling


def name_the_api_key(build_event: Callable[..., Json]) -> Callable[..., Json]:
    """API Gateway puts the caller's key into requestContext.identity.apiKey; tenants are told apart by it."""

    def named(*args: Any, **kwargs: Any) -> Json:
        event = build_event(*args, **kwargs)
        key = event["headers"].get("x-api-key")
        if key:
            event["requestContext"]["identity"]["apiKey"] = key
        return event

    return named


def show_logs(emit: Callable[..., None]) -> Callable[..., None]:
    """What functions log goes to CloudWatch Logs only; a developer wants to see it."""

    def showing(function: Json, request_id: str, log_text: str, *args: Any, **kwargs: Any) -> None:
        if log_text:
            print(log_text, flush=True)
        emit(function, request_id, log_text, *args, **kwargs)

    return showing


def end_with_standard_input() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the other end is closed; nothing is ever written to it
    os.killpg(os.getpgrp(), signal.SIGTERM)


def main() -> None:
    lambda_svc._acquire_execution_slot, lambda_svc._release_execution_slot = wait_for_a_turn(
        lambda_svc._acquire_execution_slot, lambda_svc._release_execution_slot
    )
    lambda_svc._emit_lambda_logs = show_logs(lambda_svc._emit_lambda_logs)
    apigateway_v1._build_lambda_event_v1 = name_the_api_key(apigateway_v1._build_lambda_event_v1)
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    sys.argv = [sys.argv[0]]
    app.main()


if __name__ == "__main__":
    main()
