"""Time per stylized picture: the network alone, at 128 and 256 px, one picture at a time and eight at once.

Photos are random pixels of the model's size, so that neither file reading nor face search is counted; the
time of a whole command is in `test_commands.py`.
"""

from typing import Any

import pytest
import torch

from base_models.registry import create_model
from fewshot.inference.engine import Engine


@pytest.mark.benchmark(group="stylize: the network alone")
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("arch", ["scan_128", "scan_256"])
def test_time_per_picture(benchmark: Any, arch: str, batch: int) -> None:
    """`Engine.stylize` of uint8 pictures; `milliseconds per picture` divides by the batch."""
    engine = Engine(create_model(arch))
    generator = torch.Generator().manual_seed(0)
    shape = (batch, 3, engine.size, engine.size)
    photos = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    drawings = benchmark.pedantic(engine.stylize, args=(photos,), rounds=8, warmup_rounds=2)
    assert drawings.shape == photos.shape
    benchmark.extra_info["milliseconds per picture"] = round(1000 * benchmark.stats.stats.mean / batch, 1)
    benchmark.extra_info["threads"] = torch.get_num_threads()
