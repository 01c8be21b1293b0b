"""What authorization and limits add to POST /generate: `python -m tools.bench.limits`.

Real: the authorizer, the routes and the table's transactions, on moto. Replaced: the engine. Milliseconds of warm
requests in one process, without the time of AWS calls, which moto answers slower than AWS does.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from statistics import mean, quantiles
from typing import Any, Final, cast
from unittest import mock

from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from botocore.client import BaseClient

from imagegen.access.caller import Caller
from imagegen.access.tenant_keys import TenantKeys
from imagegen.api.app import build_app, resolve
from imagegen.api.authorization import RequireScope
from imagegen.api.routes import generate
from imagegen.aws.callers import DynamoCallers
from imagegen.aws.webhook_secrets import SsmWebhookSecrets
from imagegen.limits.limiter import Limiter
from imagegen.limits.quota import Quota
from imagegen.limits.rate_limit import RatePolicy
from imagegen.limits.tenant_limits import TenantLimits
from imagegen.wiring import epoch_ms
from tests.support.authorizer_events import authorizer_event
from tests.support.job_world import JobWorld
from tools.faults.template_resources import (
    BUCKET,
    QUEUE,
    TABLE,
    moto_resources,
    set_moto_environment,
    translated_template,
)
from tools.lambda_event import Context, api_event

ROUNDS: Final = 300
WARM_UPS: Final = 20
TENANT: Final = "bench"
LIMITS: Final = TenantLimits(
    {"drawing": RatePolicy("drawing", per_second=1000, burst=1000)},
    Quota(images=1_000_000, usd=Decimal(10_000), request_usd=Decimal(1)),
)


@dataclass
class Watch:
    """Seconds of what is counted, without the AWS calls in it, and their number."""

    seconds: float = 0.0
    aws_calls: int = 0
    _since: float | None = None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count the time of the block."""
        self._since = time.perf_counter()
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def excluded(self) -> Iterator[None]:
        """Leave the time of the block out."""
        was_counting = self._since is not None
        self._stop()
        try:
            yield
        finally:
            if was_counting:
                self._since = time.perf_counter()

    @contextmanager
    def aws_call(self) -> Iterator[None]:
        """Leave the block out, and count it as a call if it is part of what is counted."""
        self.aws_calls += self._since is not None
        with self.excluded():
            yield

    def _stop(self) -> None:
        if self._since is not None:
            self.seconds += time.perf_counter() - self._since
            self._since = None


def main() -> None:
    """Print the cost of a request: median, 95th percentile and maximum, and its AWS calls."""
    set_moto_environment()
    with ExitStack() as stack:
        resources = stack.enter_context(moto_resources(translated_template(), BUCKET, TABLE, QUEUE))
        watch = stack.enter_context(_watching())
        request = _request(JobWorld(resources, limits=LIMITS), watch)
        times, calls = [], []
        for _ in range(WARM_UPS + ROUNDS):
            watch.seconds, watch.aws_calls = 0.0, 0
            request()
            times.append(watch.seconds * 1000)
            calls.append(watch.aws_calls)
    cuts = quantiles(times[WARM_UPS:], n=100)
    print(f"authorization and limits: median {cuts[49]:.2f} ms, p95 {cuts[94]:.2f} ms, p99 {cuts[98]:.2f} ms")
    print(f"AWS calls of them: {mean(calls[WARM_UPS:]):.2f} a request, the first request {calls[0]}")


def _request(world: JobWorld, watch: Watch) -> Callable[[], None]:
    """Return what makes one request: the authorizer first, then the function, as API Gateway calls them."""
    table = world.resources["Table"]
    keys = TenantKeys(DynamoCallers(table, epoch_ms), SsmWebhookSecrets("/bench/webhooks"), epoch_ms)
    keys.create_tenant("Benchmark", TENANT)
    value = keys.create_key(TENANT, "bench", by=Caller.of("owner", "key:owner", ["operator"])).key
    os.environ["TABLE_NAME"] = table
    from imagegen.entrypoints import authorizer  # reads its settings while it is imported

    app = build_app(["*"], generate.router)
    context: Any = Context()
    question = authorizer_event(("x-api-key", value), method="POST", path="/generate")

    def request() -> None:
        with watch.counted():
            answer = authorizer.handler(question, context)
        event = api_event({"prompt": "a red circle", "num_inference_steps": 4}, path="/generate")
        event["requestContext"]["authorizer"] = answer["context"]
        response = resolve(app, world.container, event, context)
        if response["statusCode"] != 200:
            raise RuntimeError(json.loads(response["body"])["code"])

    return request


@contextmanager
def _watching() -> Iterator[Watch]:
    """Count what authorizes and limits in the function: the check of the scope, the reservation, its settlement."""
    watch = Watch()
    # botocore has no public hook around a whole call.
    call, check = BaseClient._make_api_call, RequireScope.handler  # type: ignore[attr-defined]

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def run(*args: Any, **kwargs: Any) -> Any:
            with watch.counted():
                return method(*args, **kwargs)

        return run

    def aws_call(self: BaseClient, *args: Any) -> Any:
        with watch.aws_call():
            return call(self, *args)

    def scope_check(self: RequireScope, app: Any, next_middleware: Any) -> Any:
        def go_on(app: Any) -> Any:
            with watch.excluded():
                return next_middleware(app)

        with watch.counted():
            return check(self, app, cast(NextMiddleware, go_on))

    with (
        mock.patch.object(BaseClient, "_make_api_call", aws_call),
        mock.patch.object(RequireScope, "handler", scope_check),
        mock.patch.object(Limiter, "admit", counted(Limiter.admit)),
        mock.patch.object(Limiter, "settle", counted(Limiter.settle)),
    ):
        yield watch


if __name__ == "__main__":
    main()
