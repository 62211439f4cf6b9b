"""Generated pictures and tiny runs of base training."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image

from base_models.checkpoint import BaseModel
from fewshot.data.loader import Domain
from fewshot.data.packs import Pack
from fewshot.training.pretrain import Pretraining
from fewshot.training.pretrain_config import PretrainConfig

TINY: dict[str, Any] = {"arch": "scan_tiny", "batch": 2, "lambda_feature": 0.0, "lambda_content": 0.0}


def noise(count: int, size: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Smooth random pictures, uint8 `(count, 3, size, size)`."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 3, 5, 5), dtype=np.uint8)
    return np.stack(
        [np.stack([np.asarray(Image.fromarray(c).resize((size, size))) for c in rgb]) for rgb in coarse]
    )


def domains(size: int) -> tuple[Domain, Domain]:
    """Photos and drawings of any size, always the same."""
    packs = [Pack(f"p{seed}", tuple(map(str, range(9))), noise(9, size, seed)) for seed in (1, 2)]
    return Domain(packs[:1]), Domain(packs[1:])


@dataclass
class Tiny:
    """Makes runs in one folder."""

    folder: Path
    """Where the run is."""

    def run(self, start: BaseModel | None = None, **options: Any) -> Pretraining:
        """A run of scan_tiny without perceptual losses, unless `options` say otherwise."""
        config = PretrainConfig(**TINY | options)
        photos = torch.from_numpy(noise(2, 32, 3))
        accelerator = Accelerator(cpu=True, mixed_precision="no")
        return Pretraining(config, domains, photos, self.folder, accelerator, start=start)


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """Tiny runs in a folder of their own."""
    return Tiny(tmp_path / "run")


@pytest.fixture
def tar() -> Callable[[Path, int], Path]:
    """Write a .tar of generated pictures, named as the shared packs name theirs."""

    def write(path: Path, count: int, size: int = 40) -> Path:
        with tarfile.open(path, "w") as archive:
            for index, pixels in enumerate(noise(count, size, count)):
                buffer = io.BytesIO()
                Image.fromarray(pixels.transpose(1, 2, 0)).save(buffer, "PNG")
                member = tarfile.TarInfo(f"{path.stem}/{index:05d}.png")
                member.size = buffer.tell()
                buffer.seek(0)
                archive.addfile(member, buffer)
        return path

    return write
