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
