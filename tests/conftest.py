"""The environment of every test: credentials that open nothing, and the function's own variables."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / ".local" / "models"
"""Prepared by `make`."""

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
    DEVICE="cpu",
    # Two workers and a stack share the cores, and threads that wait for each other there take ten times as long.
    THREADS="1",
    OMP_NUM_THREADS="1",
    # Processes that tests start find what pytest finds (pyproject.toml, pythonpath).
    PYTHONPATH=str(ROOT / "function"),
)
for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "MODEL"):
    os.environ.pop(name, None)

# No test judges by the clock: a busy machine is no fault.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")
