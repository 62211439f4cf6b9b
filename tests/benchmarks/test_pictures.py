"""Time per stylized picture: the network alone, at 128 and 256 px, one picture at a time and eight at once.

Photos are random pixels of the model's size, so that neither file reading nor face search is counted; the
time of a whole command is in `test_commands.py`.
"""

from typing import Any

import numpy as np
import pytest

from base_models.arrays import load_arrays
from fewshot.inference.engine import EngineKind, open_engine


@pytest.mark.benchmark(group="stylize: the network alone")
@pytest.mark.parametrize("kind", ["onnx", "torch"])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("arch", ["scan_128", "scan_256"])
def test_time_per_picture(benchmark: Any, arch: str, batch: int, kind: EngineKind) -> None:
    """`Engine.stylize` of uint8 pictures; `milliseconds per picture` divides by the batch."""
    engine = open_engine(load_arrays(arch), (), kind)
    shape = (batch, 3, engine.size, engine.size)
    photos = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    drawings = benchmark.pedantic(engine.stylize, args=(photos,), rounds=8, warmup_rounds=2)
    assert drawings.shape == photos.shape
    benchmark.extra_info["milliseconds per picture"] = round(1000 * benchmark.stats.stats.median / batch, 1)
