"""Which URLs and addresses callers may name (R9)."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagegen.public_url import MAX_URL, Address, NotAllowed, check, is_public, parse
from tests.support.hostile_urls import KINDS

GOOD = {
    "https://example.com": ("example.com", 443, "/"),
    "HTTPS://Example.COM:443/": ("example.com", 443, "/"),
    "https://example.com:8443/a/b?c=d&e=%20%C3%BC": ("example.com", 8443, "/a/b?c=d&e=%20%C3%BC"),
    "https://example.com?to=https://127.0.0.1/?x": ("example.com", 443, "/?to=https://127.0.0.1/?x"),
    "https://example.com/@127.0.0.1:9001/": ("example.com", 443, "/@127.0.0.1:9001/"),
    "https://xn--bcher-kva.example/": ("xn--bcher-kva.example", 443, "/"),
    "https://127.0.0.1.example.com/": ("127.0.0.1.example.com", 443, "/"),
    "https://1.1.1.1/": ("1.1.1.1", 443, "/"),
    "https://[2606:4700:4700:0::1111]/": ("2606:4700:4700::1111", 443, "/"),
}


def test_the_corpus_is_large_and_has_no_duplicates() -> None:
    urls = [url for each in KINDS.values() for url in each]
    assert len(KINDS) >= 60
    assert len(set(urls)) == len(urls) >= 120


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_urls_are_rejected_at_submission_without_resolving_names(kind: str) -> None:
    """Without a resolver. Only names need one, so they are accepted here and rejected when they are resolved."""
    for url in KINDS[kind]:
        if kind.startswith("a name of"):
            parse(url.replace(":{port}", ""))
        else:
            with pytest.raises(NotAllowed) as caught:
                check(url.replace("{port}", "443"))
            assert "127" not in str(caught.value)


@pytest.mark.parametrize("url", GOOD)
def test_valid_urls_are_parsed(url: str) -> None:
    target = parse(check(url))
    assert (target.host, target.port, target.path) == GOOD[url]


def test_the_length_of_a_url_is_limited() -> None:
    longest = "https://example.com/".ljust(MAX_URL, "x")
    assert check(longest) == longest
    with pytest.raises(NotAllowed):
        check(longest + "x")


@given(st.ip_addresses())
@example(ipaddress.ip_address("64:ff9b::7f00:1"))
@example(ipaddress.ip_address("2002:7f00:1::"))
@example(ipaddress.ip_address("224.0.0.1"))
@example(ipaddress.ip_address("100.64.0.1"))
@example(ipaddress.ip_address("::ffff:10.0.0.1"))
def test_only_global_unicast_addresses_are_public(address: Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_reserved
        if isinstance(address, ipaddress.IPv6Address):
            assert {address.ipv4_mapped, address.sixtofour, address.teredo} == {None}


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "52.94.236.248", "2606:4700:4700::1111", "2a05:d018::1"])
def test_internet_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
