"""Fetching keys from a real issuer over TLS, with everything that an issuer can do wrong."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import get_args

import pytest
import trustme

from imagegen.access.issuer_http import HttpsKeySets
from imagegen.access.ports import KeySetUnavailable
from tests.support.issuer import DISCOVERY, PATIENT_S, Fault, LocalIssuer, local_issuer

SLOW = {"slow", "drip", "drip head"}


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as running:
        yield running


def test_the_keys_are_those_that_the_discovery_document_points_to(issuer: LocalIssuer) -> None:
    assert HttpsKeySets(issuer.tls, PATIENT_S).fetch(issuer.url) == {"keys": issuer.keys}
    assert issuer.requests == {DISCOVERY: 1, "/keys": 1}


@pytest.mark.parametrize("fault", get_args(Fault))
def test_a_fault_is_unavailable_within_the_time_limit_and_then_over(issuer: LocalIssuer, fault: Fault) -> None:
    """A fetch without a limit would never end: three of the faults last until the test does."""
    limit_s = 0.3 if fault in SLOW else PATIENT_S
    source = HttpsKeySets(issuer.tls, limit_s)
    issuer.fault = fault
    with pytest.raises(KeySetUnavailable):
        source.fetch(issuer.url)
    assert set(issuer.requests) <= {DISCOVERY, "/keys"}, "no redirect was followed"
    assert sum(issuer.requests.values()) <= 2
    issuer.fault = None
    assert HttpsKeySets(issuer.tls, PATIENT_S).fetch(issuer.url)["keys"] == issuer.keys


def test_a_certificate_of_an_unknown_authority_is_refused(issuer: LocalIssuer) -> None:
    def other() -> ssl.SSLContext:
        return ssl.create_default_context(cadata=trustme.CA().cert_pem.bytes().decode())

    for tls in (other, ssl.create_default_context):
        with pytest.raises(KeySetUnavailable, match="SSLError"):
            HttpsKeySets(tls, PATIENT_S).fetch(issuer.url)
    assert issuer.fetches == 0


def test_a_certificate_of_another_host_is_refused(issuer: LocalIssuer) -> None:
    with pytest.raises(KeySetUnavailable, match="SSLError"):
        HttpsKeySets(issuer.tls, PATIENT_S).fetch(issuer.url.replace("127.0.0.1", "localhost"))
    assert issuer.fetches == 0


def test_an_issuer_that_does_not_listen_is_unavailable() -> None:
    with local_issuer() as gone:
        url, tls = gone.url, gone.tls
    with pytest.raises(KeySetUnavailable):
        HttpsKeySets(tls, PATIENT_S).fetch(url)
