"""The live filter over its WebSocket."""

import io
import json
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from fewshot.catalog.changing import set_consent
from fewshot.catalog.store import Catalog
from fewshot.consent import Consent
from fewshot.web import live

Open = Callable[..., TestClient]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)


def frame(portrait: bytes, side: int = 64) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(portrait)).resize((side, side)).save(out, "JPEG", quality=95)
    return out.getvalue()


def test_frames_come_back_drawn(open_booth: Open, make_run: Callable[..., None], portrait: bytes) -> None:
    make_run("ink", 3)
    with open_booth().websocket_connect("/api/v1/live") as socket:
        socket.send_bytes(frame(portrait))
        base = pixels(socket.receive_bytes())
        socket.send_text(json.dumps({"styles": ["ink"], "steady": False}))
        socket.send_bytes(frame(portrait))
        ink = pixels(socket.receive_bytes())
        assert base.shape == ink.shape == (32, 32, 3)
        assert np.abs(base - ink).mean() > 0.5
        # Frames of another size are drawn at the model's.
        socket.send_bytes(frame(portrait, 160))
        assert pixels(socket.receive_bytes()).shape == (32, 32, 3)


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[" * 100_000,
        "[]",
        '{"styles": 3}',
        '{"styles": ["nothing"]}',
        b"no picture",
        b"",
        b"\xff\xd8\xff",
        b"x" * 500_000,
    ],
)
def test_what_makes_no_sense_is_said_and_the_filter_goes_on(
    open_booth: Open, portrait: bytes, message: str | bytes
) -> None:
    with open_booth().websocket_connect("/api/v1/live") as socket:
        if isinstance(message, str):
            socket.send_text(message)
        else:
            socket.send_bytes(message)
        told = socket.receive_json()
        assert 400 <= told["status"] < 500, told
        assert told["detail"]
        socket.send_bytes(frame(portrait))
        assert pixels(socket.receive_bytes()).size


def test_a_style_withdrawn_meanwhile_is_drawn_no_more(
    open_booth: Open, catalogue: Callable[..., Catalog], portrait: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = catalogue("ink")
    with open_booth().websocket_connect("/api/v1/live") as socket:
        socket.send_text(json.dumps({"styles": ["ink"]}))
        socket.send_bytes(frame(portrait))
        socket.receive_bytes()
        set_consent(catalog, "ink", Consent("withdrawn"))
        time.sleep(1.1)
        socket.send_bytes(frame(portrait))
        assert socket.receive_json()["status"] == 403


def test_there_are_only_so_many(open_booth: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_CONNECTIONS", 1)
    client = open_booth()
    with client.websocket_connect("/api/v1/live"):
        with client.websocket_connect("/api/v1/live") as second, pytest.raises(WebSocketDisconnect) as closed:
            second.receive_bytes()
        assert closed.value.code == 4503
    time.sleep(0.2)
    with client.websocket_connect("/api/v1/live"):
        pass
