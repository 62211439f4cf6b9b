"""Two styles on the tiny base, as finished runs under `FEWSHOT_HOME`, and photos to draw."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from base_models.registry import create_model
from fewshot.adapters.adapter import Adapter
from fewshot.adapters.attach import attach_adapter
from fewshot.adapters.folder import write_adapter
from fewshot.consent import Consent, Status
from fewshot.home import run_folder
from recipes.schema import Method

MakeStyle = Callable[..., Adapter]
MakePhoto = Callable[..., Path]


@pytest.fixture
def make_style(fewshot_home: Path) -> MakeStyle:
    """Write an adapter as the finished run `name`, its tensors drawn from `seed`."""

    def make(
        name: str,
        seed: int = 0,
        base_name: str = "scan_tiny",
        consent: Status = "granted",
        method: Method = "lora",
    ) -> Adapter:
        base = create_model(base_name)
        preview = io.BytesIO()
        Image.new("RGB", (8, 8)).save(preview, "PNG")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = attach_adapter(base.netG_A, method=method, rank=2, alpha=2, base_sha256=base.sha256)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        parameter.add_(0.2 * torch.randn_like(parameter))
        return write_adapter(
            run_folder(name) / "adapter",
            model,
            name=name,
            base_name=base_name,
            base_sha256=base.sha256,
            recipe_toml="",
            recipe_hash="0",
            seed=seed,
            steps=1,
            reference_hashes=[],
            metrics={},
            preview_png=preview.getvalue(),
            style_features={"references": torch.zeros(1, 2)},
            extractor_sha256="0",
            licence="CC0-1.0",
            consent=Consent(consent),
        )

    return make


@pytest.fixture
def make_photo(tmp_path: Path) -> MakePhoto:
    """Save a smooth colour picture of any size and name below `tmp_path`."""

    def make(name: str, width: int = 48, height: int = 40, seed: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.randint(0, 256, (4, 4, 3), generator=generator, dtype=torch.uint8)
        Image.fromarray(coarse.numpy()).resize((width, height), Image.Resampling.BICUBIC).save(path)
        return path

    return make
