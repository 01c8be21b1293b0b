from __future__ import annotations

from collections.abc import Callable

import pytest

from imagegen_cli.credential import Credential, api_key, token
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure
from imagegen_cli.profile import is_loopback, make_profile, require_name

KEY = "key-that-must-not-be-shown"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://abc.execute-api.us-east-1.amazonaws.com/v1/", "https://abc.execute-api.us-east-1.amazonaws.com/v1"),
        ("https://images.example.com", "https://images.example.com"), ("https://[2001:db8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("http://127.0.0.1:4599/v1", "http://127.0.0.1:4599/v1"), ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)  # fmt: skip
def test_an_address_is_kept_without_its_last_slash(url: str, kept: str) -> None:
    assert make_profile("prod", url, api_key(KEY), "here").url == kept


@pytest.mark.parametrize(
    "url",
    [
        "", "images.example.com", "ftp://images.example.com", "https://", "https:///v1", "http://images.example.com",
        "http://10.0.0.1", "https://user@images.example.com", "https://u:p@images.example.com", "https://a.example?x=1",
        "https://a.example/#x", "https://a.example:port", "https://a.example:99999", "https://[::1",
        "https://a b.example",
        "https://a.example/\n", "https://b\u00fccher.example",
    ],
)  # fmt: skip
def test_another_address_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(Failure, match=r"^here: the URL .+ Example: https://") as raised:
        make_profile("prod", url, api_key(KEY), "here")
    assert raised.value.exit_code is ExitCode.USAGE
    assert KEY not in raised.value.text()


@pytest.mark.parametrize(("make", "words"), [(api_key, "API key"), (token, "token")])
@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "k\u00e9y", "x" * 8193, "tab\t"])
def test_what_no_header_can_have_is_refused_and_not_shown(
    make: Callable[[str], Credential], words: str, key: str
) -> None:
    with pytest.raises(Failure, match=f"here: the {words} is not") as raised:
        make_profile("prod", "https://a.example", make(key), "here")
    assert not key or key not in raised.value.text()


def test_the_key_is_not_in_the_profile_s_representation() -> None:
    assert KEY not in repr(make_profile("prod", "https://a.example", api_key(KEY), "here"))


@pytest.mark.parametrize("name", ["", "a b", "../x", "a.b", "-" * 65, "\u00e9"])
def test_a_name_has_letters_digits_hyphens_and_underscores(name: str) -> None:
    with pytest.raises(Failure, match="no name of a profile"):
        require_name(name)


@pytest.mark.parametrize("url", ["http://127.0.0.2/", "http://[::1]", "http://LOCALHOST:1"])
def test_this_machine_is_recognized(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1.example.com", "http://localhost.example.com", "http://", "x"])
def test_other_machines_are_recognized(url: str) -> None:
    assert not is_loopback(url)
