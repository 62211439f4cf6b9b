"""The engines of one process: a base in memory once, its styles merged when they are asked for, and requests
drawn one after another, those that want the same together.

ONNX Runtime uses every core for one drawing, so that two at a time would only get in each other's way: one
thread draws, and what is waiting for the same style goes into one batch.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from base_models.arrays import BaseArrays, load_arrays
from fewshot.errors import IntegrityError
from fewshot.home import base_folder
from fewshot.inference.engine import base_of, common_base
from fewshot.inference.levelling import stylize_level
from fewshot.inference.onnx_engine import OnnxEngine
from fewshot.web.problems import Problem, busy

if TYPE_CHECKING:
    from fewshot.web.metrics import Metrics
    from fewshot.web.offers import Found
    from fewshot.web.settings import Settings

MOST_TOGETHER = 4
"""Pictures in a batch: more would make the first of them wait."""

Pixels = NDArray[np.uint8]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Blend:
    """Styles and their weights, as one thing to draw with."""

    styles: tuple[tuple[Found, float], ...]
    """What is blended; the base alone where no style has weights."""

    @property
    def key(self) -> tuple[Any, ...]:
        """Blends with the same one draw the same."""
        return tuple((found.identity, weight) for found, weight in self.styles if found.adapter is not None)

    @property
    def labels(self) -> tuple[str, ...]:
        """Of its styles, one for each version however it was called."""
        return tuple(found.label for found, _ in self.styles)


@dataclass(eq=False)
class _Job:
    blend: Blend
    work: Callable[[OnnxEngine], Any]
    square: tuple[Pixels, float] | None
    """Of a head tilted by so many degrees."""
    answer: asyncio.Future[Any] = field(repr=False)


class EnginePool:
    """Draws for all requests of a booth.

    Args:
        settings: base, device and how many merged models are kept.
        metrics: where drawings are counted.

    Raises:
        FewshotError: the base is not there, or the device.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self._bases: dict[str, BaseArrays] = {}
        self._engines: OrderedDict[tuple[Any, ...], OnnxEngine] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, "drawing")
        self._waiting: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.taken = 0
        """Requests that are being answered."""
        self.mean = 0.3
        """Seconds that a drawing takes, lately."""

    def start(self) -> None:
        """Begin to draw; needs a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._serve(), name="drawing")

    @property
    def draws(self) -> bool:
        """Whether it works on what is asked for."""
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        """Finish what is being drawn and refuse what waits."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        while self._waiting:
            job = self._waiting.popleft()
            if not job.answer.done():
                job.answer.set_exception(busy(5, detail="the booth is closing"))
        await asyncio.to_thread(self._thread.shutdown)

    def check(self) -> float:
        """Draw one picture with the base, as a test when the booth opens; returns the seconds it took."""
        engine = self.engine(Blend(()))
        start = time.perf_counter()
        engine.draw(np.zeros((1, 3, engine.size, engine.size), np.uint8))
        return time.perf_counter() - start

    async def draw_square(self, blend: Blend, pixels: Pixels, roll: float = 0.0) -> Pixels:
        """Draw a picture uint8 `(3, H, W)`, a head tilted by `roll` degrees, with others of its blend."""
        result: Pixels = await self._add(
            blend, lambda engine: stylize_level(engine, pixels[None], [roll])[0], (pixels, roll)
        )
        return result

    async def draw_once(self, blend: Blend, pixels: Pixels) -> Pixels:
        """Draw a picture with a blend that is not kept ready for it: those of visitors stay."""
        base = Blend(())
        result: Pixels = await self._add(
            base, lambda _: self.engine(blend, keep=False).stylize(pixels[None])[0], None
        )
        return result

    async def run(self, blend: Blend, work: Callable[[OnnxEngine], T]) -> T:
        """Call `work` with the engine, in the drawing thread."""
        result: T = await self._add(blend, work, None)
        return result

    def slot(self) -> _Slot:
        """A place among those that are answered at the same time; raises Problem 503 where none is free."""
        if self.taken >= self.settings.most_waiting:
            raise busy(self.taken * self.mean)
        return _Slot(self)

    def engine(self, blend: Blend, *, keep: bool = True) -> OnnxEngine:
        """The merged model of a blend, made where it is not at hand; for the drawing thread only."""
        engine = self._engines.get(blend.key)
        if engine is None:
            styles = [(found.adapter, weight) for found, weight in blend.styles if found.adapter is not None]
            base = self._base(base_of(styles[0][0]) if styles else self.settings.base)
            engine = OnnxEngine(base, styles, device=self.settings.device)
            if not keep:
                return engine
            self._engines[blend.key] = engine
            while len(self._engines) > self.settings.sessions:
                self._engines.popitem(last=False)
            self.metrics.sessions.set(len(self._engines))
        self._engines.move_to_end(blend.key)
        return engine

    def _base(self, name: str) -> BaseArrays:
        if name not in self._bases:
            self._bases[name] = load_arrays(name, folders=(base_folder(),))
        return self._bases[name]

    async def _add(
        self, blend: Blend, work: Callable[[OnnxEngine], Any], square: tuple[Pixels, float] | None
    ) -> Any:
        job = _Job(blend, work, square, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._wake.set()
        return await job.answer

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            jobs = [] if self._closing else self._next()
            if self._closing:
                return
            if not jobs:
                self._wake.clear()
                continue
            start = time.perf_counter()
            try:
                results = await loop.run_in_executor(self._thread, partial(self._draw, jobs))
            except Exception as error:
                results = [error] * len(jobs)
            self.mean += 0.1 * ((time.perf_counter() - start) / len(jobs) - self.mean)
            self.metrics.batch.observe(len(jobs))
            for job, result in zip(jobs, results, strict=True):
                if job.answer.done():
                    continue
                if isinstance(result, Exception):
                    job.answer.set_exception(result)
                else:
                    job.answer.set_result(result)

    def _next(self) -> list[_Job]:
        """The job that waits longest, and those that can be drawn in one batch with it."""
        while self._waiting and self._waiting[0].answer.done():
            self._waiting.popleft()
        if not self._waiting:
            return []
        first = self._waiting.popleft()
        jobs = [first]
        if first.square is not None:
            for job in list(self._waiting):
                same = job.square is not None and job.square[0].shape == first.square[0].shape
                fits = same and job.blend.key == first.blend.key and not job.answer.done()
                if fits and len(jobs) < MOST_TOGETHER:
                    jobs.append(job)
                    self._waiting.remove(job)
        return jobs

    def _draw(self, jobs: list[_Job]) -> list[Any]:
        engine = self.engine(jobs[0].blend)
        if len(jobs) == 1:
            return [jobs[0].work(engine)]
        squares, rolls = zip(*(job.square for job in jobs if job.square is not None), strict=True)
        return list(stylize_level(engine, np.stack(squares), rolls))


class _Slot:
    """Held while a request is answered."""

    def __init__(self, pool: EnginePool) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        self._pool.taken += 1
        self._pool.metrics.waiting.set(self._pool.taken)

    def __exit__(self, *_: object) -> None:
        self._pool.taken -= 1
        self._pool.metrics.waiting.set(self._pool.taken)


def checked(blend: Blend) -> Blend:
    """A blend whose styles fit together; raises Problem 422 where they belong to different bases."""
    adapters = [found.adapter for found, _ in blend.styles if found.adapter is not None]
    try:
        if adapters:
            common_base(adapters)
    except IntegrityError:
        raise Problem(422, "the styles were learned on different bases", "blend styles of one base") from None
    return blend
