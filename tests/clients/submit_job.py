"""Submits a job with the client that openapi-python-client generated, and waits for its result."""

import json
import os
import time

from imagegen_client import AuthenticatedClient
from imagegen_client.api.jobs import get_job, submit_job
from imagegen_client.api.service import get_health
from imagegen_client.models import GenerateRequest, JobInfo, JobInfoStatus, Problem

client = AuthenticatedClient(
    base_url=os.environ["BASE_URL"], token=os.environ["API_KEY"], prefix="", auth_header_name="x-api-key"
)


def finished(job_id: str) -> JobInfo:
    for _ in range(900):
        job = get_job.sync(job_id, client=client)
        assert isinstance(job, JobInfo)
        if job.status not in (JobInfoStatus.QUEUED, JobInfoStatus.RUNNING):
            return job
        time.sleep(0.1)
    raise AssertionError(f"job {job_id} did not finish")


health = get_health.sync(client=client)
submitted = submit_job.sync(client=client, body=GenerateRequest(prompt="a red circle", seed=int(os.environ["SEED"])))
assert isinstance(submitted, JobInfo)
job = finished(submitted.id)
unknown = get_job.sync("none", client=client)
assert isinstance(unknown, Problem)
print(
    json.dumps(
        {
            "health": health.status,
            "status": job.status,
            "seed": job.result.images[0].seed,
            "unknown": unknown.code,
        }
    )
)
