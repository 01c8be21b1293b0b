"""diffusers on OpenVINO through optimum-intel, as its documentation shows it. Runs in an environment of its own."""

from __future__ import annotations

import os
import time
from io import BytesIO
from typing import Any, Final

from tools.bench.case import Case
from tools.bench.child import Child
from tools.bench.measured import Image

_HINTS: Final = {"float32": "f32", "bfloat16": "bf16"}
"""By itself OpenVINO takes the fastest type, as ours does; the comparison is of equals."""


def main() -> None:
    child = Child()
    case = Case(**child.task)
    from optimum.intel import OVStableDiffusionPipeline

    import_s = child.since_start()
    hint = {"INFERENCE_PRECISION_HINT": _HINTS[case.precision]}
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

    child.draw(case.images, request, import_s=import_s, ready_s=lambda: ready_s)


if __name__ == "__main__":
    main()
