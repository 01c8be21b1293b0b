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
from tests.support.library_messages import foreign_phrases

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
        (b"\xef\xbb\xbf", MalformedJson),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", MalformedJson),
        (b'{"a": "\xef\xbb\xbf"}\xef\xbb\xbf', MalformedJson),
        ("{}".encode("utf-16"), MalformedJson),
        (b'{"a": NaN}', MalformedJson),
        (b'{"a": -Infinity}', MalformedJson),
        (b"NaN", MalformedJson),
        (b"[1, [-Infinity]]", MalformedJson),
        (b"1e999", NumberOutOfRange),
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


SYNTAX_ERRORS = {
    b"": "The body is empty. Send a JSON object.",
    b" \n": "The body is empty. Send a JSON object.",
    b'{"a": 1': "it ends too early (line 1, column 8)",
    b'{"a": "b': "the string does not end (line 1, column 7)",
    b'{"a": 1\n "b": 2}': "a comma or a colon is missing before the quote",
    b'{"a": }': "a member or a value is missing before the brace (line 1, column 7)",
    b'{"a": [1, ]}': "(line 1, column 1",
    b'{"a": 1,}': "(line 1, column ",
    b"{'a': 1}": "keys and strings need double quotes (line 1, column 2)",
    b"{a: 1}": "text needs double quotes; true, false and null are in lower case (line 1, column 2)",
    b'{"a": True}': "true, false and null are in lower case (line 1, column 7)",
    b'{"a": None}': "true, false and null are in lower case (line 1, column 7)",
    b'{"a": "b\nc"}': r"control characters in strings must be escaped; write \n for a line break (line 1, column 9)",
    b'{"a": "\\x"}': r"invalid escape; write a backslash as \\ (line 1, column ",
    b'{"a": "\\u12"}': "(line 1, column ",
    b"{} {}": "a comma is missing, or there is more after the object (line 1, column 4)",
    b"// a\n{}": "unexpected character (line 1, column 1)",
    b"prompt=red": "text needs double quotes; true, false and null are in lower case (line 1, column 1)",
    b"\xef\xbb\xbf\xef\xbb\xbf{}": "unexpected character (line 1, column 1)",
    b"\xff": "The body is not UTF-8 (byte 0).",
    b'{"a": NaN}': "NaN is not a JSON number. Use a finite number.",
    b"[]": "The body must be a JSON object.",
}


@pytest.mark.parametrize("raw", SYNTAX_ERRORS)
def test_a_syntax_error_has_its_place_and_a_message_of_ours(raw: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_object(raw)
    assert SYNTAX_ERRORS[raw] in caught.value.detail
    assert foreign_phrases(caught.value.detail) == []


@given(
    st.text(max_size=20).map(str.encode)
    | st.binary(max_size=20)
    | st.text("{}[]\",:\\u1e \n'", max_size=20).map(str.encode)
)
def test_no_message_is_that_of_pythons_decoder(raw: bytes) -> None:
    try:
        parse_object(raw)
    except ServiceError as error:
        assert foreign_phrases(error.detail) == []


@pytest.mark.parametrize(
    ("text", "field", "code"),
    [
        ('{"prompt": {"seed": 1, "x": 2, "seed": 1}}', "seed", "duplicate_key"),
        (f'{{"{"k" * 500}": 1, "{"k" * 500}": 1}}', "k" * 64, "duplicate_key"),
        ('{"guidance_scale": 1e999}', "guidance_scale", "number_out_of_range"),
        ('{"seed": 123456789012345678901}', "seed", "number_out_of_range"),
        ('{"seed": NaN}', "seed", "malformed_json"),
        ('{"a": {"b": [1, [2, [-Infinity]]]}}', "b", "malformed_json"),
        ('{"a": [{}, 1e999, NaN]}', "a", "number_out_of_range"),
    ],
)
def test_the_member_at_fault_is_named(text: str, field: str, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_object(text.encode())
    (error,) = caught.value.errors
    assert (error.field, error.code, caught.value.code) == (field, code, code)


def test_one_byte_order_mark_is_ignored() -> None:
    assert parse_object(b'\xef\xbb\xbf{"prompt": "a"}') == {"prompt": "a"}


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
