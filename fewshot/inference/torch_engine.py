"""The engine on torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from fewshot.adapters.merged import merged
from fewshot.consent import require
from fewshot.errors import UsageError
from fewshot.inference.engine import BATCH, Styles, fitted, load_blend

if TYPE_CHECKING:
    from base_models.arrays import BaseArrays
    from base_models.checkpoint import BaseModel


class TorchEngine:
    """`fewshot.inference.engine.Engine` on torch.

    Args:
        base: the base model.
        styles: adapters and their weights.
        device: where to compute: `cpu`, `cuda`, or `auto` for a GPU where there is one.

    Raises:
        IntegrityError: an adapter of another base, damaged, or without consent.
        UsageError: a device that is not here.
    """

    def __init__(self, base: BaseModel | BaseArrays, styles: Styles = (), *, device: str = "cpu") -> None:
        for adapter, _ in styles:
            require(adapter.name, adapter.consent.refusal())
        self.base_name, self.base_sha256 = base.name, base.sha256
        self.styles = tuple((adapter.name, weight) for adapter, weight in styles)
        self.device = _device(device)
        net = merged(base, styles)
        self.size, self.multiple = net.size, net.multiple
        self.net = net.to(memory_format=torch.channels_last).to(self.device)

    @classmethod
    def from_names(cls, styles: Sequence[str], base: str | None = None) -> TorchEngine:
        """An engine from what a person writes; raises as `load_blend` does."""
        arrays, adapters = load_blend(styles, base)
        return cls(arrays, adapters)

    def stylize(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `Engine`."""
        return self.draw(fitted(images, self.size, self.multiple))

    def draw(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `Engine`."""
        results = np.empty_like(images)
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                batch = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH]))
                x = (batch.to(self.device).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
                y = ((self.net(x) + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
                results[start : start + BATCH] = y.cpu().numpy()
        return results


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"--device {name}: torch has none here", "use --device cpu")
    return torch.device(name)
