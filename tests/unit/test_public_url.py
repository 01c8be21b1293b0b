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
    "https://my_hooks.example.com/": ("my_hooks.example.com", 443, "/"),
    "https://_a.b_c.example.com:8443/": ("_a.b_c.example.com", 8443, "/"),
    "https://example.com/a[0]/b?ids[]=1&ids[]=2": ("example.com", 443, "/a[0]/b?ids[]=1&ids[]=2"),
    "https://example.com?[": ("example.com", 443, "/?["),
    "https://1.1.1.1/": ("1.1.1.1", 443, "/"),
    "https://[2606:4700:4700:0::1111]/": ("2606:4700:4700::1111", 443, "/"),
}

FAULTS = {
    "": "must not be empty; leave webhook out for no webhook",
    " ": "must not be empty; leave webhook out for no webhook",
    "https://example.com/a b": "must not contain white space; write a space as %20",
    " https://example.com/": "must not contain white space; write a space as %20",
    "https://example.com/\t": "must not contain control characters, tabs or line breaks",
    "https://b\u00fccher.example/": "must be ASCII; write the host in Punycode (xn--...) and percent-encode the rest",
    "https://example.com/\u00fc": "must be ASCII; write the host in Punycode (xn--...) and percent-encode the rest",
    "https://example.com\\a": "must not contain a backslash; write / or %5C",
    "http://example.com/": "must use https, not another scheme",
    "ftp://example.com/": "must use https, not another scheme",
    "example.com/hook": "must begin with https:// and a host",
    "example.com:8443/hook": "must begin with https:// and a host",
    "https:example.com": "must begin with https:// and a host",
    "https://example.com/#a": "must not have a fragment, which is never sent; write # as %23",
    "https://user@example.com/": "must not have a user or a password; put a secret into the path or the query",
    "https://user:secret@example.com/": "must not have a user or a password; put a secret into the path or the query",
    "https://example.com/100%": "must have two hexadecimal digits after %; write % as %25",
    "https://ex%61mple.com/": "must not percent-encode the host; write an international name in Punycode (xn--...)",
    "https://example.com/{id}": "must percent-encode } as %7D",
    "https://example.com/{id": "must percent-encode { as %7B",
    "https://example.com/?a=b|c": "must percent-encode | as %7C",
    'https://example.com/"a': 'must percent-encode " as %22',
    "https://example.com/<a": "must percent-encode < as %3C",
    "https://2606:4700::1111/": "must write an IPv6 address in brackets",
    "https://[::1/": "must have brackets in the host only around an IPv6 address",
    "https://[example.com]/": "must have brackets in the host only around an IPv6 address",
    "https://example.com:port/": "must have a number of at most 5 digits as port",
    "https://example.com:/": "must have a number of at most 5 digits as port",
    "https:///hook": "must have a host",
    "https://*.example.com/": "must have a host of letters, digits, hyphens, underscores and dots, or an IP address",
    "https://ex{a}mple.com/": "must have a host of letters, digits, hyphens, underscores and dots, or an IP address",
    "https://example.com:80/": "must use port 443 or 8443",
    "https://localhost/": "must have a fully qualified host name, such as hooks.example.com",
    "https://printer.local/": "must name a host on the public Internet; names in .local never do",
    "https://-a.example.com/": "must have a host name of at most 253 characters, with 1 to 63 between dots "
    "and no hyphen beside a dot",
    "https://127.1/": "must write an IP address in dotted-decimal or bracketed IPv6 notation",
    "https://10.0.0.1/": "must name a public address, not a private, local or reserved one",
    "https://[::1]/": "must name a public address, not a private, local or reserved one",
    "https://example.com/".ljust(MAX_URL + 1, "a"): "must have at most 2048 characters",
}
"""One message per kind of fault, with the way out. Braces and bars stay rejected: RFC 3986 has them nowhere."""


@pytest.mark.parametrize("url", FAULTS)
def test_each_fault_has_its_message(url: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        check(url)
    assert str(caught.value) == FAULTS[url]


@given(st.text(max_size=40) | st.text(" aA1.:/?#[]@%{}|\\_-\n\u00fc", max_size=40).map("https://example.com{}".format))
def test_any_text_is_accepted_unchanged_or_rejected(url: str) -> None:
    try:
        assert check(url) == url
    except NotAllowed as error:
        assert str(error).startswith("must ")
        return
    assert url.isascii()
    assert url.endswith(parse(url).path.removeprefix("/"))


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
