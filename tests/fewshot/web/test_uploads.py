"""Forms: whatever is sent, the answer is orderly, and nothing lies on the disk."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

Open = Callable[..., TestClient]
BOUNDARY = b"xyz"
TYPE = {"content-type": "multipart/form-data; boundary=xyz"}


def body(*parts: tuple[str, bytes | str, str | None]) -> bytes:
    made = b""
    for name, content, filename in parts:
        content = content.encode() if isinstance(content, str) else content
        file = f'; filename="{filename}"' if filename is not None else ""
        head = f'Content-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()
        made += b"--" + BOUNDARY + b"\r\n" + head + content + b"\r\n"
    return made + b"--" + BOUNDARY + b"--\r\n"


def post(client: TestClient, content: bytes, **headers: str) -> tuple[int, str]:
    answer = client.post("/api/v1/stylize", content=content, headers=TYPE | headers)
    assert answer.status_code == 200 or answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"--xyz--\r\n", 422),
        (b"no form at all", 400),
        (body(("photo", b"", "me.jpg")), 422),
        (body(("picture", b"x", "me.jpg")), 422),
        (body(("photo", b"no picture", "me.jpg")), 422),
        (body(("photo", "a text", None)), 422),
        (body(("photo", b"x", "me.jpg"))[:-8], 400),
        (body(*[(f"n{n}", "x", None) for n in range(40)]), 400),
        (body(("style", "x" * 5000, None)), 400),
        (body(("style", b"\xff\xfe", None)), 400),
        (b"--xyz\r\nContent-Disposition: form-data\r\n\r\nx\r\n--xyz--\r\n", 400),
    ],
    ids=range(12),
)
def test_bad_forms(open_booth: Open, content: bytes, status: int) -> None:
    assert post(open_booth(), content)[0] == status


@pytest.mark.parametrize(
    "kind", ["", "image/jpeg", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 100]
)
def test_other_types(open_booth: Open, kind: str) -> None:
    answer = open_booth().post("/api/v1/stylize", content=b"x", headers={"content-type": kind})
    assert answer.status_code == 415


def test_too_long_is_told_before_it_is_read(open_booth: Open) -> None:
    client = open_booth(most_bytes=10_000)
    assert post(client, body(("photo", bytes(20_000), "me.jpg")))[0] == 413


def test_a_bomb_is_refused_by_its_header(open_booth: Open, makers: object, tmp_path: Path) -> None:
    makers.huge(tmp_path / "huge.png")  # type: ignore[attr-defined]
    status, text = post(open_booth(), body(("photo", (tmp_path / "huge.png").read_bytes(), "me.png")))
    assert status == 422
    assert "pixels" in text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=400), cut=st.integers(0, 400), flip=st.integers(0, 10_000))
def test_mutated_forms(tiny_client: TestClient, portrait: bytes, noise: bytes, cut: int, flip: int) -> None:
    content = bytearray(
        body(("style", "scan_tiny", None), ("photo", portrait, "me.jpg"), ("size", "64", None))
    )
    content[flip % len(content)] ^= 0x55
    content[cut : cut + len(noise)] = noise
    status, _ = post(tiny_client, bytes(content))
    assert status in (200, 400, 404, 413, 422)


@pytest.fixture(scope="module")
def tiny_client() -> Iterator[TestClient]:
    from fewshot.web.app import create_app
    from fewshot.web.settings import Settings

    with TestClient(create_app(Settings(base="scan_tiny")), raise_server_exceptions=False) as client:
        yield client


def test_large_photos_never_lie_on_the_disk(
    open_booth: Open, astronaut: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual parsers spool what is larger than a megabyte into the temporary folder."""
    watched = tmp_path / "tmp"
    watched.mkdir()
    monkeypatch.setenv("TMPDIR", str(watched))
    monkeypatch.setattr(tempfile, "tempdir", None)
    opened: list[str] = []
    real = os.open

    def watching(path: str, *rest: int, **more: int) -> int:
        opened.append(str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", watching)
    padded = astronaut + bytes(3_000_000)
    assert post(open_booth(), body(("photo", padded, "me.jpg")))[0] == 200
    assert list(watched.iterdir()) == []
    assert [path for path in opened if path.startswith(str(watched))] == []
