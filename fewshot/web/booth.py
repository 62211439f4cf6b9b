"""From the bytes of a photo to the bytes of its drawing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from PIL import Image

from fewshot.catalog.filters import Filter
from fewshot.catalog.listing import names
from fewshot.errors import FewshotError
from fewshot.files import atomic_write
from fewshot.inference.detection import open_detector
from fewshot.inference.framing import frame, is_portrait
from fewshot.inference.light import face_light
from fewshot.inference.whole import draw_whole
from fewshot.styles import parse_style
from fewshot.web.metrics import Metrics
from fewshot.web.photos import SHOWN, encode, read_photo, sample_portrait
from fewshot.web.pool import Blend, EnginePool, checked
from fewshot.web.problems import Problem
from fewshot.web.shelf import Shelf
from fewshot.web.studio import Spot, StyleMap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fewshot.catalog.pictures import PictureSearch
    from fewshot.inference.detection import FaceBox
    from fewshot.inference.whole import Background
    from fewshot.web.settings import Settings
    from fewshot.web.shelf import Offer

Crop = Literal["auto", "face", "whole"]
FileFormat = Literal["png", "webp", "jpeg"]
CROPS, BACKGROUNDS, FORMATS = ("auto", "face", "whole"), ("stylize", "keep", "plain"), ("png", "webp", "jpeg")
MOST_STYLES = 2
"""In one blend."""

_MOST_PREVIEWS = 512
"""In memory; one has about 8 kB."""


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for."""

    blend: Blend
    """With what it is drawn."""
    crop: Crop = "auto"
    """What of the photo, as for `fewshot stylize --crop`."""
    background: Background = "stylize"
    """What becomes of the rest of a whole picture."""
    format: FileFormat = "png"
    """Of the drawing."""
    size: int | None = None
    """Shorter side of the drawing of a face, px; the model's when None."""
    mend_light: bool = True
    """Whether the light on the face is mended first."""
    keep: bool = False
    """Whether the visitor allows photo and drawing to be kept."""


@dataclass(frozen=True)
class Drawn:
    """The answer."""

    data: bytes
    """The drawing's file."""
    size: tuple[int, int]
    """Width and height, px."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom of what was drawn, in shares of the photo; may reach outside."""
    faces: int
    """That were found."""
    seconds: float
    """From the bytes to the bytes."""


class Booth:
    """One booth: its styles, its engines, and the threads that read and write pictures.

    Args:
        settings: what it was told.

    Raises:
        FewshotError: a style, the base or the detector is not there.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.shelf = Shelf(settings)
        self.pool = EnginePool(settings, self.metrics)
        self.detector = open_detector(settings.detector)
        self._readers = ThreadPoolExecutor(2, "pictures")
        self._previews: dict[str, bytes] = {}
        self._searching = threading.Lock()
        self._search: PictureSearch | None = None
        self._map: StyleMap | None = None

    async def close(self) -> None:
        """Finish what is being drawn and let everything go."""
        await self.pool.stop()
        await asyncio.to_thread(self._readers.shutdown)
        self.shelf.close()

    def blend(self, styles: Sequence[str]) -> Blend:
        """What names and weights mean, such as `["ink:0.6", "wash:0.4"]`; the base where there are none.

        Raises:
            FewshotError, Problem: no such style, one without consent, or a blend that cannot be made.
        """
        if len(styles) > MOST_STYLES:
            raise Problem(422, f"{len(styles)} styles; expected at most {MOST_STYLES}", "choose fewer")
        parsed = [parse_style(text) for text in styles]
        return checked(Blend(tuple((self.shelf.find(ref), weight) for ref, weight in parsed)))

    async def draw(self, data: bytes, wish: Wish) -> Drawn:
        """Draw a photo.

        Raises:
            FewshotError, Problem: it cannot be read, or nothing can be drawn now.
        """
        start = time.perf_counter()
        with self.pool.slot():
            loop = asyncio.get_running_loop()
            image, faces = await loop.run_in_executor(self._readers, self._read, data)
            whole = wish.crop == "whole" or (
                wish.crop == "auto" and bool(faces) and not is_portrait(image, faces[0])
            )
            if whole:
                box = (0.0, 0.0, 1.0, 1.0)
                pixels = await self.pool.run(
                    wish.blend,
                    lambda engine: draw_whole(
                        image, engine, faces, wish.background, mend_light=wish.mend_light
                    ),
                )
            else:
                box, pixels = await self._draw_face(image, faces, wish)
            drawn = await loop.run_in_executor(self._readers, encode, pixels, wish.format)
            if wish.keep and self.settings.keep is not None:
                await loop.run_in_executor(self._readers, self._keep, image, drawn, wish.format)
        for name in wish.blend.names or (self.settings.base,):
            self.metrics.drawn.labels(name).inc()
        height, width = pixels.shape[:2]
        return Drawn(drawn, (width, height), box, len(faces), time.perf_counter() - start)

    async def preview(self, ref: str) -> tuple[bytes, str]:
        """A sample portrait in a style, as WebP, and what changes when it does."""
        found = await asyncio.to_thread(self.shelf.find, ref)
        if found.identity not in self._previews:
            pixels = await self.pool.draw_square(Blend(((found, 1.0),)), sample_portrait())
            self._previews[found.identity] = encode(pixels.transpose(1, 2, 0), "webp")
            while len(self._previews) > _MOST_PREVIEWS:
                self._previews.pop(next(iter(self._previews)))
        return self._previews[found.identity], found.identity

    def map_spots(self) -> list[Spot]:
        """The map of the catalogue's styles; empty where there is none."""
        catalog = self.shelf.catalog
        if catalog is None:
            return []
        with self._searching:
            self._map = self._map or StyleMap(catalog)
        return self._map.spots()

    def nearest(self, picture: bytes, limit: int = 12) -> list[Offer]:
        """The catalogue's styles that are nearest to a drawing and may be used."""
        catalog = self.shelf.catalog
        if catalog is None:
            return []
        with self._searching:
            if self._search is None:
                from fewshot.catalog.pictures import PictureSearch

                self._search = PictureSearch(catalog)
            usable = names(catalog, Filter(consent="usable"))
            drawing = read_photo(picture, self.settings.most_pixels)
            from fewshot.catalog.pictures import by_drawing

            found = by_drawing(self._search, drawing, limit=limit, only=usable.__contains__)
        offered = []
        for similar in found:
            with contextlib.suppress(FewshotError):
                offered.append(self.shelf.find(similar.name).offer)
        return offered

    async def _draw_face(
        self, image: Image.Image, faces: Sequence[FaceBox], wish: Wish
    ) -> tuple[tuple[float, float, float, float], np.ndarray]:
        framed = frame(image, "face", faces[0]) if faces else frame(image, "center")
        side = (SHOWN, SHOWN)
        square = np.asarray(framed.image.resize(side, Image.Resampling.LANCZOS, reducing_gap=3.0))
        if faces and wish.mend_light:
            square = face_light(square).mend(square)
        drawn = (await self.pool.draw_square(wish.blend, square.transpose(2, 0, 1))).transpose(1, 2, 0)
        if wish.size is not None:
            drawn = cv2.resize(drawn, (wish.size, wish.size), interpolation=cv2.INTER_CUBIC)
        left, top, right, bottom = framed.box
        width, height = image.size
        box = (left / width, top / height, right / width, bottom / height)
        return box, drawn

    def _read(self, data: bytes) -> tuple[Image.Image, list[FaceBox]]:
        image = read_photo(data, self.settings.most_pixels)
        return image, self.detector.faces(image)

    def _keep(self, image: Image.Image, drawn: bytes, kind: str) -> None:
        assert self.settings.keep is not None
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        folder = self.settings.keep
        atomic_write(folder / f"{name}-photo.jpg", lambda f: image.save(f, "JPEG", quality=90))
        atomic_write(folder / f"{name}-drawing.{kind}", lambda f: f.write(drawn))
