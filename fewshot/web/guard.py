"""Who may come in, and what a page may do: the PIN with its back-off, and the security headers."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fewshot.web.problems import Problem, busy, response

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "fewshot-pin"
OPEN_PATHS = ("/pin", "/api/v1/pin", "/static/", "/api/v1/health")
"""What is served without the PIN."""

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src blob:; connect-src 'self'; frame-src blob:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Of every answer: nothing is loaded from elsewhere, and nobody may put the page into theirs."""

_FREE = 3
"""Wrong tries that cost nothing."""
_LONGEST = 60.0
"""Seconds that a further one costs at most; they double from one on."""
_FORGET = 900.0
_MOST_CLIENTS = 10_000


class Door:
    """Lets in who types the PIN, and makes guessing slow.

    Args:
        pin: empty for an open door.
    """

    def __init__(self, pin: str) -> None:
        self._pin, self._secret = pin, secrets.token_bytes(32)
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    @property
    def locked(self) -> bool:
        """Whether there is a PIN."""
        return bool(self._pin)

    def enter(self, pin: str, client: str, now: float | None = None) -> str:
        """The token of a visitor who typed the right PIN.

        Raises:
            Problem: 401 wrong, 429 too many wrong ones from this address.
        """
        now = time.monotonic() if now is None else now
        count, until = self._wrong.get(client, (0, 0.0))
        if now < until:
            raise busy(until - now, 429, "too many wrong PINs")
        # Digests, so that the time tells nothing, the length included.
        typed, right = (hashlib.sha256(text.encode()).digest() for text in (pin, self._pin))
        if hmac.compare_digest(typed, right):
            self._wrong.pop(client, None)
            return self.token()
        self._count(client, count + 1, now)
        raise Problem(401, "the PIN is wrong", "it is shown at the booth")

    def _count(self, client: str, count: int, now: float) -> None:
        cost = min(_LONGEST, 2.0 ** (count - _FREE - 1)) if count > _FREE else 0.0
        self._wrong[client] = (count, now + cost)
        self._wrong.move_to_end(client)
        while self._wrong and (
            len(self._wrong) > _MOST_CLIENTS or next(iter(self._wrong.values()))[1] < now - _FORGET
        ):
            self._wrong.popitem(last=False)

    def token(self) -> str:
        """A new token; one of another booth, or of this one before it was started again, does not fit."""
        name = secrets.token_urlsafe(12)
        return f"{name}.{self._sign(name)}"

    def knows(self, token: str) -> bool:
        """Whether a token is from here."""
        name, dot, signature = token.partition(".")
        return bool(dot) and hmac.compare_digest(self._sign(name).encode(), signature.encode())

    def _sign(self, name: str) -> str:
        return hmac.new(self._secret, name.encode(), "sha256").hexdigest()


class Guard:
    """ASGI middleware: lets nobody past the door without the PIN, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, door: Door, *, secure: bool) -> None:
        self.app, self.door = app, door
        self.headers = dict(HEADERS)
        if not secure:
            # Browsers ignore it without https, and say so in the console.
            del self.headers["cross-origin-opener-policy"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if self.door.locked and not self._may(scope):
            await self._turn_away(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message, self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _may(self, scope: Scope) -> bool:
        path = scope["path"]
        if any(path == open_ or (open_.endswith("/") and path.startswith(open_)) for open_ in OPEN_PATHS):
            return True
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get(b"x-pin")
        if given is not None:
            # Programs send UTF-8, whatever headers are said to be.
            pin = given.encode("latin-1").decode(errors="replace")
            try:
                self.door.enter(pin, client_of(scope))
            except Problem as problem:
                scope["fewshot.problem"] = problem
                return False
            return True
        return self.door.knows(_cookies(headers.get(b"cookie", "")).get(COOKIE, ""))

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # After it was accepted: browsers tell a page nothing of a refusal before that.
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 4401, "reason": "the PIN is missing"})
            return
        problem = scope.get("fewshot.problem") or Problem(
            401, "the PIN is missing", "type it at /pin, or send it as X-Pin"
        )
        answer: Any = response(problem)
        if not scope["path"].startswith("/api/") and scope["method"] == "GET":
            from starlette.responses import RedirectResponse

            answer = RedirectResponse("/pin", 303)
        for name, value in self.headers.items():
            answer.headers[name] = value
        await answer(scope, receive, send)


def client_of(scope: Mapping[str, Any]) -> str:
    """The address that a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a WebSocket was opened by a page of this booth; programs send no Origin."""
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host", "")


def _cookies(text: str) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {name: value for name, _, value in pairs if name}


def _add(message: MutableMapping[str, Any], headers: Mapping[str, str]) -> None:
    there = {name for name, _ in message["headers"]}
    extra = [(n.encode(), v.encode()) for n, v in headers.items() if n.encode() not in there]
    message["headers"] = [*message["headers"], *extra]
