"""The bucket is private, encrypted and TLS-only, and its images expire."""

from __future__ import annotations

from typing import Any

import pytest

from imagegen.pictures.uploads import KEPT
from tests.support.evaluate import Resources, Template, evaluate

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def bucket(resources: Resources) -> Any:
    return resources["Bucket"]["Properties"]


def encryption(resources: Resources) -> Any:
    (rule,) = bucket(resources)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    return rule


def test_private(resources: Resources) -> None:
    assert bucket(resources)["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert bucket(resources)["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_encrypted_with_an_s3_key(resources: Resources) -> None:
    assert encryption(resources) == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_encrypted_with_a_kms_key(template: Template) -> None:
    assert encryption(evaluate(template, KmsKeyArn=KEY)) == {
        "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
        "BucketKeyEnabled": True,
    }


def test_tls_only(resources: Resources) -> None:
    policy = resources["BucketPolicy"]["Properties"]
    assert policy["Bucket"] == {"Ref": "Bucket"}
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement == {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def test_images_expire_and_incomplete_uploads_are_aborted(template: Template) -> None:
    rules = bucket(evaluate(template, ImageDays="3"))["LifecycleConfiguration"]["Rules"]
    expire, checkpoints, inputs, uploads, abort = rules
    assert (expire["Status"], expire["Prefix"], expire["ExpirationInDays"]) == ("Enabled", "images/", "3")
    assert (abort["Status"], abort["AbortIncompleteMultipartUpload"]) == ("Enabled", {"DaysAfterInitiation": 1})
    assert "Prefix" not in abort
    assert (uploads["Status"], uploads["Prefix"], uploads["ExpirationInDays"]) == ("Enabled", "uploads/", KEPT.days)
    assert (checkpoints["Status"], checkpoints["Prefix"]) == ("Enabled", "checkpoints/")
    assert (inputs["Status"], inputs["Prefix"]) == ("Enabled", "inputs/")
    # Not before the job that may need them.
    assert checkpoints["ExpirationInDays"] == inputs["ExpirationInDays"] == "3"


def test_deleted_with_the_stack(resources: Resources) -> None:
    assert resources["Bucket"]["DeletionPolicy"] == "Delete"


@pytest.mark.parametrize("origins", ["*", "https://a.example,http://localhost:3000"])
def test_pages_of_the_allowed_origins_may_fetch_images_and_send_uploads(template: Template, origins: str) -> None:
    (rule,) = bucket(evaluate(template, AllowedOrigins=origins))["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == origins.split(",")
    assert rule["AllowedMethods"] == ["GET", "HEAD", "POST"]
