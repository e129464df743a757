"""A login that the real CLI renews inside the sandbox is renewed for everybody: against a false login server.

The server is on loopback. The CLI reaches it through a proxy that leads every name there, and trusts its
certificate by `NODE_EXTRA_CA_CERTS`.
"""

import asyncio
import json
import os
import ssl
import subprocess
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backends.sandbox import bwrap
from bridge.demo.model import DemoModel
from sessions.claude.launch import Fresh
from sessions.claude.sandbox_access import CREDENTIALS, Asked, SandboxOptions, prepare
from tests.fakes.cli_home import cli_binary
from tests.sandbox.world import sandboxing_for

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(120)]

HOSTS = "DNS:platform.claude.com,DNS:api.anthropic.com"
RENEWED = {
    "token_type": "Bearer",
    "access_token": "sk-ant-oat01-NEW",
    "refresh_token": "sk-ant-ort01-NEW",
    "expires_in": 28800,
    "scope": "user:inference user:profile",
}


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for the vendor's hosts, signed by itself, and its key."""
    key, made = directory / "key.pem", directory / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=false"]
    words += ["-addext", f"subjectAltName={HOSTS}", "-keyout", str(key), "-out", str(made)]
    subprocess.run(words, check=True, capture_output=True)
    return made, key


class LoginServer:
    """Answers every request like the vendor's login, and keeps the paths that were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.split()[1])
        body = json.dumps(RENEWED if "oauth/token" in head else {}).encode()
        lines = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(lines.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    async def lead_here(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        there, to = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_pass(reader, to), _pass(there, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def login_server(directory: Path) -> AsyncIterator[tuple[LoginServer, dict[str, str]]]:
    """The server, and the variables that lead a CLI to it."""
    made, key = await asyncio.to_thread(certificate, directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    server = LoginServer()
    async with (
        await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context) as tls,
        await asyncio.start_server(server.lead_here, "127.0.0.1", 0) as proxy,
    ):
        server.port = tls.sockets[0].getsockname()[1]
        address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        yield (
            server,
            {"HTTPS_PROXY": address, "NO_PROXY": "127.0.0.1", "NODE_EXTRA_CA_CERTS": str(made)},
        )


async def test_a_login_renewed_inside_is_in_the_real_file_and_stays_one_for_all(tmp_path: Path) -> None:
    config, home, work = (tmp_path / name for name in ("claude", "home", "work"))
    for directory in (config, home, work):
        directory.mkdir()
    (config / ".claude.json").write_text('{"hasCompletedOnboarding": true}')
    login = config / CREDENTIALS
    old = {"accessToken": "sk-ant-oat01-OLD", "refreshToken": "sk-ant-ort01-OLD"}
    kind = {"expiresAt": int(time.time() - 60) * 1000, "scopes": ["user:inference"], "subscriptionType": "max"}
    login.write_text(json.dumps({"claudeAiOauth": {**old, **kind}}))
    login.chmod(0o600)
    inode = login.stat().st_ino
    async with DemoModel() as demo, login_server(tmp_path) as (server, leading):
        environment = {
            "PATH": os.defpath,
            "HOME": str(home),
            "CLAUDE_CONFIG_DIR": str(config),
            "ANTHROPIC_BASE_URL": demo.base_url,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            **leading,
        }
        conversation = str(uuid.uuid4())
        asked = Asked(
            command=[str(cli_binary())],
            environment=environment,
            start=Fresh(conversation),
            work_directory=work,
        )
        access = prepare(SandboxOptions(state=tmp_path / "state"), asked)
        words = bwrap.command(sandboxing_for(tmp_path, sandbox="bwrap").policy, access, work, info=False)
        process = await asyncio.create_subprocess_exec(
            *(*words, str(cli_binary()), "-p", "demo:text hi", "--session-id", conversation),
            cwd=work,
            env={**environment, "TMPDIR": "/tmp"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
    assert b"hi" in said
    assert "/v1/oauth/token" in server.asked
    stored = json.loads(login.read_text())["claudeAiOauth"]
    assert (stored["accessToken"], stored["refreshToken"]) == ("sk-ant-oat01-NEW", "sk-ant-ort01-NEW")
    assert login.stat().st_ino == inode, "no sandbox holds an old file"
