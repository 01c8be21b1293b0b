"""Signed URLs of CloudFront: what they open, until when, and what is refused before anything is signed.

The signatures are verified as CloudFront documents it, without the code that signs. The private key comes from
Parameter Store, as moto implements it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from moto import mock_aws

from imagegen.aws import clients
from imagegen.aws.cdn_signer import CdnKey, CdnSigner
from imagegen.aws.s3 import S3ImageStore
from imagegen.errors import DeliveryUnavailable
from tests.support.cdn_keys import KeyPair, Refused, elliptic, opened, rsa_2048
from tests.support.fakes import FAR_AWAY

DOMAIN = "d111111abcdef8.cloudfront.net"
PARAMETER = "/imagegen/cdn/A"
KEY = "images/0123456789abcdef/" + "a" * 64 + "/demo-7.png"
PAIRS = [elliptic(), rsa_2048()]


@pytest.fixture(autouse=True)
def ssm() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("ssm")


def store_key(ssm: Any, value: str, parameter: str = PARAMETER) -> None:
    ssm.put_parameter(Name=parameter, Value=value, Type="SecureString", Overwrite=True)


def signer_of(pair: KeyPair, parameter: str = PARAMETER) -> CdnSigner:
    return CdnSigner(DOMAIN, CdnKey(pair.id, pair.public, parameter))


def store_of(pair: KeyPair, seconds: int = 3600) -> S3ImageStore:
    return S3ImageStore("bucket", seconds, 7, cdn=signer_of(pair))


def now() -> float:
    return datetime.now(UTC).timestamp()


# -- what a URL opens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
@pytest.mark.parametrize(
    ("key", "path"),
    [
        (KEY, KEY),
        ("images/alice/0/0.png", "images/alice/0/0.png"),  # as version 0.1.0 stored it
        ("images/0/my model ~(1)+%2F-\u00e9*?.webp", "images/0/my%20model%20~%281%29%2B%252F-%C3%A9%2A%3F.webp"),
    ],
)  # fmt: skip
def test_a_url_opens_its_image(ssm: Any, pair: KeyPair, key: str, path: str) -> None:
    store_key(ssm, pair.pem)
    signed = store_of(pair).sign(key, FAR_AWAY)
    assert opened(signed.url, {pair.id: pair}, now()) == f"https://{DOMAIN}/{path}"


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.id)
@pytest.mark.parametrize("edit", [str.strip, lambda pem: "\n" + pem, lambda pem: pem.replace("\n", "\r\n")])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_every_form_of_pem_that_openssl_writes_signs(
    ssm: Any, pair: KeyPair, form: PrivateFormat, edit: Callable[[str], str]
) -> None:
    store_key(ssm, edit(pair.private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()))
    assert opened(store_of(pair).sign(KEY, FAR_AWAY).url, {pair.id: pair}, now())


def test_a_url_opens_nothing_else(ssm: Any) -> None:
    pair = elliptic()
    store_key(ssm, pair.pem)
    url = store_of(pair).sign(KEY, FAR_AWAY).url
    later = url.replace("Expires=", "Expires=9")
    for changed in (
        url.replace("demo-7", "demo-8"), url.replace(DOMAIN, "d222222abcdef8.cloudfront.net"), later,
        url.replace("SHA256", "SHA1"), url.replace("?", "?size=large&"), url.replace("Signature=", "Signature=A"),
    ):  # fmt: skip
        assert changed != url
        with pytest.raises((Refused, ValueError)):
            opened(changed, {pair.id: pair}, now())


def test_a_url_has_no_credentials_of_the_function(ssm: Any) -> None:
    store_key(ssm, elliptic().pem)
    url = store_of(elliptic()).sign(KEY, FAR_AWAY).url
    assert "X-Amz" not in url
    assert len(url) < 350  # of S3, with Lambda's session token, about 1,500


# -- when it expires ---------------------------------------------------------------------------------------------------


def test_a_url_expires_when_it_says(ssm: Any) -> None:
    pair = elliptic()
    store_key(ssm, pair.pem)
    before = datetime.now(UTC)
    signed = store_of(pair, 600).sign(KEY, FAR_AWAY)
    after = datetime.now(UTC)
    assert before - timedelta(seconds=1) < signed.expires_at - timedelta(seconds=600) <= after
    ends = signed.expires_at.timestamp()
    assert ends == int(ends)
    assert opened(signed.url, {pair.id: pair}, ends - 1)
    with pytest.raises(Refused, match="expired"):
        opened(signed.url, {pair.id: pair}, ends)


@pytest.mark.parametrize("microseconds", [0, 1, 999_999])
def test_a_url_never_outlives_its_image(ssm: Any, microseconds: int) -> None:
    store_key(ssm, elliptic().pem)
    until = datetime.now(UTC).replace(microsecond=microseconds) + timedelta(seconds=100)
    signed = store_of(elliptic(), 600).sign(KEY, until)
    assert signed.expires_at == until.replace(microsecond=0)
    assert f"Expires={int(until.timestamp())}&" in signed.url


def test_a_url_outlives_the_credentials_of_the_function(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its signature is not made with them."""
    store_key(ssm, elliptic().pem)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", (datetime.now(UTC) + timedelta(seconds=1000)).isoformat())
    signed = store_of(elliptic()).sign(KEY, FAR_AWAY)
    assert signed.expires_at > datetime.now(UTC) + timedelta(seconds=3000)


# -- rotation ----------------------------------------------------------------------------------------------------------


def test_urls_of_both_keys_open_while_one_replaces_the_other(ssm: Any) -> None:
    old, new = elliptic("KOLD"), elliptic("KNEW")
    store_key(ssm, old.pem, "/imagegen/cdn/A")
    store_key(ssm, new.pem, "/imagegen/cdn/B")
    before = signer_of(old, "/imagegen/cdn/A").sign(KEY, FAR_AWAY)
    after = signer_of(new, "/imagegen/cdn/B").sign(KEY, FAR_AWAY)
    both = {old.id: old, new.id: new}
    assert opened(before, both, now()) == opened(after, both, now())
    with pytest.raises(Refused):
        opened(before, {new.id: new}, now())


def test_the_key_is_read_once(ssm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = elliptic()
    store_key(ssm, pair.pem)
    store = store_of(pair)
    store.require_signer()
    monkeypatch.setattr(clients, "client", None)
    ssm.delete_parameter(Name=PARAMETER)
    for _ in range(3):
        assert opened(store.sign(KEY, FAR_AWAY).url, {pair.id: pair}, now())


# -- what is refused ---------------------------------------------------------------------------------------------------


def refused(store: S3ImageStore) -> DeliveryUnavailable:
    """Return the error of the check, which is also that of signing."""
    with pytest.raises(DeliveryUnavailable) as check:
        store.require_signer()
    with pytest.raises(DeliveryUnavailable) as signing:
        store.sign(KEY, FAR_AWAY)
    assert check.value.private == signing.value.private
    assert (check.value.code, check.value.status, check.value.headers) == (
        "delivery_unavailable",
        503,
        {"Retry-After": "30"},
    )
    assert "SSM" not in str(check.value.problem(request_id=""))
    assert PARAMETER not in str(check.value.problem(request_id=""))
    return check.value


def test_a_missing_key_is_an_error_until_it_is_there(ssm: Any) -> None:
    pair = elliptic()
    store = store_of(pair)
    assert refused(store).private == f"SSM: ParameterNotFound ParameterNotFound {PARAMETER}"
    store_key(ssm, pair.pem)
    assert opened(store.sign(KEY, FAR_AWAY).url, {pair.id: pair}, now())


NO_KEY = f"SSM: {PARAMETER} is no private key in PEM without a passphrase"


def encrypted(pair: KeyPair) -> str:
    return pair.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"canary")).decode()


@pytest.mark.parametrize(
    "value",
    [
        *("canary", "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----", elliptic().public),
        elliptic().pem.replace("PRIVATE", "PUBLIC"),
        elliptic().pem[:-60],
        encrypted(elliptic()),
    ],
    ids=["text", "no key", "public half", "header of another kind", "cut", "passphrase"],
)
def test_what_is_no_private_key_is_refused_without_showing_it(ssm: Any, value: str) -> None:
    store_key(ssm, value)
    error = refused(store_of(elliptic()))
    assert error.private == NO_KEY
    assert "canary" not in repr(error.__cause__)


def test_the_private_key_of_another_public_key_is_refused(ssm: Any) -> None:
    """CloudFront would refuse every URL, and only the callers would notice."""
    store_key(ssm, elliptic("KOTHER").pem)
    error = refused(store_of(elliptic()))
    assert error.private == f"SSM: {PARAMETER} is not the private key of the public key that the deployment signs with"


@pytest.mark.parametrize(
    "private",
    [
        *(ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256K1())),
        *(ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 1024)),
    ],
    ids=["P-384", "secp256k1", "Ed25519", "RSA 1024"],
)  # fmt: skip
def test_a_key_that_cloudfront_does_not_accept_is_refused(ssm: Any, private: Any) -> None:
    pair = KeyPair("KODD", private)
    store_key(ssm, pair.pem)
    assert "does not accept" in refused(store_of(pair)).private


def test_a_key_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1")
    assert refused(store_of(elliptic())).private == f"SSM: EndpointConnectionError {PARAMETER}"


def test_a_store_without_a_distribution_needs_no_key() -> None:
    S3ImageStore("bucket", 600, 7).require_signer()
