from __future__ import annotations

import math
from pathlib import Path

import pytest

from imagegen_cli.failure import Failure
from imagegen_cli.generation_request import chosen_format, make_request, require_idempotency_key, require_no_out


def test_only_what_was_given_is_sent() -> None:
    assert make_request({"prompt": "", "seed": 0, "width": None, "guidance_scale": 0.0}, [], {}) == {
        "prompt": "", "seed": 0, "guidance_scale": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_refused_under_the_option_s_name(value: float) -> None:
    with pytest.raises(Failure, match="--guidance-scale"):
        make_request({"guidance_scale": value}, [], {})


def test_metadata_is_split_at_the_first_equals_sign() -> None:
    assert make_request({}, ["a=b=c", "d=", "=e"], {})["metadata"] == {"a": "b=c", "d": "", "": "e"}


@pytest.mark.parametrize(("metadata", "reason"), [(["a"], "NAME=VALUE"), (["a=1", "a=2"], "twice")])
def test_other_metadata_is_refused(metadata: list[str], reason: str) -> None:
    with pytest.raises(Failure, match=reason):
        make_request({}, metadata, {})


def test_a_webhook_without_events_gets_all() -> None:
    assert make_request({}, [], {"url": "https://a.example", "events": None})["webhook"] == {"url": "https://a.example"}


def test_events_need_a_url() -> None:
    with pytest.raises(Failure, match="needs --webhook-url"):
        make_request({}, [], {"url": None, "events": ["job.failed"]})


def test_the_extension_chooses_the_format_and_must_not_contradict_it() -> None:
    assert chosen_format("jpeg", None) == chosen_format("jpeg", "jpeg") == chosen_format(None, "jpeg") == "jpeg"
    assert chosen_format(None, None) is None
    with pytest.raises(Failure, match="means jpeg"):
        chosen_format("jpeg", "png")


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "\u2603", "\u00e9", "tab\t"])
def test_an_idempotency_key_that_no_header_can_have_is_refused(key: str) -> None:
    with pytest.raises(Failure, match="--idempotency-key"):
        require_idempotency_key(key)


def test_other_idempotency_keys_are_the_service_s_to_judge() -> None:
    for key in (None, "x", "order 17", "~" * 255):
        require_idempotency_key(key)


def test_no_wait_writes_no_file() -> None:
    require_no_out(True, None)
    require_no_out(False, Path("star.png"))
    with pytest.raises(Failure, match="--no-wait"):
        require_no_out(True, Path("star.png"))
