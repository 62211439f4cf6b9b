"""The engines: bounded, batched, shared."""

import asyncio
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fewshot.adapters.adapter import read_adapter
from fewshot.errors import FewshotError
from fewshot.web.metrics import Metrics
from fewshot.web.offers import Found, Offer
from fewshot.web.pool import MOST_TOGETHER, Blend, EnginePool
from fewshot.web.problems import Problem
from fewshot.web.settings import Settings

FACE = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)


def pool(**settings: Any) -> EnginePool:
    return EnginePool(Settings(base="scan_tiny", **settings), Metrics())


def found(small: ModuleType, template: Path, folder: Path, seed: int) -> Found:
    adapter = read_adapter(small.write_variant(template, folder / f"s{seed}", seed))
    return Found(Offer(f"s{seed}", "run"), adapter.sha256, adapter, f"s{seed}")


def test_what_waits_for_the_same_is_drawn_together() -> None:
    async def scene() -> tuple[list[np.ndarray], float]:
        made = pool()
        faces = [(np.roll(FACE, shift, -1), 15.0 * (shift % 3 == 1)) for shift in range(6)]
        waiting = [asyncio.create_task(made.draw_square(Blend(()), face, roll)) for face, roll in faces]
        await asyncio.sleep(0)
        made.start()
        drawn = list(await asyncio.gather(*waiting))
        alone = [await made.draw_square(Blend(()), face, roll) for face, roll in faces]
        for one, other in zip(drawn, alone, strict=True):
            assert np.abs(one.astype(int) - other).max() <= 1
        batches = sum(bucket.get() for bucket in made.metrics.batch._buckets)
        await made.stop()
        return drawn, batches

    drawn, batches = asyncio.run(scene())
    assert len(drawn) == 6
    # Four together, two together, and six alone.
    assert MOST_TOGETHER == 4
    assert batches == 8


def test_one_more_than_the_queue_holds_is_told_when_to_come_back() -> None:
    made = pool(most_waiting=2)
    with made.slot(), made.slot():
        with pytest.raises(Problem) as busy:
            made.slot()
        assert busy.value.status == 503
        assert int(busy.value.headers["Retry-After"]) >= 1
    with made.slot():
        assert made.taken == 1
    assert made.taken == 0


def test_a_failure_reaches_who_asked_and_nobody_else() -> None:
    async def scene() -> np.ndarray:
        made = pool()
        made.start()

        def fail(_: object) -> None:
            raise FewshotError("broken")

        with pytest.raises(FewshotError, match="broken"):
            await made.run(Blend(()), fail)
        drawn = await made.draw_square(Blend(()), FACE)
        await made.stop()
        return drawn

    assert asyncio.run(scene()).shape == (3, 32, 32)


def test_who_went_away_is_not_drawn() -> None:
    async def scene() -> int:
        made = pool()
        calls: list[object] = []
        gone = asyncio.create_task(made.run(Blend(()), calls.append))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        made.start()
        await made.run(Blend(()), lambda engine: None)
        await made.stop()
        return len(calls)

    assert asyncio.run(scene()) == 0


def test_merged_models_are_few(small: ModuleType, template: Path, tmp_path: Path) -> None:
    made = pool(sessions=2)
    blends = [Blend(((found(small, template, tmp_path, seed), 1.0),)) for seed in range(3)]
    engines = [made.engine(blend) for blend in blends]
    assert made.engine(blends[2]) is engines[2]
    assert made.engine(blends[0]) is not engines[0]
    assert len(made._engines) == 2
    # One base, whatever is drawn with it.
    assert len({id(engine.base) for engine in engines}) == 1


def test_waiting_for_one_style_in_many_ways(small: ModuleType, template: Path, tmp_path: Path) -> None:
    """Jobs are told apart by what they are, not by what they hold: arrays have no truth value."""

    async def scene() -> list[object]:
        made = pool()
        style = found(small, template, tmp_path, 1)
        twin = Found(style.offer, style.identity, read_adapter(tmp_path / "s1"), "s1")
        blends = [Blend(((one, 1.0),)) for one in (style, twin, style, twin)]
        waiting: list[asyncio.Task[Any]] = []
        for number, blend in enumerate(blends):
            if number == 1:
                waiting.append(asyncio.create_task(made.run(blend, lambda engine: engine.size)))
            else:
                waiting.append(asyncio.create_task(made.draw_square(blend, FACE)))
        await asyncio.sleep(0)
        made.start()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), 20)
        assert made.draws
        await made.stop()
        return list(answers)

    assert len(asyncio.run(scene())) == 4


def test_closing_finishes_what_is_being_drawn() -> None:
    async def scene() -> str:
        made = pool()
        made.start()
        started, go = threading.Event(), threading.Event()

        def slowly(_: object) -> str:
            started.set()
            go.wait(5)
            return "drawn"

        waiting = asyncio.create_task(made.run(Blend(()), slowly))
        await asyncio.to_thread(started.wait, 5)
        closing = asyncio.create_task(made.stop())
        await asyncio.sleep(0.05)
        go.set()
        await closing
        return await asyncio.wait_for(waiting, 1)

    assert asyncio.run(scene()) == "drawn"


def test_closing_refuses_what_waits() -> None:
    async def scene() -> list[object]:
        made = pool()
        waiting = [asyncio.create_task(made.draw_square(Blend(()), FACE)) for _ in range(3)]
        await asyncio.sleep(0)
        await made.stop()
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    assert all(isinstance(answer, Problem) and answer.status == 503 for answer in asyncio.run(scene()))
