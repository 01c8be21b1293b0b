"""The product as Lambda runs it: import the Generator entrypoint, then invoke it directly."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

from tools.bench import models
from tools.bench.case import Case
from tools.bench.child import Child
from tools.bench.measurements import Image
from tools.lambda_event import Context


def main() -> None:
    child = Child()
    models.register()  # MODEL_IDS names these models, and the entrypoint checks it when it is imported
    from imagegen.entrypoints import generator

    import_s = child.since_start()
    from tools.bench.instrument import Instrument  # imported late: import_s must cover the product only

    case = Case(**child.task)
    ready: list[float] = []
    instrument = Instrument(generator.container, on_ready=lambda: ready.append(child.since_start()))

    def request() -> Image:
        instrument.begin()
        started = time.perf_counter()
        response = generator.handler(case.event(), Context())
        seconds = time.perf_counter() - started
        generated = instrument.request.generated
        if generated is None:
            raise RuntimeError(f"nothing was generated: {response}")
        between = [after - before for before, after in pairwise(instrument.request.steps)]
        return Image(
            seconds,
            calls=len(instrument.request.steps),
            step_s=median(between) if between else generated.denoise_s,
            decode_s=generated.decode_s,
            compile_s=generated.compile_s,
        )

    child.run_requests(case.images, request, import_s=import_s, ready_s=lambda: ready[0])


if __name__ == "__main__":
    main()
