"""Our handler as Lambda calls it: the entrypoint is imported, then invoked directly until the images are stored."""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

from imagegen.entrypoints import generator
from tools.bench.case import Case
from tools.bench.child import Child
from tools.bench.measured import Image
from tools.lambda_event import Context


def main() -> None:
    child = Child()
    import_s = child.since_start()
    from tools.bench import models  # nothing of this counts as the product's imports
    from tools.bench.instrument import Seams

    models.register()
    case = Case(**child.task)
    ready: list[float] = []
    seams = Seams(on_ready=lambda: ready.append(child.since_start()))

    def request() -> Image:
        seams.begin()
        started = time.perf_counter()
        answer = generator.handler(case.event(), Context())
        seconds = time.perf_counter() - started
        generated = seams.request.generated
        if generated is None:
            raise RuntimeError(f"nothing was generated: {answer}")
        between = [after - before for before, after in pairwise(seams.request.steps)]
        return Image(
            seconds,
            calls=len(seams.request.steps),
            step_s=median(between) if between else generated.denoise_s,
            decode_s=generated.decode_s,
            compile_s=generated.compile_s,
        )

    child.draw(case.images, request, import_s=import_s, ready_s=lambda: ready[0])


if __name__ == "__main__":
    main()
