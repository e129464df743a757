"""Which hosts and addresses a list allows: exactly those, in whatever way they are written."""

import pytest

from backends.sandbox.proxy.hosts import HostList, host_name, is_public
from backends.sandbox.proxy.request import Refusal, parse_request, target_of

LISTED = HostList(("example.org", ".below.org", "*.star.org", "UPPER.org.", "xn--bcher-kva.example"))


@pytest.mark.parametrize(
    ("host", "is_listed"),
    [
        ("example.org", True),
        ("EXAMPLE.ORG", True),
        ("example.org.", True),
        ("upper.ORG", True),
        ("a.below.org", True),
        ("a.b.below.org.", True),
        ("A.Star.org", True),
        ("xn--bcher-kva.example", True),
        ("XN--BCHER-KVA.example", True),
        ("www.example.org", False),
        ("notexample.org", False),
        ("example.org.evil.net", False),
        ("below.org", False),
        ("evilbelow.org", False),
        ("star.org", False),
        ("example.orgx", False),
        ("bücher.example", False),  # a client writes names in other scripts as they travel
        ("xn--bcher-kva.example.net", False),
        ("example。org", False),
        ("exampIe.org", False),
    ],
)
def test_a_name_is_listed_as_a_whole_or_not_at_all(host: str, is_listed: bool) -> None:
    name = host_name(host)
    assert (name is not None and LISTED.has(name)) == is_listed


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "example..org", ".example.org", "example.org..", "a b.org", "a/b", "a@b.org", "a:b"),
        *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "1.2.3.4.", "example.1"),
        *("[::1]", "::1", "::ffff:127.0.0.1", "fe80::1%eth0", "-a.org", "a-.org", "x" * 64 + ".org"),
        *(".".join(["abcdefgh"] * 30), "a\x00.org", "a%2e.org", "a\n.org", "*.example.org", "localhost\t"),
    ],
)
def test_an_address_or_nonsense_is_no_name(text: str) -> None:
    assert host_name(text) is None


PUBLIC = {
    *("93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "2002:101:101::1", "64:ff9b::101:101"),
}
OURS = {
    *("127.0.0.1", "127.255.0.1", "10.1.2.3", "172.16.0.1", "172.31.9.9", "192.168.1.1", "169.254.169.254"),
    *("0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%lo", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
    # Addresses of this machine wrapped in IPv6: mapped, compatible, 6to4, NAT64, Teredo.
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "2002:7f00:1::"),
    *("2002:a9fe:a9fe::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2001::80ff:fffe"),
}


@pytest.mark.parametrize("address", sorted(PUBLIC | OURS))
def test_only_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public(address) == (address in PUBLIC)


def request(line: str, *headers: str) -> bytes:
    return "\r\n".join((line, *headers, "", "")).encode("latin-1")


def test_a_request_is_read_with_and_without_headers() -> None:
    for headers in (
        (),
        ("Host: elsewhere.org", "User-Agent: node", "X-Empty:", "Proxy-Connection: keep-alive"),
    ):
        assert parse_request(request("CONNECT example.org:443 HTTP/1.1", *headers)) == ("example.org", 443)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request("GET http://example.org/ HTTP/1.1"), 405),
        (request("GET / HTTP/1.1", "Host: example.org"), 400),
        (request("connect example.org:443 HTTP/1.1"), 400),
        (request("CONNECT example.org HTTP/1.1"), 400),
        (request("CONNECT  example.org:443 HTTP/1.1"), 400),
        (request("CONNECT example.org:443 HTTP/2.0"), 400),
        (request("CONNECT example.org:443"), 400),
        (request("CONNECT example.org:443 HTTP/1.1", "Content-Length: 5"), 400),
        (request("CONNECT example.org:443 HTTP/1.1", "transfer-encoding: chunked"), 400),
        (request("CONNECT example.org:443 HTTP/1.1", "A: b\nHost: evil.net"), 400),
        (request("CONNECT example.org:443 HTTP/1.1", "A: b\rC: d"), 400),
        (request("CONNECT example.org:443 HTTP/1.1", " folded"), 400),
        (request("CONNECT example.org:443 HTTP/1.1", "A : b"), 400),
        (request("CONNECT example.org:443 HTTP/1.1", "A: \x00"), 400),
        (request("CONNECT example.org:443 HTTP/1.1\nCONNECT evil.net:443 HTTP/1.1"), 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
    ],
)
def test_what_another_program_could_read_otherwise_is_refused(raw: bytes, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        parse_request(raw)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "written", ["example.org:22", "example.org:8443", "example.org:0", "1.1.1.1:443", "[::1]:443"]
)
def test_other_ports_and_addresses_are_refused(written: str) -> None:
    with pytest.raises(Refusal) as caught:
        target_of(*parse_request(request(f"CONNECT {written} HTTP/1.1")))
    assert caught.value.status == 403
