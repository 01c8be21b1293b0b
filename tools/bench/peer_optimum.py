"""diffusers on OpenVINO through optimum-intel, as in its documentation. Runs in a separate Python environment."""

from __future__ import annotations

import os
import time
from io import BytesIO
from typing import Any

from tools.bench.case import OPENVINO_PRECISION, Case
from tools.bench.child import Child
from tools.bench.measurements import Image


def main() -> None:
    child = Child()
    case = Case(**child.task)
    from optimum.intel import OVStableDiffusionPipeline

    import_s = child.since_start()
    # Set explicitly, as for the product: OpenVINO defaults to the fastest type.
    hint = {"INFERENCE_PRECISION_HINT": OPENVINO_PRECISION[case.precision]}
    pipeline = OVStableDiffusionPipeline.from_pretrained(os.environ["CHECKPOINT"], compile=False, ov_config=hint)
    pipeline.reshape(1, case.size, case.size, 1)
    pipeline.compile()
    ready_s = child.since_start()

    def request() -> Image:
        moments: list[float] = []

        def after_step(_pipeline: object, _step: int, _timestep: object, tensors: dict[str, Any]) -> dict[str, Any]:
            moments.append(time.perf_counter())
            return tensors

        event = case.event()
        started = time.perf_counter()
        image = pipeline(
            event["prompt"],
            width=event["width"],
            height=event["height"],
            num_inference_steps=event["num_inference_steps"],
            guidance_scale=event["guidance_scale"],
            callback_on_step_end=after_step,
        ).images[0]
        image.save(BytesIO(), "PNG")
        ended = time.perf_counter()
        step_s = (moments[-1] - moments[0]) / (len(moments) - 1)
        return Image(ended - started, len(moments), step_s, decode_s=ended - moments[-1])

    child.run_requests(case.images, request, import_s=import_s, ready_s=lambda: ready_s)


if __name__ == "__main__":
    main()
