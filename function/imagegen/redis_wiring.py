"""Builds the connection to Redis, if the deployment has one. Imports its modules at first use (wiring.py)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from imagegen import telemetry
from imagegen.settings import Settings

if TYPE_CHECKING:
    from imagegen.redis.server import RedisServer


class RedisParts:
    """The part of a Container that the caches and the rate limits share."""

    settings: Settings

    @cached_property
    def redis(self) -> RedisServer | None:
        """The owner's Redis or Valkey; None without one. One circuit breaker for all that use it."""
        settings = self.settings
        if not settings.redis_url:
            return None
        from imagegen.aws.redis_password import SsmRedisPassword
        from imagegen.redis.server import Address, RedisServer

        address = Address(settings.redis_url, settings.redis_cluster, settings.redis_timeout_ms / 1000)
        name = settings.redis_password.removeprefix("ssm:")
        return RedisServer(address, SsmRedisPassword(name).read if name else None, telemetry.redis_failed)
