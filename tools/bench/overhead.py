"""What our handler costs around the engine: everything but the model, the PNG encoder and S3, warm.

Invoked through the gateway and directly in turn, with the demo model, since the overhead does not depend on it.
Signing the URL, hashing, validating, logging, metrics and each step's look at the deadline count as ours.
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
from tools.bench.measured import Overhead
from tools.lambda_event import Context, api_event


def main() -> None:
    child = Child()
    from tools.bench.instrument import Request, Seams

    requests = child.task.pop("requests")
    case = Case(**child.task)
    seams = Seams(on_ready=lambda: None)

    def overhead_s(make_event: Callable[[], dict[str, Any]]) -> tuple[float, Request]:
        event = make_event()
        seams.begin()
        started = time.perf_counter()
        answer = generator.handler(event, Context())
        seconds = time.perf_counter() - started
        if seams.request.generated is None:
            raise RuntimeError(f"nothing was generated: {answer}")
        return seconds - seams.request.outside_s, seams.request

    def through_the_gateway() -> dict[str, Any]:
        return api_event(case.event())

    for _ in range(3):  # loads, then lets caches fill
        overhead_s(through_the_gateway), overhead_s(case.event)
    measured = [(overhead_s(through_the_gateway), overhead_s(case.event)) for _ in range(requests)]
    each = [request for pair in measured for _, request in pair]
    child.answer(
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
