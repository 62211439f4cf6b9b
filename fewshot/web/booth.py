"""From the bytes of a photo to the bytes of its drawing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PIL import Image

from fewshot.errors import FewshotError
from fewshot.files import atomic_write
from fewshot.inference.detection import open_detector
from fewshot.inference.preparing import Framing
from fewshot.inference.print_layout import Paper
from fewshot.inference.whole import draw_whole
from fewshot.output import warn
from fewshot.web.metrics import Metrics
from fewshot.web.photos import encode, larger, pdf_of, read_photo, sample_portrait, square_of
from fewshot.web.pool import Blend, EnginePool, checked
from fewshot.web.problems import Problem
from fewshot.web.shelf import Shelf
from fewshot.web.studio import Spot, StyleMap
from fewshot.web.uploads import Held
from fewshot.web.wish import MOST_STYLES, Drawn, Wish, parse_wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fewshot.catalog.pictures import PictureSearch
    from fewshot.inference.detection import FaceBox
    from fewshot.web.offers import Offer
    from fewshot.web.settings import Settings

_MOST_PREVIEWS = 512
"""In memory; one has about 8 kB."""


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
        self.live = 0
        """Live filters that are open."""
        self.held = Held(settings.most_held)
        self._previews: dict[str, bytes] = {}
        self._previewing = asyncio.Lock()
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
        if not styles and self.settings.styles and self.settings.base not in self.settings.styles:
            raise Problem(404, "no style was chosen", "choose one of those on offer")
        parsed = [parse_wish(text) for text in styles]
        if len({name for name, _ in parsed}) < len(parsed):
            raise Problem(422, "a style is named twice", "give it one weight")
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
            if Framing(wish.crop).takes_whole(image, faces):
                box = (0.0, 0.0, 1.0, 1.0)
                pixels = await self.pool.run(
                    wish.blend,
                    lambda engine: draw_whole(
                        image, engine, faces, wish.background, mend_light=wish.mend_light
                    ),
                )
            else:
                cut = partial(square_of, image, faces, mend_light=wish.mend_light)
                square, roll, box = await loop.run_in_executor(self._readers, cut)
                pixels = await self.pool.draw_square(wish.blend, square, roll)
                pixels = larger(pixels.transpose(1, 2, 0), wish.size)
            drawn = await loop.run_in_executor(self._readers, encode, pixels, wish.format)
            if wish.keep and self.settings.keep is not None:
                await loop.run_in_executor(self._readers, self._keep, image, drawn, wish.format)
        for label in wish.blend.labels or (self.settings.base,):
            self.metrics.drawn.labels(label).inc()
        height, width = pixels.shape[:2]
        return Drawn(drawn, (width, height), box, len(faces), time.perf_counter() - start)

    async def preview(self, ref: str) -> tuple[bytes, str]:
        """A sample portrait in a style, as WebP, and what changes when it does."""
        found = await asyncio.to_thread(self.shelf.find, ref)
        # One at a time: a page asks for sixty, and visitors' photos are not to wait for all of them.
        async with self._previewing:
            if found.identity not in self._previews:
                portrait = await asyncio.to_thread(sample_portrait)
                pixels = await self.pool.draw_once(Blend(((found, 1.0),)), portrait)
                self._previews[found.identity] = encode(pixels.transpose(1, 2, 0), "webp")
                while len(self._previews) > _MOST_PREVIEWS:
                    self._previews.pop(next(iter(self._previews)))
            return self._previews[found.identity], found.identity

    async def pdf(self, drawing: bytes, paper: Paper) -> bytes:
        """A drawing on photo paper, as a PDF; raises as `read_photo` does."""
        with self.pool.slot():
            return await asyncio.get_running_loop().run_in_executor(self._readers, pdf_of, drawing, paper)

    def map_spots(self) -> list[Spot]:
        """The map of the catalogue's styles; empty where there is none."""
        catalog = self.shelf.catalog
        if catalog is None:
            return []
        with self._searching:
            self._map = self._map or StyleMap(catalog)
        offered = self.shelf.offered_names()
        spots = [spot for spot in self._map.spots() if spot.name in offered]
        return [replace(spot, name=offered[spot.name]) for spot in spots]

    def nearest(self, picture: bytes, limit: int = 12) -> list[Offer]:
        """The catalogue's styles that are nearest to a drawing and may be used."""
        catalog = self.shelf.catalog
        if catalog is None:
            return []
        with self._searching:
            if self._search is None:
                from fewshot.catalog.pictures import PictureSearch

                self._search = PictureSearch(catalog)
            offered = self.shelf.offered_names()
            drawing = read_photo(picture, self.settings.most_pixels)
            from fewshot.catalog.pictures import by_drawing

            found = by_drawing(self._search, drawing, limit=limit, only=offered.__contains__)
        offers = []
        for similar in found:
            with contextlib.suppress(FewshotError):
                offers.append(self.shelf.find(offered[similar.name]).offer)
        return offers

    def _read(self, data: bytes) -> tuple[Image.Image, list[FaceBox]]:
        image = read_photo(data, self.settings.most_pixels)
        return image, self.detector.faces(image)

    def _keep(self, image: Image.Image, drawn: bytes, kind: str) -> None:
        assert self.settings.keep is not None
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        photo, drawing = (self.settings.keep / f"{name}-{end}" for end in ("photo.jpg", f"drawing.{kind}"))
        try:
            atomic_write(photo, lambda f: image.save(f, "JPEG", quality=90), mode=0o600)
            atomic_write(drawing, lambda f: f.write(drawn), mode=0o600)
        except (FewshotError, OSError) as error:
            # The visitor gets the drawing all the same; the rest is for whoever runs the booth.
            warn(f"a visitor's pictures could not be kept: {error}")
