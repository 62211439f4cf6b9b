"""The door, the headers, and who may open a WebSocket."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from fewshot.web.guard import Door
from fewshot.web.problems import Problem

Open = Callable[..., TestClient]


def test_nobody_passes_without_the_pin(open_booth: Open) -> None:
    client = open_booth(pin="2468")
    assert client.get("/api/v1/styles").status_code == 401
    assert client.get("/api/v1/metrics").status_code == 401
    assert client.get("/", follow_redirects=False).headers["location"] == "/pin"
    assert client.get("/pin").status_code == 200
    assert client.get("/static/booth.css").status_code == 200
    assert client.get("/static/../api/v1/styles").status_code in (401, 404)
    assert client.get("/api/v1/health").status_code == 200
    with client.websocket_connect("/api/v1/live") as socket, pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_bytes()
    assert closed.value.code == 4401


def test_the_pin_opens_the_door(open_booth: Open) -> None:
    client = open_booth(pin="2468")
    assert client.post("/api/v1/pin", files={"pin": (None, "1111")}).status_code == 401
    entered = client.post("/api/v1/pin", files={"pin": (None, "2468")})
    assert entered.status_code == 204
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/").status_code == 200
    client.cookies.clear()
    assert client.get("/api/v1/styles", headers={"X-Pin": "2468"}).status_code == 200
    assert client.get("/api/v1/styles", headers={"Cookie": "fewshot-pin=a.b"}).status_code == 401


def test_a_pin_of_any_script_opens_it_too(open_booth: Open) -> None:
    client = open_booth(pin="密码")
    header = "密码".encode()
    assert client.get("/api/v1/styles", headers={b"X-Pin": header}).status_code == 200
    assert client.get("/api/v1/styles", headers={b"X-Pin": header[:-1]}).status_code == 401


def test_guessing_becomes_slow() -> None:
    door, now = Door("2468"), 100.0
    waits = []
    for _ in range(12):
        with pytest.raises(Problem) as refused:
            door.enter("0000", "guesser", now)
        if refused.value.status == 429:
            waits.append(float(refused.value.headers["Retry-After"]))
            now += waits[-1]
    assert waits == [1.0, 2.0, 4.0, 8.0]
    # The right PIN is not even looked at while the wait lasts, and others are not held up.
    with pytest.raises(Problem):
        door.enter("0000", "guesser", now)
    with pytest.raises(Problem) as early:
        door.enter("2468", "guesser", now)
    assert early.value.status == 429
    assert door.knows(door.enter("2468", "other", now))


def test_tokens_are_of_one_booth() -> None:
    first, second = Door("2468"), Door("2468")
    token = first.enter("2468", "a")
    assert first.knows(token)
    assert not second.knows(token)
    assert not first.knows(token[:-1] + ("0" if token[-1] != "0" else "1"))
    assert not first.knows("")
    assert not first.knows("é.ü")


@pytest.mark.parametrize("path", ["/", "/styles", "/api/v1/styles", "/static/booth.js", "/nowhere"])
def test_every_answer_has_the_headers(open_booth: Open, path: str) -> None:
    headers = open_booth().get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http:" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_pages_from_elsewhere_open_no_socket(open_booth: Open) -> None:
    client = open_booth()
    origin = {"Origin": "https://elsewhere.example"}
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect("/api/v1/live", headers=origin),
    ):
        pass
    assert closed.value.code == 4403
    with client.websocket_connect("/api/v1/live", headers={"Origin": "http://testserver"}):
        pass
