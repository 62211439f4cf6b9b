"""The live filter: a frame comes in over a WebSocket, its drawing goes back, and never are two on their way.

The browser sends the next frame when the drawing of the last one has come, so that a slow machine shows
fewer frames instead of late ones. A frame is a JPEG or WebP of a square about the guide oval; the drawing is
a JPEG of the model's size. A text message `{"styles": ["ink:0.6"], "steady": true}` changes the style.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect
from PIL import Image

from fewshot.data.pictures import read_picture
from fewshot.errors import FewshotError
from fewshot.inference.light import Light, face_light
from fewshot.inference.steadying import Steady
from fewshot.inference.video import LIGHT_SHARE
from fewshot.web.guard import same_origin
from fewshot.web.photos import encode
from fewshot.web.problems import Problem, from_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fewshot.inference.onnx_engine import OnnxEngine
    from fewshot.web.booth import Booth
    from fewshot.web.pool import Blend

MOST_BYTES = 400_000
"""Of a frame; one of 256 px has about 15,000."""
MOST_PIXELS = 512 * 512
FRAMES = ("JPEG", "WEBP")
MOST_CONNECTIONS = 4
"""Live filters at a time: each takes what the processor has."""
IDLE = 30.0
"""Seconds without a frame after which a connection is closed."""

_ASK_AGAIN = 1.0
"""Seconds after which it is asked again whether the style may be used."""


class LiveFilter:
    """One connection."""

    def __init__(self, booth: Booth, socket: WebSocket) -> None:
        self.booth, self.socket = booth, socket
        self._styles: list[str] = []
        self._blend: Blend | None = None
        self._asked = 0.0
        self._steady: Steady | None = None
        self._light = Light()
        self._frame = False

    async def run(self) -> None:
        """Answer frames until the browser is gone."""
        while True:
            async with asyncio.timeout(IDLE):
                message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._frame = message.get("text") is None
            try:
                if not self._frame:
                    await self._change(json.loads(message["text"]))
                else:
                    await self.socket.send_bytes(await self._drawn(message.get("bytes") or b""))
            except Problem as problem:
                await self._tell(problem)
            except FewshotError as error:
                await self._tell(from_error(error))
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                await self._tell(Problem(422, f"the message cannot be read: {error!s:.60}"))

    async def _change(self, wish: Any) -> None:
        styles = wish.get("styles", [])
        if not isinstance(styles, list) or not all(isinstance(style, str) for style in styles):
            raise Problem(422, "styles is no list of names", 'send {"styles": ["ink"]}')
        blend = await asyncio.to_thread(self.booth.blend, styles)
        self._styles, self._blend, self._asked = styles, blend, time.monotonic()
        self._steady = Steady() if wish.get("steady", True) else None

    async def _drawn(self, data: bytes) -> bytes:
        if len(data) > MOST_BYTES:
            raise Problem(413, f"a frame of {len(data)} bytes; expected at most {MOST_BYTES}")
        now = time.monotonic()
        if self._blend is None or now - self._asked > _ASK_AGAIN:
            # Consent may have been withdrawn since.
            self._blend, self._asked = await asyncio.to_thread(self.booth.blend, self._styles), now
        return await self.booth.pool.run(self._blend, lambda engine: self._draw(engine, data))

    def _draw(self, engine: OnnxEngine, data: bytes) -> bytes:
        picture = np.asarray(read_picture("frame", data, MOST_PIXELS, FRAMES).image)
        side = min(picture.shape[:2])
        picture = picture[:side, :side]
        self._light = self._light.towards(face_light(picture), LIGHT_SHARE)
        shown = _sized(self._light.mend(picture), engine.size)
        drawn = engine.draw(shown.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0)
        if self._steady is not None:
            drawn = self._steady(shown, drawn)
        return encode(drawn, "jpeg")

    async def _tell(self, problem: Problem) -> None:
        told = {"status": problem.status, "detail": problem.detail, "hint": problem.hint}
        await self.socket.send_json(told | {"frame": self._frame})


def _sized(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    if picture.shape[0] == side:
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))


async def serve(booth: Booth, socket: WebSocket) -> None:
    """Accept a connection and answer its frames."""
    if not same_origin(socket.headers):
        await socket.close(4403, "opened by a page from elsewhere")
        return
    booth.live += 1
    booth.metrics.live.set(booth.live)
    try:
        await socket.accept()
        if booth.live > MOST_CONNECTIONS:
            # After it was accepted: browsers tell a page nothing of a refusal before that.
            await socket.close(4503, "too many live filters are open")
            return
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            await LiveFilter(booth, socket).run()
        with contextlib.suppress(RuntimeError):
            await socket.close()
    finally:
        booth.live -= 1
        booth.metrics.live.set(booth.live)
