"""Webhooks handler that can reach a receiver on this machine (`make serve RECEIVER=...`).

It differs from the function's own handler in one rule: webhooks to LOCAL_RECEIVER go to the loopback interface and
trust one more CA. It is not part of the imagegen package, so no deployment to AWS can be configured this way.
"""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address

from imagegen.entrypoints import webhooks
from imagegen.public_url import Address, is_public
from imagegen.webhooks.safe_http import SafeClient, resolve

NAME = os.environ["LOCAL_RECEIVER"]
LOOPBACK = ip_address("127.0.0.1")


def resolve_here(host: str, port: int) -> list[Address]:
    """Return the loopback address for the local receiver; resolve any other host as usual."""
    return [LOOPBACK] if host == NAME else resolve(host, port)


def local_tls() -> ssl.SSLContext:
    """Return a client's context that also trusts the local receiver's CA."""
    tls = ssl.create_default_context()
    tls.load_verify_locations(os.environ["LOCAL_RECEIVER_CA"])
    return tls


def local_client() -> SafeClient:
    """Return a client that can also reach the local receiver."""
    return SafeClient(
        resolve=resolve_here, may_reach=lambda address: address == LOOPBACK or is_public(address), tls=local_tls
    )


webhooks.container.safe_client = local_client()
handler = webhooks.handler
