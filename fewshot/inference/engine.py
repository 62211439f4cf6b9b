"""A base and its blended styles as one function from pictures to pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from base_models.registry import create_model, same_model
from fewshot.adapters.adapter import Adapter
from fewshot.adapters.algebra import blend
from fewshot.consent import require
from fewshot.errors import IntegrityError, UsageError
from fewshot.home import home
from fewshot.styles import load_style, parse_style

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

BATCH = 8


class Engine:
    """Photo to drawing through a base with any number of styles.

    Args:
        base: the base model.
        styles: adapters and their weights; none, or all of weight 0, is the base itself.
        device: where to compute, such as `cpu` or `cuda`.

    Raises:
        IntegrityError: an adapter of another base, damaged, or without consent.
    """

    def __init__(
        self, base: BaseModel, styles: Sequence[tuple[Adapter, float]] = (), *, device: str = "cpu"
    ) -> None:
        for adapter, _ in styles:
            require(adapter.name, adapter.consent.refusal())
        self.base_name, self.base_sha256 = base.name, base.sha256
        self.styles = tuple((adapter.name, weight) for adapter, weight in styles)
        self.size: int = base.netG_A.size
        self.multiple: int = base.netG_A.multiple
        self.device = torch.device(device)
        net = blend(base, styles).to(memory_format=torch.channels_last)
        self.net = net.to(self.device)

    @classmethod
    def from_names(cls, styles: Sequence[str], base: str | None = None, *, device: str = "cpu") -> Engine:
        """An engine from what a person writes: `["ink:0.6", "./folder"]` and perhaps the name or file of a
        base.

        Raises:
            UsageError: neither style nor base, or a weight that cannot be read.
            NotFoundError: no such style.
            IntegrityError: styles of different bases, or damaged ones.
            CheckpointError: no such base, or a damaged one.
        """
        model, adapters = load_blend(styles, base)
        return cls(model, adapters, device=device)

    def stylize(self, images: Tensor) -> Tensor:
        """Draw pictures.

        Args:
            images: uint8 `(N, 3, H, W)` RGB. They are resized (antialiased) so that the shorter side is
                `size`; a square of that size is used as it is.

        Returns:
            uint8 `(N, 3, h, w)` RGB on the CPU, `size` px on the shorter side, the longer one rounded to a
            multiple of `multiple`.

        Raises:
            ValueError: another type or shape.
        """
        if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3:
            raise ValueError(f"expected uint8 (N, 3, H, W), got {images.dtype} {tuple(images.shape)}")
        height, width = self._working_size(images.shape[2], images.shape[3])
        if len(images) == 0:
            return images.new_empty((0, 3, height, width))
        results = []
        with torch.inference_mode():
            for batch in images.split(BATCH):
                x = batch.to(self.device).float()
                if x.shape[2:] != (height, width):
                    x = F.interpolate(x, (height, width), mode="bicubic", antialias=True).clamp_(0, 255)
                y = self.net((x / 127.5 - 1).contiguous(memory_format=torch.channels_last))
                results.append(((y + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8).cpu().contiguous())
        return torch.cat(results)

    def _working_size(self, height: int, width: int) -> tuple[int, int]:
        scale = self.size / min(height, width)
        even = [
            max(self.size, round(side * scale / self.multiple) * self.multiple) for side in (height, width)
        ]
        return even[0], even[1]


def load_blend(styles: Sequence[str], base: str | None) -> tuple[BaseModel, list[tuple[Adapter, float]]]:
    """The base and the adapters with their weights that a person means; see `Engine.from_names`."""
    parsed = [parse_style(text) for text in styles]
    adapters = [(load_style(ref), weight) for ref, weight in parsed]
    if base is None:
        base = _common_base([adapter for adapter, _ in adapters])
    return create_model(base, folders=(home() / "base",)), adapters


def _common_base(adapters: Sequence[Adapter]) -> str:
    if not adapters:
        raise UsageError(
            "no style and no base to draw with", "name one: --style NAME, or --base scan_128.anime"
        )
    first = adapters[0]
    for other in adapters[1:]:
        both_known = bool(other.base_sha256 and first.base_sha256)
        key = "base_sha256" if both_known else "base_name"
        if getattr(other, key) != getattr(first, key):
            raise IntegrityError(
                f"the styles belong to different bases: {first.name} to {first.base_name}, {other.name} to "
                f"{other.base_name}",
                f"blend styles of one base, or train {other.name} on {first.base_name}: fewshot adapt",
            )
    return base_of(first)


def base_of(made_for: Adapter | Engine) -> str:
    """The name that the base of an adapter or an engine has on this machine."""
    return same_model(made_for.base_name, made_for.base_sha256, (home() / "base",))
