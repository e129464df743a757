"""What a program in a limited network is told: its proxy, and where its model is."""

from pathlib import Path

import pytest

from backends.sandbox.proxy.hosts import Target
from backends.sandbox.proxy.inside import model_of, way_out
from backends.sandbox.proxy.state import ProxyPlaces

PLACES = ProxyPlaces(Path("/data/proxy"))


@pytest.mark.parametrize(
    ("url", "model", "doors", "told"),
    [
        ("", Target("api.anthropic.com", 443), {"3128": "proxy"}, ""),
        ("https://gateway.corp/v1", Target("gateway.corp", 443), {"3128": "proxy"}, "https://gateway.corp/v1"),
        (
            "https://gateway.corp:8443",
            Target("gateway.corp", 8443),
            {"3128": "proxy"},
            "https://gateway.corp:8443",
        ),
        (
            "http://127.0.0.1:4000",
            Target("127.0.0.1", 4000),
            {"4000": "model", "3128": "proxy"},
            "http://127.0.0.1:4000",
        ),
        (
            "http://gateway.corp/a/b",
            Target("gateway.corp", 80),
            {"10080": "model", "3128": "proxy"},
            "http://127.0.0.1:10080/a/b",
        ),
        ("http://[::1]:3128", Target("::1", 3128), {"3128": "model", "3129": "proxy"}, "http://127.0.0.1:3128"),
        (
            "https://localhost:4000",
            Target("localhost", 4000),
            {"4000": "model", "3128": "proxy"},
            "https://localhost:4000",
        ),
    ],
)
def test_the_model_is_reached_by_the_proxy_or_by_a_port_of_its_own(
    url: str, model: Target, doors: dict[str, str], told: str
) -> None:
    environment = {
        "HOME": "/h",
        "HTTPS_PROXY": "http://outside:1",
        **({"ANTHROPIC_BASE_URL": url} if url else {}),
    }
    assert model_of(environment) == model
    out = way_out(PLACES, Path("/work"), environment)
    assert out.asks is not None
    assert out.asks[0] == "/run/network/enter.sock"
    assert dict(word.split("=") for word in out.asks[1].split()) == {
        port: f"{name}.sock" for port, name in doors.items()
    }
    assert out.environment.get("ANTHROPIC_BASE_URL", "") == told
    (proxy,) = [port for port, name in doors.items() if name == "proxy"]
    assert out.environment["HTTPS_PROXY"] == out.environment["http_proxy"] == f"http://127.0.0.1:{proxy}"
    assert out.environment["HOME"] == "/h"
    assert [target for _, target in out.shown] == [Path("/run/network")]
