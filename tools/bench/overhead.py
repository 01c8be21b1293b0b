"""The handler's own time in a warm request: everything except the model, the PNG encoder and S3.

Requests alternate between gateway events and direct invocations. They use the demo model, because the overhead does not
depend on the model. Signing the URL, hashing, validation, logging, metrics and the deadline check in each step count as
the handler's own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from statistics import median
from typing import Any

from imagegen.entrypoints import generator
from tools.bench.case import Case
from tools.bench.child import Child
from tools.bench.measurements import Overhead
from tools.lambda_event import Context, api_event


def main() -> None:
    child = Child()
    from tools.bench.instrument import Instrument, Request

    requests = child.task.pop("requests")
    case = Case(**child.task)
    instrument = Instrument(generator.container, on_ready=lambda: None)

    def overhead_s(make_event: Callable[[], dict[str, Any]]) -> tuple[float, Request]:
        event = make_event()
        instrument.begin()
        started = time.perf_counter()
        response = generator.handler(event, Context())
        seconds = time.perf_counter() - started
        if instrument.request.generated is None:
            raise RuntimeError(f"nothing was generated: {response}")
        return seconds - instrument.request.outside_s, instrument.request

    def through_the_gateway() -> dict[str, Any]:
        return api_event(case.event())

    for _ in range(3):  # load the model, then fill caches
        overhead_s(through_the_gateway), overhead_s(case.event)
    measured = [(overhead_s(through_the_gateway), overhead_s(case.event)) for _ in range(requests)]
    each = [request for pair in measured for _, request in pair]
    child.write_result(
        asdict(
            Overhead(
                gateway_ms=1000 * median(gateway for (gateway, _), _ in measured),
                direct_ms=1000 * median(direct for _, (direct, _) in measured),
                engine_ms=1000 * median(request.engine_s for request in each),
                encode_ms=1000 * median(request.encode_s for request in each),
                s3_ms=1000 * median(request.s3_s for request in each),
                requests=requests,
            )
        )
    )


if __name__ == "__main__":
    main()
