"""The booth as a process: it opens, it closes, it holds out against whoever means ill."""

import asyncio
import contextlib
import io
import random
import signal
import socket
import ssl
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from PIL import Image

from fewshot.web.serve import Address, network_address

Run = Callable[..., contextlib.AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def server(run_booth: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One booth whose temporary folder is watched."""
    home, temporary = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("tmp")
    with run_booth(
        "--base", "scan_tiny", "--host", "127.0.0.1", FEWSHOT_HOME=str(home), TMPDIR=str(temporary)
    ) as opened:
        opened.temporary = temporary
        yield opened


def test_it_says_where_it_is_and_closes_on_demand(run_booth: Run, portrait: bytes) -> None:
    with run_booth("--base", "scan_tiny") as server:
        files = {"photo": portrait}
        assert httpx.post(f"{server.url}/api/v1/stylize", files=files, timeout=20).status_code == 200
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(15) in (0, 130)
    assert network_address() in server.said or network_address() == "127.0.0.1"
    assert "Traceback" not in server.said


def test_who_waits_is_answered_before_it_closes(run_booth: Run, astronaut: bytes) -> None:
    with (
        run_booth("--base", "scan_128.anime", "--host", "127.0.0.1") as server,
        ThreadPoolExecutor(4) as threads,
    ):
        url = f"{server.url}/api/v1/stylize"
        answers = [
            threads.submit(httpx.post, url, files={"photo": astronaut}, data={"crop": "whole"}, timeout=30)
            for _ in range(3)
        ]
        time.sleep(0.25)
        server.process.terminate()
        statuses = [answer.result().status_code for answer in answers]
        assert server.process.wait(20) in (0, -signal.SIGTERM)
    assert set(statuses) <= {200, 503}
    assert 200 in statuses


def test_https_with_a_certificate_of_its_own(run_booth: Run, fewshot_home: Path) -> None:
    with run_booth("--base", "scan_tiny", "--tls-self-signed", "--host", "127.0.0.1") as server:
        certificate = fewshot_home / "tls" / "certificate.pem"
        assert server.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        assert httpx.get(f"{server.url}/api/v1/health", verify=trusted).status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/api/v1/health")
        first = certificate.read_bytes()
    assert (fewshot_home / "tls" / "key.pem").stat().st_mode & 0o077 == 0
    with run_booth("--base", "scan_tiny", "--tls-self-signed", "--host", "127.0.0.1"):
        assert certificate.read_bytes() == first


def test_what_cannot_be_is_said(cli: Callable[..., Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = cli("web", "--host", "127.0.0.1", "--port", str(port), "--base", "scan_tiny")
    assert refused.returncode == 2
    assert "--port" in refused.stderr
    assert cli("web", "--host", "203.0.113.9", "--port", "0", "--base", "scan_tiny").returncode == 2
    assert cli("web", "--port", "0", "--styles", "nothing").returncode == 4
    assert cli("web", "--port", "0", "--base", "scan_nothing").returncode == 4
    assert cli("web", "--pin", "1").returncode == 2


def test_addresses() -> None:
    assert Address("127.0.0.1", 80, False).public == "http://localhost:80/"
    assert Address("192.0.2.7", 80, False).local == "http://192.0.2.7:80/"
    assert Address("0.0.0.0", 80, True).local == "https://localhost:80/"
    assert Address("2001:db8::1", 80, False).public == "http://[2001:db8::1]:80/"


# Hostile uploads


def form(content: bytes, name: str = "me.jpg", kind: str = "image/jpeg") -> tuple[bytes, str]:
    disposition = f'Content-Disposition: form-data; name="photo"; filename="{name}"'
    head = f"--xyz\r\n{disposition}\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode() + content + b"\r\n--xyz--\r\n", "multipart/form-data; boundary=xyz"


def png_bomb(side: int = 30_000) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(200_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x", content)
    return out.getvalue()


def hostile(rng: random.Random, portrait: bytes) -> tuple[bytes, str]:
    """One upload that means ill."""
    noise = rng.randbytes(rng.randrange(2000))
    page = b"<script>alert(1)</script>"
    gif = io.BytesIO()
    Image.new("RGB", (64, 64)).save(gif, "GIF")
    contents = [
        noise,
        portrait[: rng.randrange(len(portrait))],
        portrait + zipped(noise),
        page + portrait,
        b"GIF89a" + noise,
        gif.getvalue() + page,
        png_bomb(rng.choice([9_000, 30_000, 65_000])),
        b"%PDF-1.4" + noise,
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
        zipped(bytes(1_000_000)),
        bytes(byte ^ (rng.random() < 0.01) * 255 for byte in portrait),
    ]
    name = rng.choice(["me.jpg", "../../x.jpg", "a\x00b", "x" * 3000, "é.png", 'q"; name="style'])
    body, kind = form(
        rng.choice(contents), name, rng.choice(["image/jpeg", "text/html", "x", "image/svg+xml"])
    )
    action = rng.randrange(6)
    if action == 0:
        body = body[: rng.randrange(len(body))]
    if action == 1:
        body = body.replace(b"\r\n", b"\n", rng.randrange(8))
    return body, kind


@pytest.mark.soak(sample=150)
def test_hostile_uploads(server: Any, portrait: bytes, soak: Any) -> None:
    """No crash, no growth, nothing on the disk, and every answer is a refusal in order, or a drawing."""
    process = psutil.Process(server.process.pid)
    small = portrait
    url = f"{server.url}/api/v1/stylize"

    def send(seed: int) -> int:
        body, kind = hostile(random.Random(seed), small)
        answer = client.post(url, content=body, headers={"content-type": kind})
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json", answer.text
        return answer.status_code

    with httpx.Client(timeout=30) as client, ThreadPoolExecutor(4) as threads:
        warm = list(threads.map(send, range(60)))
        before = process.memory_info().rss
        seeds = range(soak.seed + 100, soak.seed + 100 + soak.count)
        statuses = warm + list(threads.map(send, seeds))
    assert set(statuses) <= {200, 400, 413, 415, 422, 503}, set(statuses)
    assert process.memory_info().rss < before + 60e6
    assert server.process.poll() is None
    assert httpx.get(f"{server.url}/api/v1/health").json()["waiting"] == 0
    assert list(server.temporary.iterdir()) == []
    assert "Traceback" not in server.said


def connect(server: Any) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def status_of(connection: socket.socket) -> int:
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while b"\r\n" not in answer:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
    return int(answer.split()[1]) if answer else 0


def test_a_hundred_megabytes_are_refused_on_the_way(server: Any) -> None:
    """Said or not said beforehand: no more than is allowed is ever held."""
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    peak = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    threading.Thread(target=watch, daemon=True).start()
    head = "POST /api/v1/stylize HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=xyz\r\n"
    begin = b'--xyz\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n'
    for length in ("Content-Length: 100000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n"):
        with connect(server) as connection:
            connection.sendall((head + length).encode())
            chunked = "chunked" in length
            block = bytes(1_000_000)
            sent = 0
            with contextlib.suppress(ConnectionError):
                first = begin if not chunked else b"%x\r\n%s\r\n" % (len(begin), begin)
                connection.sendall(first)
                while sent < 100_000_000:
                    connection.sendall(block if not chunked else b"%x\r\n%s\r\n" % (len(block), block))
                    sent += len(block)
            assert status_of(connection) in (413, 0)
            assert sent < 60_000_000
    done.set()
    assert peak[0] < before + 80e6
    assert list(server.temporary.iterdir()) == []


def test_slow_senders_hold_up_nobody(server: Any, portrait: bytes) -> None:
    """Forty that stop in the middle: others are answered, and they are given up in the end."""
    head = b"POST /api/v1/stylize HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
    head += b"Content-Type: multipart/form-data; boundary=xyz\r\n\r\n--xyz"
    slow = [connect(server) for _ in range(40)]
    for connection in slow:
        connection.sendall(head)
    start = time.monotonic()
    answer = httpx.post(f"{server.url}/api/v1/stylize", files={"photo": portrait}, timeout=20)
    assert answer.status_code == 200
    assert time.monotonic() - start < 3
    assert {status_of(connection) for connection in slow} == {408}
    for connection in slow:
        connection.close()


def test_silent_connections_are_given_up(server: Any) -> None:
    """As many as are let in at all say nothing: for a while nobody gets in, and then everybody does."""
    silent = [connect(server) for _ in range(256)]
    deadline = time.monotonic() + 30
    while httpx.get(f"{server.url}/api/v1/health").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    for connection in silent:
        connection.close()


def test_whoever_goes_away_is_not_drawn(server: Any, astronaut: bytes) -> None:
    """A page gives up its request at every change of style; the place it had is free again."""
    body, kind = form(astronaut)
    head = f"POST /api/v1/stylize HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    for _ in range(4):
        gone = [connect(server) for _ in range(8)]
        for connection in gone:
            connection.sendall(head.encode() + body)
        for connection in gone:
            connection.close()
    deadline = time.monotonic() + 2
    while httpx.get(f"{server.url}/api/v1/health").json()["waiting"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_many_connections_at_once(server: Any, portrait: bytes) -> None:
    """Thirty visitors in the same moment: answers, or a 503 that says when to come back."""

    async def visit(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(f"{server.url}/api/v1/stylize", files={"photo": portrait}, timeout=30)

    async def all_at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=60)) as client:
            return await asyncio.gather(*(visit(client) for _ in range(30)))

    answers = asyncio.run(all_at_once())
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert sum(answer.status_code == 200 for answer in answers) >= 8
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
