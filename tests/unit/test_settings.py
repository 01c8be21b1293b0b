from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from imagegen.settings import Settings
from tests.support.cdn_keys import elliptic, rsa_2048


@pytest.fixture(autouse=True)
def bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET_NAME", "images-bucket")


def test_all_invalid_values_are_reported_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUCKET_NAME")
    bad = {"DEVICE": "tpu", "URL_EXPIRES_SECONDS": "7200", "EMBED_PROMPT": "perhaps", "MODEL_IDS": " , "}
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    named = {str(error["loc"][0]).upper() for error in caught.value.errors()}
    assert named == {"BUCKET_NAME", *bad}


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_IDS", "sd-turbo, demo")
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example,https://b.example")
    settings = Settings()
    assert settings.model_ids == ("sd-turbo", "demo")
    assert settings.default_model_id == "sd-turbo"
    assert settings.allowed_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("lists", "place"),
    [
        ("", ("", "")),
        ("s3://images-bucket/moderation/lists.json", ("s3", "moderation/lists.json")),
        ("ssm:/imagegen/moderation/lists", ("ssm", "/imagegen/moderation/lists")),
    ],
)
def test_word_lists_are_in_the_bucket_or_a_parameter(lists: str, place: tuple[str, str]) -> None:
    assert Settings(moderation_lists=lists).moderation_lists_place == place


@pytest.mark.parametrize(
    "lists",
    [
        *("s3://another-bucket/moderation/lists.json", "s3://images-bucket/images/lists.json", "s3://images-bucket"),
        *("ssm:lists", "ssm:/", "https://example.com/lists.json", "lists.json", "s3://images-bucket/moderation/a b"),
    ],
)
def test_word_lists_elsewhere_fail_the_deployment(lists: str) -> None:
    with pytest.raises(ValidationError):
        Settings(moderation_lists=lists)


@pytest.mark.parametrize(
    "url",
    [
        *("", "redis://localhost", "rediss://cache.example.com:6379", "redis://10.0.0.7:6379/3"),
        "rediss://imagegen@clustercfg.images.abc123.use1.cache.amazonaws.com:6379",
    ],
)
def test_redis_is_named_by_a_url(url: str) -> None:
    assert Settings(redis_url=url).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:6379", "http://localhost", "unix:///run/redis.sock", "redis://", "redis://a b", "redis://:6379"),
        *("redis://user:password@localhost", "redis://:password@localhost", "rediss://localhost?ssl_cert_reqs=none"),
        *("redis://localhost/zero", "redis://localhost:port", "redis://localhost#1", "redis://localhost\n"),
    ],
)
def test_another_url_of_redis_fails_the_deployment(url: str) -> None:
    with pytest.raises(ValidationError, match="REDIS_PASSWORD for a password"):
        Settings(redis_url=url)


def test_the_password_of_redis_is_in_ssm() -> None:
    settings = Settings(redis_url="rediss://localhost", redis_password="ssm:/imagegen/redis/password")
    assert settings.redis_password == "ssm:/imagegen/redis/password"
    for elsewhere in ("password", "ssm:password", "ssm:/", "arn:aws:secretsmanager:eu-west-1:1:secret:a"):
        with pytest.raises(ValidationError, match="expected ssm:/<name>"):
            Settings(redis_url="rediss://localhost", redis_password=elsewhere)


@pytest.mark.parametrize(
    "settings",
    [
        {"redis_password": "ssm:/a/redis/b"},
        {"redis_cluster": True},
        {"redis_cluster": True, "redis_url": "redis://localhost/1"},
        {"redis_url": "redis://localhost", "redis_timeout_ms": 0},
        {"redis_url": "redis://localhost", "redis_timeout_ms": 60_000},
    ],
)
def test_what_redis_cannot_do_fails_the_deployment(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**settings)
    Settings(redis_url="redis://localhost/0", redis_cluster=True)


CDN = {
    "CDN_DOMAIN": "d111111abcdef8.cloudfront.net",
    "CDN_KEY_ID": "K2JCJMDEHXQW5F",
    "CDN_PUBLIC_KEY": elliptic().public,
    "CDN_PRIVATE_KEY_PARAMETER": "/imagegen/cdn/A",
}


def test_a_distribution_has_all_four_settings_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().cdn_domain == ""
    for name, value in CDN.items():
        monkeypatch.setenv(name, value)
    assert Settings().cdn_domain == CDN["CDN_DOMAIN"]
    for name in CDN:
        with monkeypatch.context() as without:
            without.setenv(name, "")
            with pytest.raises(ValidationError, match="set all or none"):
                Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("CDN_DOMAIN", value)
            for value in ("https://images.example.com", "images.example.com/", "localhost", "a b.c")
        ),
        *(("CDN_DOMAIN", value) for value in ("images.example.com@evil.example", "images.example.com:443", ".example")),
        *(("CDN_PUBLIC_KEY", value) for value in ("K2JCJMDEHXQW5F", elliptic().pem, rsa_2048().pem)),
        ("CDN_PUBLIC_KEY", elliptic().public.replace(",", "")),
    ],
)
def test_a_bad_setting_of_the_distribution_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    for each, good in (CDN | {name: value}).items():
        monkeypatch.setenv(each, good)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [str(error["loc"][0]).upper() for error in caught.value.errors()] == [name]
