"""The pictures of one step, and of many at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fewshot.data.loader import Domain
from fewshot.data.packs import Pack
from fewshot.training.batches import Batch, draw_batches
from fewshot.training.pretrain_config import PretrainConfig

CONFIG = PretrainConfig(arch="scan_tiny", batch=2, steps=(1, 1), hard=0.5)
CPU = torch.device("cpu")


def domain(seed: int) -> Domain:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 3, 20, 20), dtype=np.uint8)
    return Domain([Pack("made", tuple("abcdefgh"), pixels)])


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("steps", [1, 3])
def test_many_steps_at_once_are_one_draw_cut_into_batches(steps: int) -> None:
    batches = draw_batches(domain(1), domain(2), 16, CONFIG, rng(), CPU, steps)
    (whole,) = draw_batches(domain(1), domain(2), 16, replace(CONFIG, batch=2 * steps), rng(), CPU)
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
