"""Load the product's engine as the service does, and stop: everything except compiling for an image size."""

from __future__ import annotations

from dataclasses import asdict
from math import nan
from typing import Any

from models.prepare.peak_memory import peak_mb
from tools.bench import models
from tools.bench.case import Case
from tools.bench.child import Child
from tools.bench.measurements import Run


def main() -> None:
    child = Child()
    models.register()  # MODEL_IDS names these models, and the entrypoint checks it when it is imported
    from imagegen.entrypoints import generator

    import_s = child.since_start()
    plan = generator.container.planner.warm_up(Case(**child.task).model)
    guarded: Any = generator.container.engines.resident(plan.model, plan.backend).engine
    guarded.engine.finish_loading()  # the OpenVINO engine still loads in the background
    child.write_result(asdict(Run(import_s, child.since_start(), nan, [], peak_mb(), peak_mb())))


if __name__ == "__main__":
    main()
