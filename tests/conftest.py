"""The environment of every test: invalid credentials and the function's variables."""

from __future__ import annotations

import gc
import os
from pathlib import Path

from hypothesis import HealthCheck, settings

from tools.local.aws_environment import NO_AWS_FILES, take_aws_variables

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / ".local" / "models"
"""Created by `make`."""

take_aws_variables()  # the developer's own
os.environ.pop("MODEL", None)
os.environ.update(
    AWS_ACCESS_KEY_ID="testing",
    AWS_SECRET_ACCESS_KEY="testing",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_REGION="us-east-1",
    BUCKET_NAME="images-bucket",
    WEBHOOKS_QUEUE_URL="https://sqs.us-east-1.amazonaws.com/123456789012/webhooks",
    WEBHOOKS_DEAD_LETTERS_URL="https://sqs.us-east-1.amazonaws.com/123456789012/webhooks-dead-letters",
    WEBHOOK_SECRETS_PATH="/imagegen/webhooks",
    TABLE_NAME="jobs-table",
    JOBS_QUEUE_URL="https://sqs.us-east-1.amazonaws.com/123456789012/jobs",
    JOBS_DEAD_LETTERS_URL="https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters",
    MODELS_DIR=str(MODELS),
    WARMED_FUNCTION="generator:live",
    DEVICE="cpu",
    # pytest workers and the local stack share the cores: with more threads, inference is ten times slower.
    THREADS="1",
    OMP_NUM_THREADS="1",
    # Subprocesses find the same modules as pytest (pythonpath in pyproject.toml).
    PYTHONPATH=f"{ROOT / 'function'}{os.pathsep}{ROOT / 'cli'}",
    **NO_AWS_FILES,
)

# No test depends on its duration: a busy machine must not fail it.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of garbage collections: each full one took longer than most tests."""
    gc.collect()
    gc.freeze()
