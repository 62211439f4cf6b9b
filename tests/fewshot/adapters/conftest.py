"""Adapters with random tensors on the tiny base: every method, written by the toolkit or by PEFT alone."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from PIL import Image

from base_models.checkpoint import BaseModel
from base_models.registry import create_model
from fewshot.adapters.adapter import Adapter
from fewshot.adapters.attach import attach_adapter
from fewshot.adapters.folder import write_adapter
from fewshot.consent import Consent

Train = Callable[..., PeftModel]
Write = Callable[..., Adapter]


@pytest.fixture(scope="session")
def base() -> BaseModel:
    """The tiny base with its seeded random weights."""
    return create_model("scan_tiny")


@pytest.fixture(scope="session")
def photo() -> torch.Tensor:
    """Two random pictures `(2, 3, 32, 32)` in [-1, 1]."""
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="session")
def train(base: BaseModel) -> Train:
    """Attach an adapter and move all its parameters, as training would."""

    def make(method: str = "lora", seed: int = 0, **options: Any) -> PeftModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = attach_adapter(base.netG_A, method=method, base_sha256=base.sha256, **options)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        parameter.add_(0.1 * torch.randn_like(parameter))
        return model.eval()

    return make


@pytest.fixture(scope="session")
def write(base: BaseModel, train: Train) -> Write:
    """Write a complete adapter folder; keywords replace the usual values."""
    preview = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(preview, "PNG")

    def make(folder: Path, method: str = "lora", seed: int = 0, **changes: Any) -> Adapter:
        values: dict[str, Any] = {
            "name": "ink",
            "base_name": base.name,
            "base_sha256": base.sha256,
            "recipe_toml": 'method = "lora"\n',
            "recipe_hash": "0" * 64,
            "seed": seed,
            "steps": 3,
            "reference_hashes": ["a" * 64, "b" * 64],
            "metrics": {"kid": {"base": 0.2, "adapter": 0.05, "n": 48, "extractor": "style"}, "rank": 1},
            "preview_png": preview.getvalue(),
            "style_features": {"references": torch.ones(2, 4), "results": torch.zeros(3, 4)},
            "extractor_sha256": "c" * 64,
            "licence": "CC0-1.0",
            "consent": Consent("granted"),
        }
        weights = changes.pop("weights", None)
        if weights is None:
            weights = train(method, seed)
        return write_adapter(folder, weights, **(values | changes))

    return make
