"""Read the one request of a client of the proxy: `CONNECT host:port`. Pure.

Strict where other proxies guess: whatever another program could read otherwise is refused. Format: RFC 9110.
"""

import re
from dataclasses import dataclass

from backends.sandbox.proxy.hosts import PORTS, Target, host_name

MOST_BYTES = 8192
"""The longest request, all its headers included."""
END = b"\r\n\r\n"

_LINE = re.compile(rb"CONNECT ([\x21-\x7e]{1,300}):([0-9]{1,5}) HTTP/1\.[01]")
_HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
_BODY = (b"content-length:", b"transfer-encoding:")


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """The answer to a request that is not carried out."""

    status: int
    sentence: str

    def response(self) -> bytes:
        """Return the HTTP response."""
        body = f"{self.sentence}\n".encode()
        head = f"HTTP/1.1 {self.status} Refused\r\nContent-Type: text/plain; charset=utf-8\r\n"
        return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def parse_request(head: bytes) -> tuple[str, int]:
    """Return the host as written and the port of a request that ends in `END`. Raises `Refusal`."""
    first, *headers = head.removesuffix(END).split(b"\r\n")
    found = _LINE.fullmatch(first)
    if found is None:
        if re.match(rb"[A-Z]+ http://", first):
            raise Refusal(405, "Only https is passed on here: the proxy of this sandbox takes CONNECT alone.")
        raise Refusal(400, "This is no CONNECT request.")
    if not all(_HEADER.fullmatch(header) for header in headers):
        raise Refusal(400, "A header of the request is not valid.")
    if any(header.lower().startswith(_BODY) for header in headers):
        raise Refusal(400, "A CONNECT request has no body.")
    return found[1].decode("ascii"), int(found[2])


def target_of(host: str, port: int) -> Target:
    """Return where a request wants to go. Raises `Refusal` for an address, another port, or no name."""
    name = host_name(host)
    if name is None:
        raise Refusal(403, "Only names of hosts are passed on, no addresses.")
    if port not in PORTS:
        raise Refusal(403, f"Only the ports {PORTS[0]} and {PORTS[1]} are passed on.")
    return Target(name, port)
