"""Load the product's engine as the service does, and stop: everything except compiling for an image size."""

from __future__ import annotations

from dataclasses import asdict
from math import nan

from imagegen.entrypoints import generator
from tools.bench.case import Case
from tools.bench.child import Child, peak_mb
from tools.bench.measurements import Run


def main() -> None:
    child = Child()
    import_s = child.since_start()
    from imagegen.registry import REGISTRY
    from imagegen.wiring import build_engines
    from tools.bench import models

    models.register()
    case = Case(**child.task)
    engines = build_engines(generator.settings)
    engine = engines.resident(REGISTRY[case.model], engines.backend_for(case.scheduler)).engine
    engine.finish_loading()  # type: ignore[attr-defined]  # the OpenVINO engine still loads in the background
    child.write_result(asdict(Run(import_s, child.since_start(), nan, [], peak_mb(), peak_mb())))


if __name__ == "__main__":
    main()
