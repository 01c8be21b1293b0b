"""The naive handler: diffusers as in its own examples, loaded by the first request, PNG stored in S3.

The comparison is fair: nothing is loaded at import, all vCPUs compute, the weights are on a local disk, and the timing
hooks cost microseconds.
"""

from __future__ import annotations

import io
import os
import time
import uuid
from statistics import median
from typing import Any

import boto3
import torch
from diffusers import StableDiffusionPipeline

from tools.bench.case import Case
from tools.bench.child import Child
from tools.bench.measurements import Image

s3 = boto3.client("s3")
pipeline: Any = None


def load() -> Any:
    """Return the pipeline; the first call loads it."""
    global pipeline
    if pipeline is None:
        torch.set_num_threads(int(os.environ["THREADS"]) or len(os.sched_getaffinity(0)))
        pipeline = StableDiffusionPipeline.from_pretrained(
            os.environ["CHECKPOINT"], dtype=torch.float32, safety_checker=None
        )
        pipeline.set_progress_bar_config(disable=True)
    return pipeline


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Generate an image, store it, and return its presigned URL."""
    image = load()(
        event["prompt"],
        width=event["width"],
        height=event["height"],
        num_inference_steps=event["num_inference_steps"],
        guidance_scale=event["guidance_scale"],
    ).images[0]
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    bucket, key = os.environ["BUCKET_NAME"], f"{uuid.uuid4()}.png"
    s3.put_object(Bucket=bucket, Key=key, Body=buffer.getvalue(), ContentType="image/png")
    return {"url": s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=3600)}


class Timed:
    """Records the seconds of each call of a torch module."""

    def __init__(self, module: torch.nn.Module):
        self.seconds: list[float] = []
        self._started = 0.0
        module.register_forward_pre_hook(self._before)
        module.register_forward_hook(self._after)

    def _before(self, *_: object) -> None:
        self._started = time.perf_counter()

    def _after(self, *_: object) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def main() -> None:
    child = Child()
    import_s = child.since_start()
    case = Case(**child.task)
    loaded = load()
    ready_s = child.since_start()
    unet, decoder = Timed(loaded.unet), Timed(loaded.vae.decoder)

    def request() -> Image:
        started = time.perf_counter()
        unet.seconds.clear()
        handler(case.event(), None)
        return Image(time.perf_counter() - started, len(unet.seconds), median(unet.seconds), decoder.seconds[-1])

    child.run_requests(case.images, request, import_s=import_s, ready_s=lambda: ready_s)


if __name__ == "__main__":
    main()
