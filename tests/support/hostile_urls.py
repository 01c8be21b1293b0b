"""URLs that must never be requested, by kind. `{port}` is replaced by the port of a canary listener.

Covered: syntax on which parsers, resolvers, and proxies are known to disagree, and every address block that is not
globally routable. Not covered: public addresses inside the owner's network, which look like any other public address.
"""

from __future__ import annotations

from typing import Final

INTERNAL_NAMES: Final = {
    "loopback.example.com": ["127.0.0.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "loopback6.example.com": ["::1"],
    "metadata.example.com": ["169.254.169.254"],
    "metadata6.example.com": ["fd00:ec2::254"],
    "credentials.example.com": ["169.254.170.2"],
    "private.example.com": ["10.0.0.1"],
    "vpc-endpoint.example.com": ["172.31.5.6"],
    "shared.example.com": ["100.64.0.1"],
    "first-is-public.example.com": ["1.1.1.1", "127.0.0.1"],
    "last-is-public.example.com": ["192.168.1.1", "1.1.1.1"],
    "one-of-ten.example.com": [*(f"1.1.1.{last}" for last in range(9)), "127.0.0.1"],
    "both-families.example.com": ["1.1.1.1", "::1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "nat64.example.com": ["64:ff9b::7f00:1"],
    "sixtofour.example.com": ["2002:7f00:1::1"],
    "teredo.example.com": ["2001:0:7f00:1::"],
    "multicast.example.com": ["224.0.0.1"],
    "nowhere.example.com": ["0.0.0.0"],  # noqa: S104
    "broadcast.example.com": ["255.255.255.255"],
}
"""Names that resolve to internal addresses. The owner of a domain can point it at any address."""

KINDS: Final = {
    # Other protocols
    "plain http": ["http://127.0.0.1:{port}/", "http://example.com/", "HTTP://loopback.example.com:{port}/"],
    "a file": ["file:///etc/passwd", "file://127.0.0.1/proc/self/environ"],
    "a protocol used for smuggling": [
        "gopher://127.0.0.1:{port}/_x",
        "dict://127.0.0.1:{port}/",
        "ldap://127.0.0.1:{port}/",
    ],
    "a file transfer": ["ftp://127.0.0.1:{port}/", "sftp://127.0.0.1:{port}/", "tftp://127.0.0.1:{port}/x"],
    "a websocket": ["wss://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/"],
    "a URL without a host": ["data:text/plain,x", "javascript:alert(1)", "mailto:a@example.com"],
    "a nested scheme": ["https:https://127.0.0.1:{port}/", "url:https://127.0.0.1:{port}/", "jar:https://127.0.0.1!/"],
    "a scheme with a suffix": ["https+unix://127.0.0.1:{port}/", "httpss://127.0.0.1:{port}/"],
    "no scheme": ["127.0.0.1:{port}", "loopback.example.com", "localhost"],
    "a scheme-relative URL": ["//127.0.0.1:{port}/", "//loopback.example.com/"],
    # Malformed URLs
    "an empty URL or host": ["", "https://", "https:", "https:///", "https://?", "https://:443/"],
    "too few or many slashes": ["https:/127.0.0.1:{port}/", "https:127.0.0.1", "https:///127.0.0.1:{port}/"],
    "backslashes": [
        "https:\\\\127.0.0.1:{port}\\",
        "https://example.com\\@127.0.0.1/",
        "https://127.0.0.1\\.example.com/",
    ],
    "surrounding whitespace": [" https://127.0.0.1:{port}/", "https://127.0.0.1:{port}/ ", "\u00a0https://127.0.0.1/"],
    "whitespace inside": ["https://127.0.0.1 .example.com/", "https://example.com /", "https:// 127.0.0.1/"],
    "tabs and line breaks that parsers strip": ["ht\ntps://127.0.0.1/", "https://127.0\t.0.1/", "https://127.0.0.1/\n"],
    "a header in the path": ["https://127.0.0.1/\r\nHost: example.com", "https://1.1.1.1/ HTTP/1.1\r\nX: 1"],
    "a header in the host": ["https://127.0.0.1\r\nx: 1/", "https://1.1.1.1\nHost:127.0.0.1/"],
    "NUL": [
        "https://127.0.0.1\x00.example.com/",
        "https://example.com/\x00",
        "https://loopback.example.com%00.example/",
    ],
    "a lone surrogate": ["https://127.0.0.1/\ud800", "https://\udfff.example.com/"],
    "too long": ["https://127.0.0.1/" + "x" * 2048, "https://example.com/?" + "a" * 100_000],
    "invalid percent-encoding": ["https://127.0.0.1/%zz", "https://127.0.0.1/%2", "https://example.com/%"],
    # Ambiguous hosts
    "a user name": ["https://example.com@127.0.0.1:{port}/", "https://a@loopback.example.com/"],
    "a user name and a password": [
        "https://example.com:443@127.0.0.1:{port}/",
        "https://u:p@127.0.0.1/",
        "https://:@127.0.0.1/",
    ],
    "several at signs": ["https://a@b@127.0.0.1:{port}/", "https://127.0.0.1@example.com@127.0.0.1/"],
    "a percent-encoded at sign": ["https://example.com%40127.0.0.1/", "https://example.com%2540127.0.0.1/"],
    "a fragment": ["https://127.0.0.1:{port}#.example.com", "https://example.com#@127.0.0.1/", "https://1.1.1.1/#x"],
    "unusual punctuation in the host": [
        "https://127.0.0.1;example.com/",
        "https://127.0.0.1,example.com/",
        "https://*/",
        "https://$(id).com/",
    ],
    "a percent-encoded host": ["https://%31%32%37.0.0.1:{port}/", "https://%6cocalhost/", "https://127.0.0%2e1/"],
    "a doubly percent-encoded host": ["https://%2531%2532%2537.0.0.1/", "https://127%252e0.0.1/"],
    # Ports
    "the port of another service": ["https://127.0.0.1:22/", "https://example.com:25/", "https://example.com:6379/"],
    "Lambda's Runtime API": ["https://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "http://127.0.0.1:9001/"],
    "ports 80 and 0": ["https://example.com:80/", "https://example.com:0/", "https://127.0.0.1:00000/"],
    "a port out of range": [
        "https://example.com:65979/",
        "https://example.com:99999/",
        "https://example.com:4294967739/",
    ],
    "a port that is not a number": [
        "https://127.0.0.1:https/",
        "https://127.0.0.1:-1/",
        "https://127.0.0.1:4e2/",
        "https://127.0.0.1:+443/",
    ],
    "a port in non-ASCII digits": ["https://127.0.0.1:\u0664\u0664\u0663/", "https://127.0.0.1:\uff14\uff14\uff13/"],
    "an empty port": ["https://127.0.0.1:/", "https://loopback.example.com:/"],
    "two ports": ["https://127.0.0.1:{port}:443/", "https://example.com:443:{port}/"],
    # IPv4
    "loopback": ["https://127.0.0.1:{port}/", "https://127.0.0.1/"],
    "all of loopback": [
        "https://127.0.0.2:{port}/",
        "https://127.255.255.254:{port}/",
        "https://127.127.127.127:{port}/",
    ],
    "the unspecified address": ["https://0.0.0.0:{port}/", "https://0.0.0.1:{port}/"],
    "private, 10": ["https://10.0.0.1:{port}/", "https://10.255.255.255/"],
    "private, 172.16": ["https://172.16.0.1:{port}/", "https://172.31.255.254/"],
    "private, 192.168": ["https://192.168.0.1:{port}/", "https://192.168.255.255/"],
    "carrier-grade NAT": ["https://100.64.0.1:{port}/", "https://100.100.100.200/latest/meta-data/"],
    "the metadata service": ["https://169.254.169.254/latest/meta-data/", "https://169.254.169.253/"],
    "the container credentials service": [
        "https://169.254.170.2/v2/credentials",
        "https://169.254.170.23/v1/credentials",
    ],
    "metadata services of other clouds": ["https://168.63.129.16/metadata/", "https://192.0.0.192/latest/"],
    "documentation": ["https://192.0.2.1/", "https://198.51.100.1/", "https://203.0.113.255/"],
    "benchmarking": ["https://198.18.0.1/", "https://198.19.255.255/"],
    "multicast": ["https://224.0.0.1/", "https://239.255.255.250/"],
    "reserved and broadcast": ["https://240.0.0.1/", "https://255.255.255.255/"],
    "relays": ["https://192.88.99.1/", "https://192.52.193.1/"],
    # IPv4 in forms that resolvers accept
    "short forms": ["https://127.1:{port}/", "https://127.0.1:{port}/", "https://10.1/"],
    "a single number": ["https://2130706433:{port}/", "https://2852039166/", "https://0:{port}/"],
    "hexadecimal": ["https://0x7f000001:{port}/", "https://0x7F.0.0.1:{port}/", "https://0x7f.0x0.0x0.0x1/"],
    "octal": ["https://0177.0.0.1:{port}/", "https://017700000001:{port}/", "https://00000177.0.0.01/"],
    "mixed bases": ["https://0x7f.1:{port}/", "https://0177.0x0.1:{port}/", "https://0xa9fe.43518/"],
    "leading zeros": ["https://127.000.000.001:{port}/", "https://127.0.0.01:{port}/"],
    "numbers that wrap around": [
        "https://4294967297/",
        "https://127.0.0.257/",
        "https://383.0.0.1/",
        "https://0x17f000001/",
    ],
    "too many parts": ["https://127.0.0.0.1/", "https://1.127.0.0.1/"],
    "a trailing dot": [
        "https://127.0.0.1.:{port}/",
        "https://localhost.:{port}/",
        "https://loopback.example.com.:{port}/",
    ],
    "an empty hexadecimal": ["https://0x/", "https://127.0.0.0x/"],
    # IPv6
    "loopback, IPv6": ["https://[::1]:{port}/", "https://[0:0:0:0:0:0:0:1]:{port}/", "https://[::0001]/"],
    "unspecified, IPv6": ["https://[::]:{port}/", "https://[0:0:0:0:0:0:0:0]:{port}/"],
    "mapped IPv4": [
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://[::ffff:7f00:1]:{port}/",
        "https://[::FFFF:a9fe:a9fe]/",
    ],
    "compatible IPv4": ["https://[::127.0.0.1]:{port}/", "https://[::7f00:1]/"],
    "translated IPv4": ["https://[::ffff:0:127.0.0.1]/", "https://[::ffff:0:7f00:1]/"],
    "NAT64": [
        "https://[64:ff9b::7f00:1]:{port}/",
        "https://[64:ff9b::169.254.169.254]/",
        "https://[64:ff9b:1::7f00:1]/",
    ],
    "6to4": ["https://[2002:7f00:1::]:{port}/", "https://[2002:a9fe:a9fe::1]/"],
    "Teredo": ["https://[2001:0:7f00:1::]/", "https://[2001::80ff:fffe]/"],
    "unique local": ["https://[fd00::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/latest/meta-data/"],
    "link-local, IPv6": ["https://[fe80::1]/", "https://[febf::1]/"],
    "a zone": ["https://[fe80::1%25eth0]/", "https://[fe80::1%lo]/", "https://[::1%251]:{port}/"],
    "site-local": ["https://[fec0::1]/", "https://[feff::1]/"],
    "multicast, IPv6": ["https://[ff02::1]/", "https://[ff0e::1]/"],
    "documentation and discard, IPv6": ["https://[2001:db8::1]/", "https://[3fff::1]/", "https://[100::1]/"],
    "segment routing": ["https://[5f00::1]/"],
    "IPv4 in brackets": ["https://[127.0.0.1]:{port}/", "https://[8.8.8.8]/"],
    "broken brackets": ["https://[::1/", "https://::1]/", "https://[::1]x/", "https://[[::1]]/", "https://[]/"],
    "IPv6 without brackets": ["https://::1:{port}/", "https://::ffff:127.0.0.1/"],
    # Names
    "localhost": ["https://localhost:{port}/", "https://LOCALHOST:{port}/", "https://localhost.localdomain.localhost/"],
    "a subdomain of localhost": ["https://a.localhost:{port}/", "https://example.com.localhost:{port}/"],
    "a single label": ["https://metadata/", "https://router:{port}/", "https://ip6-loopback:{port}/"],
    "an internal name of a cloud": [
        "https://metadata.google.internal/",
        "https://ip-10-0-0-1.ec2.internal/",
        "https://x.compute.internal/",
    ],
    "a local network name": ["https://printer.local/", "https://nas.home.arpa/"],
    "a name outside the DNS": [
        "https://duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion/",
        "https://x.test/",
    ],
    "an illegal name": [
        "https://-a.example.com/",
        "https://a-.example.com/",
        "https://a_-.example.com/",
        "https://a_b.localhost/",
        "https://a_b/",
        "https://a..example.com/",
    ],
    "a name too long": ["https://" + "a" * 64 + ".example.com/", "https://" + "a." * 130 + "com/"],
    # Characters that normalize to others
    "full-width digits": ["https://\uff11\uff12\uff17.0.0.1:{port}/", "https://127.0.0.\uff11/"],
    "circled digits": ["https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/", "https://127.0.0.\u2460:{port}/"],
    "non-ASCII dots": [
        "https://127\u30020\u30020\u30021:{port}/",
        "https://127\uff0e0.0.1/",
        "https://localhost\uff61/",
    ],
    "letters that normalize to ASCII": [
        "https://\uff4cocalhost:{port}/",
        "https://loca\u212ahost/",
        "https://\u24c1ocalhost/",
    ],
    "homoglyphs": ["https://l\u043ecalhost:{port}/", "https://ex\u0430mple.com/"],
    "invisible characters": [
        "https://127.0.0.1\u200b:{port}/",
        "https://local\u00adhost:{port}/",
        "https://\u2060127.0.0.1/",
    ],
    "right-to-left override": ["https://\u202e1.0.0.721/", "https://example.com\u202e/"],
    "full-width punctuation": [
        "https://example.com\uff0f@127.0.0.1/",
        "https://127.0.0.1\uff1f.example.com/",
        "https\uff1a//127.0.0.1/",
    ],
    # Names that resolve to internal addresses
    "a name of loopback": [
        "https://loopback.example.com:{port}/",
        "https://127.0.0.1.nip.example:{port}/",
        "https://loopback6.example.com:{port}/",
    ],
    "a name of the metadata service": [
        "https://metadata.example.com/",
        "https://metadata6.example.com/",
        "https://credentials.example.com/",
    ],
    "a name of a private address": [
        "https://private.example.com/",
        "https://vpc-endpoint.example.com/",
        "https://shared.example.com/",
    ],
    "a name of public and internal addresses": [
        "https://first-is-public.example.com:{port}/",
        "https://last-is-public.example.com/",
        "https://one-of-ten.example.com:{port}/",
        "https://both-families.example.com:{port}/",
    ],
    "a name of a wrapped IPv4 address": [
        "https://mapped.example.com:{port}/",
        "https://nat64.example.com/",
        "https://sixtofour.example.com/",
        "https://teredo.example.com/",
    ],
    "a name of a multicast or invalid address": [
        "https://multicast.example.com/",
        "https://nowhere.example.com:{port}/",
        "https://broadcast.example.com/",
    ],
    "a name of no address": ["https://no-such-name.example.com:{port}/", "https://xn--a.example.com/"],
}
