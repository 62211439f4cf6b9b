"""The pictures of one step, and of many at once."""

import numpy as np
import pytest
import torch
from torch import Tensor

from fewshot.data.draws import Draws
from fewshot.data.loader import Domain
from fewshot.data.packs import Pack
from fewshot.training.batches import Batch, draw_batches
from fewshot.training.pretrain_config import PretrainConfig

CONFIG = PretrainConfig(arch="scan_tiny", batch=2, steps=(1, 1), hard=0.5)
CPU = torch.device("cpu")


def domain(seed: int) -> Domain:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 3, 20, 20), dtype=np.uint8)
    return Domain([Pack("made", tuple("abcdefgh"), pixels)])


def draws(total: int, places: Tensor | None = None) -> Draws:
    return Draws(torch.Generator().manual_seed(0), total, places)


@pytest.mark.parametrize("steps", [1, 3])
def test_many_steps_at_once_are_one_draw_cut_into_batches(steps: int) -> None:
    batches = draw_batches(domain(1), domain(2), 16, CONFIG, draws(2), CPU, steps)
    (whole,) = draw_batches(domain(1), domain(2), 16, CONFIG, draws(2 * steps), CPU)
    assert len(batches) == steps
    for name, tensor in whole.tensors.items():
        parts = [batch.tensors[name] for batch in batches]
        assert all(part.shape == (2, 3, 16, 16) for part in parts)
        assert all(part.is_contiguous(memory_format=torch.channels_last) for part in parts)
        assert torch.equal(torch.cat(parts), tensor)
    assert not torch.equal(whole.tensors["seen_A"], whole.real_A)


def test_what_is_not_there_has_no_name() -> None:
    images = torch.zeros(1, 3, 4, 4)
    assert Batch(images, images).tensors.keys() == {"real_A", "real_B"}


@pytest.mark.parametrize("steps", [1, 3])
def test_processes_that_share_a_batch_have_its_pictures(steps: int) -> None:
    """Nine pictures, so that those which are shrunk alike are in both parts."""
    (*whole,) = draw_batches(domain(1), domain(2), 16, CONFIG, draws(9), CPU, steps)
    halves = [
        draw_batches(domain(1), domain(2), 16, CONFIG, draws(9, part), CPU, steps)
        for part in torch.arange(9).split(5)
    ]
    for batch, *parts in zip(whole, *halves, strict=True):
        for name, tensor in batch.tensors.items():
            torch.testing.assert_close(torch.cat([part.tensors[name] for part in parts]), tensor)
