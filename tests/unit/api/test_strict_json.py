from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegen.api.strict_json import MAX_DEPTH, parse_object
from imagegen.errors import (
    BodyNotObject,
    DuplicateKey,
    JsonTooDeep,
    MalformedJson,
    NumberOutOfRange,
    ServiceError,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", MalformedJson),
        (b" ", MalformedJson),
        (b"{", MalformedJson),
        (b"\xff{}", MalformedJson),
        (b"\xef\xbb\xbf{}", MalformedJson),
        ("{}".encode("utf-16"), MalformedJson),
        (b'{"a": NaN}', MalformedJson),
        (b'{"a": -Infinity}', MalformedJson),
        (b"{'a': 1}", MalformedJson),
        (b"{} {}", MalformedJson),
        (b"[]", BodyNotObject),
        (b"null", BodyNotObject),
        (b'"text"', BodyNotObject),
        (b'{"a": 1, "a": 1}', DuplicateKey),
        (b'{"a": {"b": 1, "b": 2}}', DuplicateKey),
        (b'{"a": 1e999}', NumberOutOfRange),
        (b'{"a": -1e999}', NumberOutOfRange),
        (b'{"a": ' + b"9" * 5000 + b"}", NumberOutOfRange),
        (b'{"a": -' + b"9" * 21 + b"}", NumberOutOfRange),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", JsonTooDeep),
        (b'{"a": ' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), JsonTooDeep),
    ],
)
def test_anything_but_one_plain_object_is_rejected(raw: bytes, expected: type[ServiceError]) -> None:
    with pytest.raises(expected):
        parse_object(raw)


def test_brackets_inside_strings_are_not_nesting() -> None:
    text = '["' * 50 + "\\\\"
    assert parse_object(json.dumps({"prompt": text}).encode()) == {"prompt": text}


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_every_ordinary_object_is_parsed_unchanged(value: dict[str, Any]) -> None:
    assert parse_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=64))
def test_any_bytes_are_an_object_or_a_400(raw: bytes) -> None:
    try:
        assert isinstance(parse_object(raw), dict)
    except ServiceError as error:
        assert error.status == 400
