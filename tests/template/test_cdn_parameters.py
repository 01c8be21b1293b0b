"""Parameters of content delivery: half a configuration and bad values are refused before anything is created."""

from __future__ import annotations

import pytest

from tests.support.cdn_keys import elliptic, rsa_2048
from tests.support.evaluate import Template, broken_rules
from tests.template.test_cdn import DOMAIN, ZONE, A, B
from tools.deploy.parameters import accepts


@pytest.mark.parametrize("parameters", [{}, A, B, A | B, A | DOMAIN, B | DOMAIN | ZONE])
def test_a_whole_configuration_breaks_no_rule(template: Template, parameters: dict[str, str]) -> None:
    assert not broken_rules(template, **parameters)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"CdnSigningKey": "A"}, "CdnPublicKeyA"),
        ({"CdnSigningKey": "B"}, "CdnPublicKeyB"),
        (A | {"CdnSigningKey": "B"}, "CdnPublicKeyB"),
        (B | {"CdnSigningKey": "A"}, "CdnPublicKeyA"),
        (A | {"CdnDomainName": "images.example.com"}, "CdnCertificateArn"),
        (A | {"CdnCertificateArn": DOMAIN["CdnCertificateArn"]}, "CdnDomainName"),
        (A | ZONE, "CdnDomainName"),
        (DOMAIN, "CdnSigningKey"),
    ],
)
def test_half_a_configuration_breaks_the_rule_that_names_the_rest(
    template: Template, parameters: dict[str, str], named: str
) -> None:
    (description,) = broken_rules(template, **parameters)
    assert named in description


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("CdnSigningKey", value) for value in ("", "a", "C", "true", "A,B")),
        ("CdnPublicKeyA", elliptic().public.replace(",", "")),
        ("CdnPublicKeyA", elliptic().public.replace(",", " ")),
        ("CdnPublicKeyA", elliptic().public.replace(",", "\n")),
        ("CdnPublicKeyA", elliptic().public + ","),
        ("CdnPublicKeyA", elliptic().pem),
        ("CdnPublicKeyA", ",".join(line for line in elliptic().pem.splitlines() if not line.startswith("-"))),
        ("CdnPublicKeyB", ",".join(line for line in rsa_2048().pem.splitlines() if not line.startswith("-"))),
        ("CdnPublicKeyB", rsa_2048().public[:-9]),
        ("CdnPublicKeyB", "K2JCJMDEHXQW5F"),
        *(("CdnDomainName", value) for value in ("https://images.example.com", "images.example.com/", "I.example")),
        *(("CdnDomainName", value) for value in ("*.example.com", "example", "images..example.com", "-a.example.com")),
        ("CdnCertificateArn", "arn:aws:acm:eu-central-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("CdnCertificateArn", "arn:aws:iam::111122223333:server-certificate/mine"),
        ("CdnHostedZoneId", "/hostedzone/Z0123456789ABCDEFGHIJ"),
        ("CdnHostedZoneId", "example.com"),
    ],
)  # fmt: skip
def test_a_bad_value_is_rejected(template: Template, name: str, value: str) -> None:
    assert not accepts(template["Parameters"][name], value)
