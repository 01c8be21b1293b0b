"""The product itself: its own handlers, with shorter times but for R6. Two of them, by engine.

`jobs` has one of known cost, which sleeps `STEP_S` a step, for the volume; `demo` has the product's own with the demo
model, which every killed process loads anew.
"""

from __future__ import annotations

import importlib
import os
import signal
import time
from dataclasses import dataclass, replace
from typing import Any, Final

from PIL import Image

from imagegen.job_service import JobService, Offer
from imagegen.jobs import Limits
from imagegen.leader import Leader
from imagegen.ports import Backend, Engine, Engines, Generated, OnStep, Resident
from imagegen.registry import REGISTRY, Model
from imagegen.request import Generation
from imagegen.service import ImageService, Receipts
from tools.faults.environment import Handler, Surroundings
from tools.faults.ministack import StandIn, resources_of_the_template
from tools.faults.product import Places, Product
from tools.local.process import ROOT

BACKEND: Final = Backend("torch", "cpu", "float32", "of known cost")
SHORT: Final = Limits(lease_s=2, renew_s=0.5, progress_s=0.25, unsent_s=1.5, resend_s=360, longest_pause_s=8)
"""A tenth of the real times; the longest pause, of 15 minutes, still less."""
POSTPONE_S: Final = 4
"""A minute on AWS."""
_VISIBILITY_S: Final = 4
"""960 s on AWS. A batch takes less, and what failed shall come again soon."""


def deploy(aws: StandIn) -> Places:
    names = resources_of_the_template(aws)
    sqs = aws.client("sqs")
    sqs.set_queue_attributes(QueueUrl=names["JobsQueue"], Attributes={"VisibilityTimeout": str(_VISIBILITY_S)})
    return Places(names["Table"], names["Bucket"], names["JobsQueue"], names["JobsDeadLetters"], names["WebhooksQueue"])


def variables(places: Places) -> dict[str, str]:
    return {
        "TABLE_NAME": places.table,
        "BUCKET_NAME": places.bucket,
        "JOBS_QUEUE_URL": places.queue_url,
        "JOBS_DEAD_LETTERS_URL": places.dead_letters_url,
        "WEBHOOKS_QUEUE_URL": places.webhooks_queue_url,
        "WEBHOOKS_DEAD_LETTERS_URL": "none",
        "WEBHOOK_SECRETS_PATH": "/none",
        "STEP_S": "0.002",
        "REAL_TIMES": "",
        "REAL_ENGINE": "",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }


class KnownEngine:
    """Sleeps for each step."""

    def __init__(self, step_s: float):
        self._step_s = step_s

    def close(self) -> None:
        """Nothing works in the background."""

    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        steps = generation.num_inference_steps
        for step in range(1, steps + 1):
            time.sleep(self._step_s)
            on_step(step, steps)
        size = (generation.width, generation.height)
        return Generated([Image.new("RGB", size)], 0.0, steps * self._step_s, 0.0)


class KnownEngines:
    def __init__(self, step_s: float):
        self._engine = KnownEngine(step_s)

    def backend_for(self, scheduler: str) -> Backend:
        return BACKEND

    def holds(self, model: Model, backend: Backend) -> bool:
        return True

    def resident(self, model: Model, backend: Backend) -> Resident:
        return Resident(self._engine, load_s=0.0)


@dataclass(frozen=True)
class Watched:
    """Writes down what an engine draws (a job's number is its seed), and dies of the prompt `poison`."""

    engine: Engine
    surroundings: Surroundings

    def close(self) -> None:
        self.engine.close()

    def generate(self, generation: Generation, on_step: OnStep) -> Generated:
        self.surroundings.ledger.add("generating", n=str(generation.seed), pid=os.getpid())
        if generation.prompt == "poison":
            os.kill(os.getpid(), signal.SIGKILL)

        def watch(step: int, of: int) -> None:
            if step == of // 2:
                self.surroundings.kills.reached("denoising")
            on_step(step, of)

        return self.engine.generate(generation, watch)


@dataclass(frozen=True)
class WatchedEngines:
    engines: Engines
    surroundings: Surroundings

    def backend_for(self, scheduler: str) -> Backend:
        return self.engines.backend_for(scheduler)

    def holds(self, model: Model, backend: Backend) -> bool:
        return self.engines.holds(model, backend)

    def resident(self, model: Model, backend: Backend) -> Resident:
        resident = self.engines.resident(model, backend)
        return replace(resident, engine=Watched(resident.engine, self.surroundings))


class _Parts:
    """What wiring builds, with our engine and times."""

    def __init__(self, surroundings: Surroundings):
        from imagegen import wiring
        from imagegen.aws_table import DynamoJobStore, DynamoLeases
        from imagegen.settings import Settings

        settings = Settings()
        limits = Limits() if os.environ["REAL_TIMES"] else SHORT
        engines: Engines = KnownEngines(float(os.environ["STEP_S"]))
        if os.environ["REAL_ENGINE"]:
            engines = wiring.build_engines(settings)
        store = wiring.build_store(settings)
        self.jobs = JobService(
            offer=Offer(REGISTRY, "demo", engines.backend_for),
            store=DynamoJobStore(settings.table_name, wiring.epoch_ms),
            queue=wiring.build_queue(settings),
            webhooks=wiring.build_webhook_queue(settings),
            images=store,
            keep_s=24 * 3600,
            clock=wiring.epoch_ms,
            on_crash=lambda error: surroundings.ledger.add("crashed", error=repr(error)),
            limits=limits,
        )
        self.service = ImageService(
            models=REGISTRY,
            default_model_id="demo",
            engines=WatchedEngines(engines, surroundings),
            store=store,
            leader=Leader(DynamoLeases(settings.table_name, wiring.epoch_ms), limits),
            receipts=Receipts(memory_mb=1024, usd_per_gb_second=0.0000166667),
            embed_prompt=False,
        )


def api(surroundings: Surroundings) -> Handler:
    parts = _Parts(surroundings)
    routes: Any = importlib.import_module("imagegen.entrypoints.job_routes")
    routes.jobs = lambda: parts.jobs
    handler: Handler = importlib.import_module("imagegen.entrypoints.api").handler
    return handler


def worker(surroundings: Surroundings) -> Handler:
    return _entrypoint("worker", surroundings)


def sweeper(surroundings: Surroundings) -> Handler:
    return _entrypoint("sweeper", surroundings)


def _entrypoint(name: str, surroundings: Surroundings) -> Handler:
    """Imported here, since an entrypoint reads its settings when it is imported."""
    parts = _Parts(surroundings)
    module: Any = importlib.import_module(f"imagegen.entrypoints.{name}")
    module.jobs, module.service = lambda: parts.jobs, lambda: parts.service
    if not os.environ["REAL_TIMES"]:
        module.POSTPONE_S = POSTPONE_S
    handler: Handler = module.handler
    return handler


def demo_variables(places: Places) -> dict[str, str]:
    engine = {
        "REAL_ENGINE": "1",
        "MODELS_DIR": str(ROOT / ".local" / "models"),
        "ENGINES": "openvino",
        "DEVICE": "cpu",
        "THREADS": "1",
    }
    return variables(places) | engine


JOBS: Final = Product("jobs", deploy, variables, api, worker, sweeper, SHORT.max_attempts, SHORT.max_setbacks)
DEMO: Final = Product("demo", deploy, demo_variables, api, worker, sweeper, SHORT.max_attempts, SHORT.max_setbacks)
