from __future__ import annotations

import pytest
from pydantic import ValidationError

from imagegen.settings import Settings


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
