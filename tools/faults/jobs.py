"""The product's own Api, Worker and Sweeper handlers, with shorter times except in R6.

`jobs` has an engine that sleeps STEP_S per step, for volume. `demo` has the product's engine with the demo model, which
every process loads after a kill.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from typing import Any, Final

from imagegen.generation.ports import Backend
from imagegen.jobs.timing import JobTiming
from imagegen.wiring import Container
from tools.faults.environment import Handler, Hooks
from tools.faults.ministack import LocalAws
from tools.faults.product import Product, Resources
from tools.faults.sleeping_engine import SleepingEngines
from tools.faults.template_resources import BUCKET, QUEUE, TABLE, create_resources, translated_template
from tools.faults.watched_engine import WatchedEngines
from tools.local.process import ROOT

BACKEND: Final = Backend("torch", "cpu", "float32", "sleeps")
SHORT: Final = JobTiming(
    lease_s=2,
    renew_s=0.5,
    progress_s=0.25,
    save_every_s=0.5,
    unsent_s=1.5,
    resend_s=360,
    queued_s=0.4,
    max_backoff_s=8,
)
"""A tenth of the real times, except that a checkpoint follows every 0.5 s of work instead of 30 s, and that the longest
pause is 8 s instead of 15 minutes. R6 has the real times."""
POSTPONE_S: Final = 4
"""A minute on AWS."""
_VISIBILITY_S: Final = 4
"""960 s on AWS. A batch takes less than 4 s, and failed messages are to be received again soon."""


def deploy(aws: LocalAws) -> Resources:
    """Create the resources of template.yaml."""
    names = create_resources(aws.client("cloudformation"), translated_template(), BUCKET, TABLE, QUEUE)
    sqs = aws.client("sqs")
    sqs.set_queue_attributes(QueueUrl=names["JobsQueue"], Attributes={"VisibilityTimeout": str(_VISIBILITY_S)})
    return Resources(
        names["Table"], names["Bucket"], names["JobsQueue"], names["JobsDeadLetters"], names["WebhooksQueue"]
    )


def variables(resources: Resources) -> dict[str, str]:
    """Return the environment variables of every function."""
    return {
        "TABLE_NAME": resources.table,
        "BUCKET_NAME": resources.bucket,
        "JOBS_QUEUE_URL": resources.queue_url,
        "JOBS_DEAD_LETTERS_URL": resources.dead_letters_url,
        "WEBHOOKS_QUEUE_URL": resources.webhooks_queue_url,
        "WEBHOOKS_DEAD_LETTERS_URL": "none",
        "WEBHOOK_SECRETS_PATH": "/none",
        "IMAGE_DAYS": "1",
        "EMBED_PROMPT": "false",
        "STEP_S": "0.002",
        "REAL_TIMES": "",
        "LEASE_S": str(SHORT.lease_s),
        "REAL_ENGINE": "",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "POWERTOOLS_METRICS_DISABLED": "true",
    }


def api(hooks: Hooks) -> Handler:
    """Build the Api function's handler."""
    return _entrypoint("api", hooks)


def worker(hooks: Hooks) -> Handler:
    """Build the Worker function's handler."""
    return _entrypoint("worker", hooks)


def sweeper(hooks: Hooks) -> Handler:
    """Build the Sweeper function's handler."""
    return _entrypoint("sweeper", hooks)


def generator(hooks: Hooks) -> Handler:
    """Build the Generator function's handler."""
    return _entrypoint("generator", hooks)


def _entrypoint(name: str, hooks: Hooks) -> Handler:
    """Import an entrypoint only in the process that runs it: it reads its settings when imported."""
    module: Any = importlib.import_module(f"imagegen.entrypoints.{name}")
    _replace_parts(module.container, hooks)
    if not os.environ["REAL_TIMES"]:
        module.POSTPONE_S = POSTPONE_S
    handler: Handler = module.handler
    return handler


def _replace_parts(container: Container, hooks: Hooks) -> None:
    """Give the container this module's engine and times."""
    if not os.environ["REAL_TIMES"]:
        container.timing = replace(SHORT, lease_s=float(os.environ["LEASE_S"]))
    if not os.environ["REAL_ENGINE"]:
        container.backend = BACKEND
        container.engines = SleepingEngines(float(os.environ["STEP_S"]))
    container.engines = WatchedEngines(container.engines, hooks)
    container.on_crash = lambda error: hooks.history.add("crashed", error=repr(error))


def demo_variables(resources: Resources) -> dict[str, str]:
    """Return the environment variables with which a function runs the demo model on OpenVINO."""
    engine = {
        "REAL_ENGINE": "1",
        "MODELS_DIR": str(ROOT / ".local" / "models"),
        "ENGINES": "openvino",
        "DEVICE": "cpu",
        "THREADS": "1",
    }
    return variables(resources) | engine


JOBS: Final = Product(
    name="jobs",
    deploy=deploy,
    variables=variables,
    api=api,
    worker=worker,
    sweeper=sweeper,
    generator=generator,
    max_attempts=SHORT.max_attempts,
    max_aws_failures=SHORT.max_aws_failures,
    save_every_s=SHORT.save_every_s,
)
DEMO: Final = replace(JOBS, name="demo", variables=demo_variables)
