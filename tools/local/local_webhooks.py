"""The Webhooks function of a local stack that was told of a receiver on this machine (`make serve RECEIVER=...`).

The function's own handler, but for what it may reach: webhooks for one name go to the loopback interface and trust one
more authority. This module is no part of the package, so that no deployment can be told the same.
"""

from __future__ import annotations

import os
import ssl
from functools import cache
from ipaddress import ip_address

from imagegen.entrypoints import webhooks
from imagegen.targets import Address, Courier, is_public, resolve
from imagegen.webhooks import WebhookSender
from imagegen.wiring import build_webhooks

NAME = os.environ["LOCAL_RECEIVER"]
LOOPBACK = ip_address("127.0.0.1")


def resolve_here(host: str, port: int) -> list[Address]:
    return [LOOPBACK] if host == NAME else resolve(host, port)


@cache
def sender() -> WebhookSender:
    tls = ssl.create_default_context()
    tls.load_verify_locations(os.environ["LOCAL_RECEIVER_CA"])
    courier = Courier(
        resolve=resolve_here, may_reach=lambda address: address == LOOPBACK or is_public(address), tls=tls
    )
    return build_webhooks(webhooks.settings, courier)


webhooks.sender = sender
handler = webhooks.handler
