"""The optional CloudFront distribution: signed URLs only, of images only, cached no longer than deletions may take."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from imagegen.aws.cdn_signer import _signing_with
from imagegen.settings import Settings
from tests.support.cdn_keys import elliptic, rsa_2048
from tests.support.evaluate import Resources, Template, evaluate
from tests.template.conftest import REGION, translated
from tests.template.test_functions import FUNCTIONS, SERVING, environment, properties
from tests.template.test_lint import IGNORED_IN_SOURCE, ONLY_AFTER_TRANSLATION
from tests.template.test_roles import grants, statements
from tools.deploy.parameters import accepts
from tools.local.process import ROOT

A = {"CdnSigningKey": "A", "CdnPublicKeyA": elliptic().public}
B = {"CdnSigningKey": "B", "CdnPublicKeyB": rsa_2048().public}
DOMAIN = {
    "CdnDomainName": "images.example.com",
    "CdnCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab",
}
ZONE = {"CdnHostedZoneId": "Z0123456789ABCDEFGHIJ"}
SIGNING = ["Generator", "Api", "Webhooks"]
"""The functions that return URLs to callers."""
CHOSEN = {"Fn::GetAtt": ["CdnDistribution", "DomainName"]}


@pytest.fixture(scope="module")
def delivery(template: Template) -> Resources:
    return evaluate(template, **A)


def distribution(resources: Resources) -> Any:
    return properties(resources, "CdnDistribution")["DistributionConfig"]


def of_cdn(resources: Resources) -> set[str]:
    return {name for name in resources if name.startswith("Cdn")}


# -- off and on --------------------------------------------------------------------------------------------------------


def test_it_is_off_by_default(resources: Resources) -> None:
    assert of_cdn(resources) == set()
    for function in FUNCTIONS:
        variables = environment(resources, function)
        assert {name: value for name, value in variables.items() if name.startswith("CDN_")} == {
            "CDN_DOMAIN": "",
            "CDN_KEY_ID": "",
            "CDN_PUBLIC_KEY": "",
            "CDN_PRIVATE_KEY_PARAMETER": "",
        }


def test_a_key_alone_creates_nothing(template: Template) -> None:
    assert of_cdn(evaluate(template, CdnPublicKeyA=elliptic().public)) == set()


def test_one_key_creates_the_distribution_and_its_parts(delivery: Resources) -> None:
    parts = {"CdnDistribution", "CdnOriginAccess", "CdnKeyA", "CdnKeyGroup", "CdnCaching", "CdnHeaders"}
    assert of_cdn(delivery) == parts


@pytest.mark.parametrize("parameters", [A | B | DOMAIN | ZONE, B], ids=["everything", "one key"])
def test_a_deployment_with_it_passes_the_linter(parameters: dict[str, str]) -> None:
    """Its values, not only its form: as defaults, the linter knows them."""
    template = translated(**parameters)
    for name, value in parameters.items():
        template["Parameters"][name]["Default"] = value
    config = ManualArgs(regions=[REGION], ignore_checks=ONLY_AFTER_TRANSLATION + IGNORED_IN_SOURCE)
    assert lint(json.dumps(template), config=config) == []


# -- who gets what -----------------------------------------------------------------------------------------------------


def test_only_signed_urls_are_served_and_only_over_tls(delivery: Resources) -> None:
    config = distribution(delivery)
    behavior = config["DefaultCacheBehavior"]
    assert behavior["TrustedKeyGroups"] == [{"Ref": "CdnKeyGroup"}]
    assert behavior["ViewerProtocolPolicy"] == "https-only"
    assert behavior["AllowedMethods"] == ["GET", "HEAD", "OPTIONS"]
    assert "CacheBehaviors" not in config, "another behavior could serve without a signature"


def test_the_bucket_stays_private_and_lets_this_distribution_read_images_only(delivery: Resources) -> None:
    (tls, allowed) = properties(delivery, "BucketPolicy")["PolicyDocument"]["Statement"]
    assert tls["Sid"] == "TlsOnly"
    account = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${CdnDistribution}"
    assert allowed == {
        "Sid": "ImagesOfTheDistribution",
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": {"Fn::Sub": "${Bucket.Arn}/images/*"},
        "Condition": {"StringEquals": {"aws:SourceArn": {"Fn::Sub": account}}},
    }
    assert all(properties(delivery, "Bucket")["PublicAccessBlockConfiguration"].values())


def test_cloudfront_signs_its_requests_to_the_bucket(delivery: Resources) -> None:
    (origin,) = distribution(delivery)["Origins"]
    assert origin["DomainName"] == {"Fn::GetAtt": ["Bucket", "RegionalDomainName"]}
    assert origin["OriginAccessControlId"] == {"Fn::GetAtt": ["CdnOriginAccess", "Id"]}
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    access = properties(delivery, "CdnOriginAccess")["OriginAccessControlConfig"]
    assert (access["OriginAccessControlOriginType"], access["SigningBehavior"], access["SigningProtocol"]) == (
        "s3",
        "always",
        "sigv4",
    )


def test_only_functions_that_return_urls_read_the_private_key(resources: Resources, delivery: Resources) -> None:
    parameters = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/cdn/*"
    for function in FUNCTIONS:
        before, after = (list(statements(properties(each, f"{function}Role"))) for each in (resources, delivery))
        added = [each for each in after if each not in before]
        grant = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": {"Fn::Sub": parameters}}
        assert added == ([grant] if function in SIGNING else []), function
        assert "*" not in grants(properties(delivery, f"{function}Role"))


def test_nothing_logs_signed_urls(delivery: Resources) -> None:
    assert "Logging" not in distribution(delivery)


# -- caching -----------------------------------------------------------------------------------------------------------


def test_a_cache_asks_for_a_deleted_image_within_five_minutes(delivery: Resources) -> None:
    """Sooner than by the expiry of its URLs, which are valid for an hour by default."""
    policy = properties(delivery, "CdnCaching")["CachePolicyConfig"]
    assert (policy["MinTTL"], policy["DefaultTTL"], policy["MaxTTL"]) == (0, 300, 300)
    assert policy["MaxTTL"] <= Settings.model_fields["url_expires_seconds"].default


def test_the_path_alone_is_the_cache_key_and_nothing_is_recoded(delivery: Resources) -> None:
    key = properties(delivery, "CdnCaching")["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
    assert key == {
        "EnableAcceptEncodingBrotli": False,
        "EnableAcceptEncodingGzip": False,
        "CookiesConfig": {"CookieBehavior": "none"},
        "HeadersConfig": {"HeaderBehavior": "none"},
        "QueryStringsConfig": {"QueryStringBehavior": "none"},
    }
    assert distribution(delivery)["DefaultCacheBehavior"]["Compress"] is False


@pytest.mark.parametrize("origins", ["*", "https://a.example,http://localhost:3000"])
def test_pages_of_the_allowed_origins_may_read_images_as_from_the_bucket(template: Template, origins: str) -> None:
    resources = evaluate(template, **A, AllowedOrigins=origins)
    headers = properties(resources, "CdnHeaders")["ResponseHeadersPolicyConfig"]
    cors, (rule,) = headers["CorsConfig"], properties(resources, "Bucket")["CorsConfiguration"]["CorsRules"]
    assert cors["AccessControlAllowOrigins"]["Items"] == rule["AllowedOrigins"]
    assert cors["AccessControlAllowHeaders"]["Items"] == rule["AllowedHeaders"]
    assert cors["AccessControlExposeHeaders"]["Items"] == rule["ExposedHeaders"]
    assert cors["AccessControlMaxAgeSec"] == rule["MaxAge"]
    assert set(cors["AccessControlAllowMethods"]["Items"]) == set(rule["AllowedMethods"]) - {"POST"}
    assert cors["AccessControlAllowCredentials"] is False
    assert cors["OriginOverride"] is True, "a cached response may be that to a request without an Origin"
    assert headers["SecurityHeadersConfig"]["ContentTypeOptions"] == {"Override": True}


# -- keys --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signs", "parameters", "keys"),
    [("A", A, ["A"]), ("B", B, ["B"]), ("A", B | A, ["A", "B"]), ("B", A | B, ["A", "B"])],
)
def test_every_key_that_is_there_is_trusted_and_one_signs(
    template: Template, signs: str, parameters: dict[str, str], keys: list[str]
) -> None:
    resources = evaluate(template, **parameters)
    assert properties(resources, "CdnKeyGroup")["KeyGroupConfig"]["Items"] == [{"Ref": f"CdnKey{key}"} for key in keys]
    assert {name[-1] for name in of_cdn(resources) if re.fullmatch("CdnKey[AB]", name)} == set(keys)
    for function in SERVING:
        variables = environment(resources, function)
        assert variables["CDN_KEY_ID"] == {"Ref": f"CdnKey{signs}"}
        assert variables["CDN_PUBLIC_KEY"] == parameters[f"CdnPublicKey{signs}"]
        assert variables["CDN_PRIVATE_KEY_PARAMETER"] == {"Fn::Sub": f"/${{AWS::StackName}}/cdn/{signs}"}


def joined(node: Any) -> str:
    """Return what Fn::Join returns."""
    if isinstance(node, str):
        return node
    separator, parts = node["Fn::Join"]
    return str(separator).join(joined(part) for part in parts)


@pytest.mark.parametrize("pair", [elliptic(), rsa_2048()], ids=lambda pair: pair.id)
@pytest.mark.parametrize("slot", ["A", "B"])
def test_cloudfront_gets_the_public_key_as_openssl_writes_it(template: Template, slot: str, pair: Any) -> None:
    parameters = {"CdnSigningKey": slot, f"CdnPublicKey{slot}": pair.public}
    config = properties(evaluate(template, **parameters), f"CdnKey{slot}")["PublicKeyConfig"]
    lines = pair.public.split(",")
    pem = ["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]
    assert joined(config["EncodedKey"]) == "\n".join(pem)
    assert config["CallerReference"] == {"Fn::Select": [1, lines]}


@pytest.mark.parametrize("pair", [elliptic(), rsa_2048()], ids=lambda pair: pair.id)
def test_the_functions_accept_the_keys_that_the_template_accepts(template: Template, pair: Any) -> None:
    assert accepts(template["Parameters"]["CdnPublicKeyA"], pair.public)
    settings = Settings(
        cdn_domain="d1.cloudfront.net",
        cdn_key_id="K1",
        cdn_public_key=pair.public,
        cdn_private_key_parameter="/imagegen/cdn/A",
    )
    assert settings.cdn_public_key == pair.public


def test_the_commands_of_the_guide_make_keys_that_the_template_accepts(template: Template, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    guide = (ROOT / "docs" / "delivery.md").read_text()
    make, show = re.findall(r"^ *\$ (openssl .+)$", guide, re.MULTILINE)
    (rsa_options,) = re.findall(r"`(-algorithm RSA .+?)`", guide)
    for command in (make, re.sub("-algorithm EC .+(?= -out)", rsa_options, make)):
        completed = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{command}\n{show}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        public = completed.stdout.strip()
        assert accepts(template["Parameters"]["CdnPublicKeyA"], public)
        assert _signing_with((tmp_path / "private.pem").read_bytes(), public)(b"policy")


# -- the owner's domain ------------------------------------------------------------------------------------------------


def test_the_domain_is_cloudfronts_or_the_owners(template: Template, delivery: Resources) -> None:
    assert environment(delivery, "Api")["CDN_DOMAIN"] == CHOSEN
    assert "Aliases" not in distribution(delivery)
    assert distribution(delivery)["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True}
    resources = evaluate(template, **A, **DOMAIN)
    # Select returns the first; the second has the functions wait until the distribution serves what they sign.
    assert environment(resources, "Api")["CDN_DOMAIN"] == {"Fn::Select": [0, ["images.example.com", CHOSEN]]}
    assert distribution(resources)["Aliases"] == ["images.example.com"]
    assert distribution(resources)["ViewerCertificate"] == {
        "AcmCertificateArn": DOMAIN["CdnCertificateArn"],
        "SslSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.2_2021",
    }
    assert "CdnRecords" not in resources


def test_a_hosted_zone_gets_the_records(template: Template) -> None:
    records = properties(evaluate(template, **A, **DOMAIN, **ZONE), "CdnRecords")
    assert records["HostedZoneId"] == ZONE["CdnHostedZoneId"]
    assert [(each["Name"], each["Type"]) for each in records["RecordSets"]] == [
        ("images.example.com", "A"),
        ("images.example.com", "AAAA"),
    ]
    assert all(each["AliasTarget"]["DNSName"] == CHOSEN for each in records["RecordSets"])
