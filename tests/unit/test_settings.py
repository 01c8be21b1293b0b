from __future__ import annotations

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
